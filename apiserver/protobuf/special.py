"""Messages that JSON shows as something else than an object: times, quantities, documents within documents."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from apiserver.protobuf.wire import ProtobufError

Fields = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _from_time(fields: Fields) -> str | None:
    """Whole seconds, as JSON has them; the zero time is an empty message (`metav1.Time.Unmarshal`)."""
    return _moment(fields, "seconds").strftime("%Y-%m-%dT%H:%M:%SZ") if fields else None


def _from_micro_time(fields: Fields) -> str | None:
    return _moment(fields, "microseconds").strftime("%Y-%m-%dT%H:%M:%S.%fZ") if fields else None


def _moment(fields: Fields, precision: str) -> datetime:
    nanos = fields.get("nanos", 0) if precision == "microseconds" else 0
    try:
        found = _EPOCH + timedelta(seconds=fields.get("seconds", 0), microseconds=nanos // 1000)
    except OverflowError:
        raise ProtobufError("Time.MarshalJSON: year outside of range [0,9999]") from None
    if found.year < 1000:  # strftime would not pad it, and no clock of a cluster shows it
        raise ProtobufError("Time.MarshalJSON: year outside of range [1000,9999]")
    return found


def _to_time(value: Any) -> Fields:
    if not value:
        return {}
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ProtobufError(f"{value!r} is no RFC 3339 time") from None
    since = moment.replace(tzinfo=moment.tzinfo or UTC) - _EPOCH
    return {"seconds": since.days * 86400 + since.seconds, "nanos": since.microseconds * 1000}


def _from_intstr(fields: Fields) -> int | str:
    number: int = fields.get("intVal", 0)
    text: str = fields.get("strVal", "")
    kind = fields.get("type", 0)
    if kind not in (0, 1):
        raise ProtobufError("impossible IntOrString.Type")
    return text if kind else number


def _to_intstr(value: Any) -> Fields:
    return {"type": 1, "strVal": value} if isinstance(value, str) else {"type": 0, "intVal": int(value)}


def _from_document(fields: Fields) -> Any:
    """JSON that travels as bytes. What is nested too deep to be written again is refused."""
    data: bytes = fields.get("raw") or fields.get("Raw") or b""
    if not data:
        return None
    try:
        found = orjson.loads(data)
        orjson.dumps(found)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
        raise ProtobufError(f"error decoding JSON within protobuf: {error}") from None
    return found


def _to_document(value: Any) -> Fields:
    return {} if value is None else {"raw": orjson.dumps(value)}


def _to_managed(value: Any) -> Fields:
    return {} if value is None else {"Raw": orjson.dumps(value)}


def _from_items(fields: Fields) -> Any:
    return fields.get("items", [])


def _to_items(value: Any) -> Fields:
    return {"items": value}


def _from_schema_or_array(fields: Fields) -> Any:
    return fields["schema"] if "schema" in fields else fields.get("jSONSchemas", [])


def _to_schema_or_array(value: Any) -> Fields:
    return {"jSONSchemas": value} if isinstance(value, list) else {"schema": value}


def _from_schema_or_bool(fields: Fields) -> Any:
    return fields["schema"] if "schema" in fields else fields.get("allows", False)


def _to_schema_or_bool(value: Any) -> Fields:
    return {"allows": value} if isinstance(value, bool) else {"allows": True, "schema": value}


def _from_schema_or_names(fields: Fields) -> Any:
    return fields["schema"] if "schema" in fields else fields.get("property", [])


def _to_schema_or_names(value: Any) -> Fields:
    return {"property": value} if isinstance(value, list) else {"schema": value}


def _from_duration(fields: Fields) -> str:
    """Go prints durations with units; seconds are exact enough to be read back."""
    return f"{fields.get('duration', 0) / 1e9:g}s"


def _to_duration(value: Any) -> Fields:
    try:
        return {"duration": int(float(str(value).removesuffix("s")) * 1e9)}
    except ValueError:
        raise ProtobufError(f"time: invalid duration {value!r}") from None


def _from_quantity(fields: Fields) -> str:
    return fields.get("string") or "0"


def _to_quantity(value: Any) -> Fields:
    return {"string": str(value)}


SPECIAL: dict[str, tuple[Callable[[Fields], Any], Callable[[Any], Fields]]] = {
    "Duration": (_from_duration, _to_duration),
    "ExtraValue": (_from_items, _to_items),
    "FieldsV1": (_from_document, _to_managed),
    "IntOrString": (_from_intstr, _to_intstr),
    "JSON": (_from_document, _to_document),
    "JSONSchemaPropsOrArray": (_from_schema_or_array, _to_schema_or_array),
    "JSONSchemaPropsOrBool": (_from_schema_or_bool, _to_schema_or_bool),
    "JSONSchemaPropsOrStringArray": (_from_schema_or_names, _to_schema_or_names),
    "MicroTime": (_from_micro_time, _to_time),
    "Quantity": (_from_quantity, _to_quantity),
    "QuantityValue": (_from_quantity, _to_quantity),
    "RawExtension": (_from_document, _to_document),
    "Time": (_from_time, _to_time),
    "Verbs": (_from_items, _to_items),
}
"""Short message name -> (fields of the message -> JSON, JSON -> fields of the message)."""
