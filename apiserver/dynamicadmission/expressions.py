"""CEL expressions of admission (policies, match conditions): compiled once, evaluated on plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from apiserver.cel.ast import parse
from apiserver.cel.check import undefined_fields
from apiserver.cel.compile import display
from apiserver.cel.evaluation import MISSING, evaluated, extensions, module, tidy
from apiserver.cel.rewrite import program
from apiserver.cel.values import Failed
from apiserver.dynamicadmission.authorizer import functions


class EvaluationFailed(Exception):
    """An expression could not be evaluated; the text says why."""


@lru_cache(maxsize=32)
def environment(variables: tuple[str, ...]) -> Any:
    """That of expressions over these variables, each of which can be anything. Raises ImportError where the CEL package
    is not installed."""
    cel = module()
    return cel.NewEnv(variables=dict.fromkeys(variables, cel.Type.DYN), extensions=[*extensions(), functions(cel)])


class Expression:
    """One compiled expression over these variables. Raises ValueError with the compiler's message, or where the CEL
    package is not installed. `answers` is the type that it must have ("" for any), `composed` the fields that
    `variables` has (None for any)."""

    def __init__(
        self, text: str, variables: tuple[str, ...], answers: str = "", composed: frozenset[str] | None = None
    ) -> None:
        try:
            within = environment(tuple(sorted(variables)))
        except ImportError:
            raise ValueError(MISSING) from None
        try:
            self._program = program(within, text)
        except RuntimeError as error:
            raise ValueError(f"compilation failed: {tidy(str(error))}") from None
        if composed is not None:
            unknown = undefined_fields(parse(self._program.serialize()), "variables", composed)
            if unknown:
                raise ValueError(f"compilation failed: {display(text, unknown)}")
        found = self._program.return_type().name().partition("<")[0]
        if answers and found not in (answers, "DYN"):
            raise ValueError(f"must evaluate to {answers.lower()}")

    def evaluate(self, data: Mapping[str, Any]) -> Any:
        """The value as plain JSON. Raises EvaluationFailed."""
        try:
            return evaluated(self._program, data)
        except Failed as error:
            raise EvaluationFailed(str(error)) from None


POLICY_VARIABLES = ("authorizer", "namespaceObject", "object", "oldObject", "params", "request", "variables")


@lru_cache(maxsize=4096)
def composed(text: str) -> Expression:
    """An expression of a policy, compiled once."""
    return Expression(text, POLICY_VARIABLES)


@lru_cache(maxsize=4096)
def expression(text: str, variables: tuple[str, ...], answers: str = "") -> Expression:
    """The expression, compiled once."""
    return Expression(text, variables, answers)
