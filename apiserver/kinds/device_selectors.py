"""CEL selectors of devices (KEP-4381): compiled when they are written. Schedulers evaluate them, we never do."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any

from apiserver.field import FieldError, invalid, required, too_long
from apiserver.kinds.device_rules import items
from apiserver.kinds.kind import Object

SELECTORS = 32
EXPRESSION = 10 * 1024
"""How many there may be; bytes of an expression."""
FIELDS = ("allowMultipleAllocations", "attributes", "capacity", "driver")
"""Of the variable `device`."""
_TYPES = {"NULL": "null_type", "TIMESTAMP": "google.protobuf.Timestamp", "DURATION": "google.protobuf.Duration"}


def selectors(found: Any, path: str) -> list[FieldError]:
    """What is wrong with a list of DeviceSelectors."""
    return items(found or [], path, SELECTORS, _selector)


def _selector(selector: Object, path: str) -> list[FieldError]:
    if selector.get("cel") is None:
        return [required(f"{path}.cel")]
    expression, at = selector["cel"].get("expression", ""), f"{path}.cel.expression"
    if len(expression.encode()) > EXPRESSION:
        return [too_long(at, EXPRESSION)]
    why = _compiled(expression)
    return [invalid(at, expression, why)] if why else []


@lru_cache(maxsize=1)
def _environment() -> Any:
    """Raises ImportError where CEL is not installed."""
    from apiserver.cel.evaluation import extensions, module

    cel, bindings = module(), import_module("cel_expr_python.ext.ext_bindings")
    return cel.NewEnv(variables={"device": cel.Type.DYN}, extensions=[*extensions(), bindings.ExtBindings()])


@lru_cache(maxsize=1024)
def _compiled(text: str) -> str:
    """Why the expression is none, or no condition; "" where it is one, and without CEL, which only this would need."""
    from apiserver.cel.ast import parse
    from apiserver.cel.check import undefined_fields
    from apiserver.cel.compile import display
    from apiserver.cel.evaluation import tidy

    try:
        program = _environment().compile(text)
    except ImportError:
        return ""
    except RuntimeError as error:
        return f"compilation failed: {tidy(str(error))}"
    unknown = undefined_fields(parse(program.serialize()), "device", FIELDS)
    if unknown:
        return f"compilation failed: {display(text, unknown)}"
    answer = program.return_type().name()
    return "" if answer in ("BOOL", "DYN") else f"must evaluate to bool or the unknown type, not {_type(answer)}"


def _type(name: str) -> str:
    """A type as cel-go writes it."""
    return _TYPES.get(name, name.lower().replace("<", "(").replace(">", ")"))
