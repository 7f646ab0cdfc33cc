"""CEL: named formats of strings, `format.dns1123Label().validate(text)`.

Source of the rules: `k8s.io/apiserver/pkg/cel/library/format.go`. Functions here cannot answer optional values: what
they answer is empty for none, and expressions are rewritten to make optionals of it (`with_formats`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from apiserver import validation as rules
from apiserver.cel.values import marked, opened
from apiserver.schema.custom_formats import FORMATS

Row = tuple[str, str, Sequence[str], Callable[..., Any], bool]
Check = Callable[[str], list[str]]


def _uri(text: str) -> list[str]:
    if FORMATS["uri"](text):
        return []
    return [f'parse "{text}": {"invalid URI for request" if text else "empty url"}']


def _of_strings(name: str, fault: str) -> Check:
    return lambda text: [] if FORMATS[name](text) else [fault]


CHECKS: dict[str, Check] = {
    "dns1123Label": rules.dns1123_label,
    "dns1123Subdomain": rules.dns1123_subdomain,
    "dns1035Label": rules.dns1035_label,
    "qualifiedName": rules.qualified_name,
    "dns1123LabelPrefix": partial(rules.dns1123_label, prefix=True),
    "dns1123SubdomainPrefix": partial(rules.dns1123_subdomain, prefix=True),
    "dns1035LabelPrefix": partial(rules.dns1035_label, prefix=True),
    "labelValue": rules.label_value,
    "uri": _uri,
    "uuid": _of_strings("uuid", "does not match the UUID format"),
    "byte": _of_strings("byte", "invalid base64"),
    "date": _of_strings("date", "invalid date"),
    "datetime": _of_strings("datetime", "invalid datetime"),
}
"""What is wrong with a string that should have the format."""


def _named(name: str) -> Any:
    return marked("format", name=name) if name in CHECKS else {}


def _validate(value: Any, text: str) -> list[str]:
    return CHECKS[opened(value, "format")["name"]](text)


TABLE: tuple[Row, ...] = (
    *((f"format.{name}", "any", (), partial(_named, name), False) for name in CHECKS),
    ("format.named", "any", ("string",), _named, False),
    ("validate", "any", ("any", "string"), _validate, True),
)
