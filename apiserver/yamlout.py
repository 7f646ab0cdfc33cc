"""YAML answers, written as go-yaml writes them."""

from __future__ import annotations

from typing import Any

import yaml

from apiserver import goyaml
from apiserver.field import show_float

_TEXT = "tag:yaml.org,2002:str"
_TAGS = {bool: "bool", int: "int", float: "float", type(None): "null", str: "str"}
_Base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_Base):  # type: ignore[misc]
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def resolve(self, kind: type, value: Any, implicit: Any) -> Any:
        if kind is yaml.ScalarNode:
            return f"tag:yaml.org,2002:{_TAGS[type(goyaml.plain(value))]}" if implicit[0] else _TEXT
        return super().resolve(kind, value, implicit)


def _text(dumper: Any, value: str) -> Any:
    if "\n" in value:
        return dumper.represent_scalar(_TEXT, value, style="|")
    return dumper.represent_scalar(_TEXT, value, style=None if goyaml.stays_text(value) else '"')


def _float(dumper: Any, value: float) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:float", show_float(value))


_Dumper.add_representer(str, _text)
_Dumper.add_representer(float, _float)


def dump(value: Any) -> str:
    """A JSON value as YAML text: keys sorted, lists not indented below their key."""
    text: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=True, default_flow_style=False, width=2**30, allow_unicode=True
    )
    return text
