"""What the parts of strategic merge patch share: directives, errors, and the rule of each field."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from apiserver import errors
from apiserver.patch.gotext import TYPES, plain
from apiserver.schema.types import Type
from miniplane.apimachinery.status import StatusError

if TYPE_CHECKING:
    from apiserver.kinds.kind import Object

DIRECTIVE = "$patch"
RETAIN_KEYS = "$retainKeys"
DELETE_FROM_LIST = "$deleteFromPrimitiveList"
ELEMENT_ORDER = "$setElementOrder"
BAD_RETAIN_KEYS = "invalid patch format of retainKeys"
BAD_PRIMITIVE_LIST = "invalid patch format of primitive list"
BAD_ELEMENT_ORDER = "invalid patch format of setElementOrder list"


class Unmergeable(Exception):
    """The patch contradicts itself or the schema. Wrapped into the Status that the real server gives such an error: 500
    without a reason, except where `bad_request` says otherwise."""

    def __init__(self, message: str, *, bad_request: bool = False, unprocessable: bool = False) -> None:
        super().__init__(message)
        self.bad_request, self.unprocessable = bad_request, unprocessable

    def status(self) -> StatusError:
        if self.bad_request:
            return errors.bad_request(str(self))
        if self.unprocessable:
            return errors.unprocessable("the server rejected our request due to an error in our request")
        return errors.plain_internal(str(self))


def wrong_type(expected: type, value: Any) -> Unmergeable:
    return Unmergeable(f"expected a {TYPES[expected]}, but received a {TYPES[type(value)]}")


def no_merge_key(item: Object, key: str) -> Unmergeable:
    return Unmergeable(f"map: {plain(item)} does not contain declared merge key: {key}")


def unknown_directive(directive: Any, item: Object) -> Unmergeable:
    return Unmergeable(f"unknown patch type: {plain(directive)} in map: {plain(item)}")


class Rule:
    """How the patch of one field merges: its type, the strategy ("merge", "replace", ""), the merge key."""

    __slots__ = ("key", "strategy", "type")

    def __init__(self, kind: Type | None, strategy: str = "", key: str = "") -> None:
        self.type, self.strategy, self.key = kind, strategy, key


@lru_cache(maxsize=4096)
def rule_of(kind: Type | None, name: str) -> Rule:
    """The rule of field `name` in `kind`. Raises Unmergeable where there is no such field."""
    if kind is None or kind.shape not in ("struct", "map", "any"):
        shape = "interface" if kind is None else kind.shape
        raise Unmergeable(f"merging an object in json but data type is not struct or map, instead is: {shape}")
    if kind.shape == "map":
        return Rule(kind.element)
    found = kind.fields.get(name)
    if found is not None:
        strategy = next((word for word in found.patch_strategy if word != "retainKeys"), "")
        return Rule(found.type, strategy, found.patch_merge_key)
    owner = kind.owner or kind.go.rpartition(".")[2]
    raise Unmergeable(f'unable to find api field in struct {owner} for the json field "{name}"')


def directive_target(name: str, prefix: str, message: str) -> str:
    """`x` of `$setElementOrder/x`."""
    head, slash, target = name.partition("/")
    if head != prefix or not slash:
        raise Unmergeable(message, bad_request=True)
    return target
