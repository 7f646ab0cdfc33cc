"""Validation rules of custom resources in CEL (`x-kubernetes-validations`, KEP-2876), evaluated by `cel-expr-python`.

The package is optional: it weighs 50 MB. Without it a definition that has rules is refused, not silently accepted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any

from apiserver.cel.functions import functions
from apiserver.cel.values import OUT_OF_BUDGET, Failed, begin

MISSING = "rules need the package cel-expr-python, which is not installed"
_EXTENSIONS = ("Strings", "Optional", "Math")
"""Those that Kubernetes has; `cel.bind`, which it has not, would let a short expression make an endless text."""


def module() -> Any:
    """The CEL package. Raises ImportError where it is not installed."""
    return import_module("cel_expr_python.cel")


def extensions() -> list[Any]:
    """What Kubernetes adds to plain CEL: the package's own libraries, and ours for the rest."""
    parts = [(name, import_module(f"cel_expr_python.ext.ext_{name.lower()}")) for name in _EXTENSIONS]
    return [*(getattr(part, f"Ext{name}")() for name, part in parts), functions(module())]


@lru_cache(maxsize=1)
def environment() -> Any:
    """That of rules, in which every variable can be anything."""
    cel = module()
    return cel.NewEnv(variables={"self": cel.Type.DYN, "oldSelf": cel.Type.DYN}, extensions=extensions())


def available() -> bool:
    """Whether rules can be evaluated."""
    try:
        environment()
    except ImportError:
        return False
    return True


def evaluated(program: Any, data: Mapping[str, Any]) -> Any:
    """The value of a compiled expression as plain JSON. Raises Failed, in the words of cel-go."""
    begin()
    try:
        found = program.eval(data=data)
    except RuntimeError as error:
        raise Failed(evaluation_error(str(error))) from None
    if found.type().name() == "ERROR":
        raise Failed(evaluation_error(str(found.value())))
    return found.plain_value()


def evaluation_error(message: str) -> str:
    """The evaluator's message in the words of cel-go."""
    key = re.search(r'Key not found in map : "(.*)"', message)
    if key:
        return f"no such key: {key[1]}"
    if re.search("No matching overloads found|not supported between instances|unsupported operand type", message):
        return "no such overload"
    if "Iteration budget exceeded" in message:
        return OUT_OF_BUDGET
    return re.sub(r"^[A-Z_]+: ", "", message) or "evaluation failed"


def tidy(message: str) -> str:
    """The compiler's message without the status codes around it."""
    return re.sub(r" \[[A-Z_]+\]$", "", re.sub(r"^[A-Z_]+: ", "", message))
