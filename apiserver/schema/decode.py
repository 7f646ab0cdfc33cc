"""A parsed body -> the object as Go would hold and write it again: typed, zero values dropped, unknown fields gone.

Each Type is compiled to a function once; decoding then is dictionary look-ups and calls.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from apiserver.schema.scalars import SCALARS, TOO_DEEP, ZEROS, DecodeError, Decoder, Mismatch, shape_of, too_deep
from apiserver.schema.types import Field, Type

Member = tuple[type | None, Decoder, bool, bool]
"""(the Python type that needs no decoder, the decoder, whether a zero value that was sent stays, whether Go writes the
field even when nothing was sent)."""
UNDECODABLE = (Mismatch, DecodeError, RecursionError)
"""What a decoder raises."""
_left_out = itertools.count()
"""Moves on with every unknown field; taking the next number is atomic, so that threads may decode side by side."""


def left_out() -> int:
    """A number that is one more every time, and one more for every unknown field in between."""
    return next(_left_out)


def member_of(field: Field) -> Member:
    """How a field of a struct is decoded."""
    return *_entry(field), _written(field)


def decode_strictly(obj: Any, kind: Type) -> tuple[dict[str, Any], bool]:
    """`decode`, and whether nothing was left out: False where `obj` may have fields that `kind` does not know."""
    before = next(_left_out)
    found = decode(obj, kind)
    return found, next(_left_out) == before + 1 and kind.published is None  # custom kinds prune beforehand


def decode_changed(obj: dict[str, Any], kind: Type, known: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """`decode_strictly` of an object that shares what did not change with `known`, which is of `kind` already: fields
    that are the very same value need no second look."""
    if kind.published is not None:
        return decode_strictly(obj, kind)
    shared = {name: value for name, value in obj.items() if value is not None and known.get(name) is value}
    if len(shared) == len(obj) and shared.keys() == known.keys():
        return shared, True
    found, whole = decode_strictly({name: value for name, value in obj.items() if name not in shared}, kind)
    in_order = {name: shared.get(name, found.get(name)) for name in obj if name in shared or name in found}
    return {**in_order, **{name: value for name, value in found.items() if name not in in_order}}, whole


def decode_differing(obj: dict[str, Any], kind: Type, known: dict[str, Any], deep: str) -> tuple[dict[str, Any], bool]:
    """`decode_changed`, where the field `deep` shares with `known` also whatever in it is the very same value."""
    value, before, field = obj.get(deep), known.get(deep), kind.fields.get(deep)
    if value is before or type(value) is not dict or type(before) is not dict or field is None or kind.recursive:
        return decode_changed(obj, kind, known)
    left_out = next(_left_out)
    try:
        inner = _differing(value, field.type, before)
    except UNDECODABLE:
        return decode_changed(obj, kind, known)  # says where, and what is wrong first
    left_out = next(_left_out) - left_out
    found, whole = decode_changed({**obj, deep: inner}, kind, {**known, deep: inner})
    return found, whole and left_out == 1


def _differing(value: dict[str, Any], kind: Type, known: dict[str, Any]) -> dict[str, Any]:
    """A struct whose members are decoded unless they are `known`'s."""
    same: dict[str, Any] = {}
    other: dict[str, Any] = {}
    for name, item in value.items():
        before, field = known.get(name), kind.fields.get(name)
        if item is before and item is not None:
            same[name] = item
        elif field is not None and type(item) is list and type(before) is list and item and before:
            same[name] = _differing_items(item, field.type, before)
        elif field is not None and field.type.shape == "struct" and type(item) is dict and type(before) is dict:
            same[name] = _differing(item, field.type, before)
        else:
            other[name] = item
    if not other and same.keys() == known.keys():
        return same
    found = compiled(kind)(other)
    in_order = {name: same.get(name, found.get(name)) for name in value if name in same or name in found}
    return {**in_order, **{name: item for name, item in found.items() if name not in in_order}}


def _differing_items(items: list[Any], kind: Type, known: list[Any]) -> list[Any]:
    """A list whose objects are decoded unless they are `known`'s."""
    same = {id(item) for item in known if type(item) is dict}
    other = [item for item in items if id(item) not in same]
    found = iter(compiled(kind)(other))
    return [item if id(item) in same else next(found) for item in items]


def decode(obj: Any, kind: Type) -> dict[str, Any]:
    """A JSON object as `kind`. Raises DecodeError with the text that the API server answers."""
    try:
        found: dict[str, Any] = compiled(kind)(obj)
        if kind.recursive and too_deep(found):
            raise DecodeError(TOO_DEEP)
    except Mismatch as error:
        raise DecodeError(_text(_graver(obj, kind) or error)) from None
    except RecursionError:
        raise DecodeError(TOO_DEEP) from None
    return found


def _text(error: Mismatch | DecodeError) -> str:
    if isinstance(error, DecodeError):
        return str(error)
    where = f"Go struct field {error.owner}.{'.'.join(error.path)}" if error.owner else "Go value"
    return f"json: cannot unmarshal {error.shape} into {where} of type {error.go}"


_OWN_UNMARSHAL = frozenset({"quantity", "intstr", "time", "microtime"})


def _graver(obj: Any, kind: Type) -> Mismatch | DecodeError | None:
    """The first error of a type with an UnmarshalJSON of its own: it ends Go's decoding at once, where wrong types of
    plain fields are only remembered."""
    try:
        _own_unmarshal(obj, kind, kind.owner)
    except (Mismatch, DecodeError) as error:
        return error
    except RecursionError:
        return DecodeError(TOO_DEEP)
    return None


def _own_unmarshal(value: Any, kind: Type, owner: str) -> None:
    if kind.shape in _OWN_UNMARSHAL or kind.union:
        compiled(kind)(value)
    elif kind.shape == "struct" and type(value) is dict:
        for key, item in value.items():
            field = kind.fields.get(key)
            if field is not None and item is not None:
                _below(item, field.type, kind.owner, key)
    elif kind.element is not None and isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            if item is not None:
                _own_unmarshal(item, kind.element, owner)


def _below(value: Any, kind: Type, owner: str, key: str) -> None:
    try:
        _own_unmarshal(value, kind, owner)
    except Mismatch as error:
        error.path.insert(0, key)
        error.owner = error.owner or owner
        raise


def compiled(kind: Type) -> Decoder:
    """The decoder of a type, made once."""
    if kind.decoder is None:
        kind.decoder = _compile(kind)
    decoder: Decoder = kind.decoder
    return decoder


def _compile(kind: Type) -> Decoder:
    match kind.shape:
        case "struct":
            return _struct(kind)
        case "list":
            return _list(kind)
        case "map":
            return _map(kind)
    if kind.union:
        return _union(kind)
    return SCALARS[kind.shape](kind)


_PLAIN: dict[str, type] = {"string": str, "bool": bool, "duration": str}


def _struct(kind: Type) -> Decoder:
    table: dict[str, tuple[type | None, Decoder, bool]] = {}
    always: list[tuple[str, Callable[[], Any]]] = []
    owner, go, keep_unknown = kind.owner, kind.go, kind.preserve_unknown

    def decoder(value: Any) -> Any:
        if type(value) is not dict:
            raise Mismatch(shape_of(value), go)
        if not table:  # at first use, not before: types may contain themselves
            table.update({name: _entry(field) for name, field in kind.fields.items()})
            always.extend((name, _zero(field)) for name, field in kind.fields.items() if _written(field))
        out: dict[str, Any] = {}
        for key, item in value.items():
            entry = table.get(key)
            if entry is None:
                if keep_unknown:
                    out[key] = item
                else:
                    next(_left_out)
                continue
            plain, decoder_of_field, stays = entry
            if type(item) is plain:  # most values are strings: spare them a call
                if item or stays:
                    out[key] = item
                continue
            if item is None:
                continue
            try:
                decoded = decoder_of_field(item)
            except Mismatch as error:
                error.path.insert(0, key)
                error.owner = error.owner or owner
                raise
            if decoded or stays:
                out[key] = decoded
        for key, zero in always:
            if key not in out:
                out[key] = zero()
        return out

    return decoder


def _entry(field: Field) -> tuple[type | None, Decoder, bool]:
    return _PLAIN.get(field.type.shape), compiled(field.type), _stays(field)


def _stays(field: Field) -> bool:
    """Whether a zero value that the client sent is written again. Empty lists and maps that are always written become
    null: the protobuf form in which the real server stores them cannot tell the two apart. Empty managedFields are an
    order to forget them, which the write carries out."""
    if field.json == "managedFields":
        return True
    if field.keep_zero and field.type.shape in ("list", "map"):
        return field.json == "items"
    return field.pointer or field.keep_zero or field.type.shape in ("struct", "any")


def _written(field: Field) -> bool:
    """Whether Go writes the field even when the client sent nothing."""
    return field.keep_zero or (field.type.shape == "struct" and not field.pointer)


def _zero(field: Field) -> Callable[[], Any]:
    kind = field.type
    if kind.shape == "struct" and not field.pointer:
        return lambda: compiled(kind)({})
    if field.pointer:
        return lambda: None
    value = ZEROS.get(kind.shape)
    return lambda: value


def _list(kind: Type) -> Decoder:
    assert kind.element is not None
    element, go = kind.element, kind.go
    inner = compiled(element)
    null = _null(element)

    def decoder(value: Any) -> Any:
        if type(value) is not list:
            raise Mismatch(shape_of(value), go)
        return [inner(item) if item is not None else null() for item in value]

    return decoder


def _map(kind: Type) -> Decoder:
    assert kind.element is not None
    element, go = kind.element, kind.go
    inner = compiled(element)
    null = _null(element)

    def decoder(value: Any) -> Any:
        if type(value) is not dict:
            raise Mismatch(shape_of(value), go)
        return {key: inner(item) if item is not None else null() for key, item in value.items()}

    return decoder


def _null(element: Type) -> Callable[[], Any]:
    """What Go has where an element of a list or a map is null."""
    zero = ZEROS.get(element.shape)
    return (lambda: compiled(element)({})) if element.shape == "struct" else (lambda: zero)


def _union(kind: Type) -> Decoder:
    """A JSONSchemaPropsOr...: an UnmarshalJSON of its own that begins anew inside, where nothing is strict."""
    schema, *lists = kind.union

    def decoder(value: Any) -> Any:
        if type(value) is not dict and not (lists and type(value) is list):
            if lists:
                return None
            if type(value) is not bool:
                raise DecodeError("boolean or JSON schema expected")
            return value
        try:
            return compiled(schema if type(value) is dict else lists[0])(value)
        except Mismatch as error:
            error.owner = ""  # the struct around it is named
            raise

    return decoder
