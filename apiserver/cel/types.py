"""Types of CEL expressions, and what may stand for what.

Source of the rules: the type checker of cel-go (`checker/types.go`), whose answers Kubernetes' clients see.
"""

from __future__ import annotations

from dataclasses import dataclass

DYNAMIC_KINDS = ("dyn", "any")


@dataclass(frozen=True, slots=True)
class Type:
    """`kind` is its category, `name` what it is called; they differ for objects ("struct"), opaque types ("opaque") and
    type parameters ("param")."""

    kind: str
    name: str = ""
    parameters: tuple[Type, ...] = ()

    def __str__(self) -> str:
        """As errors print it."""
        name = self.name or self.kind
        return f"{name}({', '.join(map(str, self.parameters))})" if self.parameters else name

    @property
    def dynamic(self) -> bool:
        return self.kind in DYNAMIC_KINDS


BOOL, BYTES, DOUBLE, DURATION, DYN, INT = map(Type, ("bool", "bytes", "double", "duration", "dyn", "int"))
NULL, STRING, TIMESTAMP, TYPE, UINT = map(Type, ("null", "string", "timestamp", "type", "uint"))
ERROR = Type("error", "!error!")
OPTIONAL = "optional_type"


def list_of(element: Type) -> Type:
    return Type("list", "list", (element,))


def map_of(key: Type, value: Type) -> Type:
    return Type("map", "map", (key, value))


def type_of(instance: Type) -> Type:
    """The type of a type's name."""
    return Type("type", "type", (instance,))


def optional_of(value: Type) -> Type:
    return Type("opaque", OPTIONAL, (value,))


def unwrapped(kind: Type) -> tuple[Type, bool]:
    """What an optional holds, and whether it is one."""
    if kind.kind == "opaque" and kind.name == OPTIONAL:
        return kind.parameters[0], True
    return kind, False


class TooComplex(Exception):
    """Types so large that comparing them would take too long."""


class Bindings:
    """What type parameters stand for, as far as it is known."""

    STEPS = 200_000
    """Comparisons of one expression: a thousand times what rules need; types can double with every nested macro."""

    def __init__(self) -> None:
        self.known: dict[str, Type] = {}
        self.steps = 0

    def _step(self) -> None:
        self.steps += 1
        if self.steps > self.STEPS:
            raise TooComplex

    def assignable(self, given: tuple[Type, ...], wanted: tuple[Type, ...]) -> bool:
        """Whether values of the given types may be used for the wanted ones. What that says about type parameters is
        kept, unless it is not so."""
        before = dict(self.known)
        if len(given) == len(wanted) and all(map(self._fits, given, wanted)):
            return True
        self.known = before
        return False

    def _fits(self, given: Type, wanted: Type) -> bool:
        self._step()
        if wanted.kind == "param":
            fits, known = self._stands_for(given, wanted)
            if fits or known:
                return fits
        if given.kind == "param":
            return self._stands_for(wanted, given)[0]
        if given.dynamic or wanted.dynamic or "error" in (given.kind, wanted.kind):
            return True
        if given.kind == "null":
            return wanted.kind in ("null", "struct", "opaque", "duration", "timestamp")
        if given.kind == "type":
            return wanted.kind == "type"
        same = given.kind == wanted.kind and given.name == wanted.name
        return (
            same
            and len(given.parameters) == len(wanted.parameters)
            and all(map(self._fits, given.parameters, wanted.parameters))
        )

    def _stands_for(self, kind: Type, parameter: Type) -> tuple[bool, bool]:
        """Whether `parameter` may stand for `kind`, and whether it stood for something before."""
        before = self.known.get(parameter.name)
        if before is None:
            if self._occurs(parameter, kind):
                return False, False
            self.known[parameter.name] = kind
            return True, False
        if kind == before:
            return True, True
        if self._fits(kind, before):
            self.known[parameter.name] = self.more_general(kind, before)
            return True, True
        return False, True

    def _occurs(self, parameter: Type, within: Type) -> bool:
        self._step()
        if parameter == within:
            return True
        if within.kind == "param":
            found = self.known.get(within.name)
            return found is not None and self._occurs(parameter, found)
        return within.kind in ("list", "map", "opaque") and any(
            self._occurs(parameter, inner) for inner in within.parameters
        )

    def more_general(self, first: Type, second: Type) -> Type:
        """Of two types that fit."""
        return first if self._covers(first, second) else second

    def _covers(self, first: Type, second: Type) -> bool:
        self._step()
        if first.dynamic or first.kind == "param":
            return True
        if second.dynamic or second.kind == "param" or first.kind != second.kind:
            return False
        if first.kind == "type":
            return True
        if first.kind not in ("list", "map", "opaque"):
            return first == second
        return (
            first.name == second.name
            and len(first.parameters) == len(second.parameters)
            and all(map(self._covers, first.parameters, second.parameters))
        )

    def resolved(self, kind: Type, *, final: bool = False) -> Type:
        """The type with what is known of its parameters put in; with `final`, `dyn` for those of which nothing is."""
        self._step()
        if kind.kind == "param":
            found = self.known.get(kind.name)
            if found is not None:
                return self.resolved(found, final=final)
            return DYN if final else kind
        if not kind.parameters:
            return kind
        return Type(kind.kind, kind.name, tuple(self.resolved(inner, final=final) for inner in kind.parameters))
