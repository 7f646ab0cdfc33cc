"""Names, labels, ports and addresses: the rules of apimachinery, in its words (those of metadata: `objectmeta.py`).

The first half returns messages (`k8s.io/apimachinery/pkg/util/validation`), the second field errors
(`pkg/api/validation`).
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from apiserver.addresses import cidr as cidr
from apiserver.addresses import cidr_warnings as cidr_warnings
from apiserver.addresses import ip_address as ip_address
from apiserver.addresses import ip_warnings as ip_warnings
from apiserver.addresses import legacy_cidr as legacy_cidr
from apiserver.addresses import legacy_ip as legacy_ip
from apiserver.addresses import non_special_ip as non_special_ip
from apiserver.addresses import parse_cidr as parse_cidr
from apiserver.addresses import parse_ip as parse_ip
from apiserver.field import FieldError, forbidden, invalid, required

LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = LABEL + r"(\." + LABEL + ")*"
LABEL_1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
VALUE = f"({QUALIFIED})?"
LABEL_LIMIT, SUBDOMAIN_LIMIT = 63, 253
ANNOTATIONS_LIMIT = 256 * 1024
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character"
)
_LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character"
)
_NAME_PART = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
    "and end with an alphanumeric character"
)


def regex_error(message: str, pattern: str, *examples: str) -> str:
    if not examples:
        return f"{message} (regex used for validation is '{pattern}')"
    shown = ",  or ".join(f"'{example}'" for example in examples)
    return f"{message} (e.g. {shown}, regex used for validation is '{pattern}')"


def max_length(limit: int, unit: str = "characters") -> str:
    return f"must be no more than {limit} {unit}"


def _masked(value: str, prefix: bool) -> str:
    """A generateName as a generated name may look: the real server takes the letter before the dash away too."""
    return value[:-2] + "a" if prefix and len(value) > 1 and value.endswith("-") else value


def _name(value: str, limit: int, pattern: str, text: str, examples: tuple[str, ...], prefix: bool) -> list[str]:
    value = _masked(value, prefix)
    found = [max_length(limit)] if len(value) > limit else []
    if not re.fullmatch(pattern, value):
        found.append(regex_error(text, pattern, *examples))
    return found


def dns1123_label(value: str, prefix: bool = False) -> list[str]:
    value = _masked(value, prefix)
    if "." in value and re.fullmatch(SUBDOMAIN, value):
        too_long = [max_length(LABEL_LIMIT)] if len(value) > LABEL_LIMIT else []
        return [*too_long, "must not contain dots"]
    return _name(value, LABEL_LIMIT, LABEL, _LABEL_TEXT, ("my-name", "123-abc"), False)


def dns1123_subdomain(value: str, prefix: bool = False) -> list[str]:
    return _name(value, SUBDOMAIN_LIMIT, SUBDOMAIN, _SUBDOMAIN_TEXT, ("example.com",), prefix)


def dns1035_label(value: str, prefix: bool = False) -> list[str]:
    return _name(value, LABEL_LIMIT, LABEL_1035, _LABEL_1035_TEXT, ("my-name", "abc-123"), prefix)


def qualified_name(value: str) -> list[str]:
    """A label or annotation key: an optional DNS prefix and a name."""
    parts = value.split("/")
    if len(parts) > 2:
        text = "a valid label key " + regex_error(_NAME_PART, QUALIFIED, "MyName", "my.name", "123-abc")
        return [text + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    found: list[str] = []
    name = parts[-1]
    if len(parts) == 2:
        if not parts[0]:
            found.append("prefix part must be non-empty")
        else:
            found += [f"prefix part {text}" for text in dns1123_subdomain(parts[0])]
    if not name:
        found.append("name part must be non-empty")
    elif len(name) > LABEL_LIMIT:
        found.append(f"name part {max_length(LABEL_LIMIT, 'bytes')}")
    if not re.fullmatch(QUALIFIED, name):
        found.append("name part " + regex_error(_NAME_PART, QUALIFIED, "MyName", "my.name", "123-abc"))
    return found


def label_value(value: str) -> list[str]:
    found = [max_length(LABEL_LIMIT, "bytes")] if len(value.encode()) > LABEL_LIMIT else []
    if not re.fullmatch(VALUE, value):
        found.append(regex_error(_VALUE_TEXT, VALUE, "MyValue", "my_value", "12345"))
    return found


def port_number(port: int) -> list[str]:
    return [] if 1 <= port <= 65535 else ["must be between 1 and 65535, inclusive"]


def port_name(value: str) -> list[str]:
    """An IANA service name (RFC 6335)."""
    found = ["must be no more than 15 characters"] if len(value) > 15 else []
    if not re.fullmatch(r"[-a-z0-9]+", value):
        found.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        found.append("must contain at least one letter (a-z)")
    if "--" in value:
        found.append("must not contain consecutive hyphens")
    if value and (value[0] == "-" or value[-1] == "-"):
        found.append("must not begin or end with a hyphen")
    return found


_ENV_NAME = r"[-._a-zA-Z][-._a-zA-Z0-9]*"


def env_var_name(value: str) -> list[str]:
    """The relaxed rule of 1.34: any printable ASCII character but `=`."""
    if not value:
        return ["environment variable name must not be empty"]
    found = []
    if not re.fullmatch(r"[ -<>-~]+", value):
        found.append("a valid environment variable name must consist only of printable ASCII characters other than '='")
    return found


_CONFIG_KEY = r"[-._a-zA-Z0-9]+"


def config_map_key(value: str) -> list[str]:
    found = [max_length(SUBDOMAIN_LIMIT)] if len(value) > SUBDOMAIN_LIMIT else []
    if not re.fullmatch(_CONFIG_KEY, value):
        text = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        found.append(regex_error(text, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    elif value == ".":
        found.append("must not be '.'")
    elif value == "..":
        found.append("must not be '..'")
    elif value.startswith(".."):
        found.append("must not start with '..'")
    return found


def path_segment(value: str) -> list[str]:
    """What may stand between two slashes of a URL."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{char}'" for char in "/%" if char in value]


_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"


def domain_prefixed_path(value: str, path: str) -> list[FieldError]:
    """`acme.io/foo`."""
    host, _, rest = value.partition("/")
    if not host or not rest:
        return [invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")')]
    found = [invalid(path, host, text) for text in dns1123_subdomain(host)]
    if not re.fullmatch(_HTTP_PATH, rest):
        found.append(invalid(path, rest, regex_error("Invalid path", _HTTP_PATH)))
    return found


def wildcard_dns1123_subdomain(value: str) -> list[str]:
    pattern = r"\*\." + SUBDOMAIN
    found = [max_length(SUBDOMAIN_LIMIT)] if len(value) > SUBDOMAIN_LIMIT else []
    if not re.fullmatch(pattern, value):
        text = (
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist "
            "of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
        )
        found.append(regex_error(text, pattern, "*.example.com"))
    return found


def percent(value: str) -> list[str]:
    if re.fullmatch(r"[0-9]+%", value):
        return []
    text = "a valid percent string must be a numeric string followed by an ending '%'"
    return [regex_error(text, "[0-9]+%", "1%", "93%")]


def labels(values: Mapping[str, str] | None, path: str) -> list[FieldError]:
    given = values or {}
    return [invalid(path, shown, text) for key in sorted(given) for shown, text in _label(key, given[key])]


@lru_cache(maxsize=8192)
def _label(key: str, value: str) -> tuple[tuple[str, str], ...]:
    """What is wrong with a label: (what, why). The labels of a cluster are few, and come again with every write."""
    return (*((key, text) for text in qualified_name(key)), *((value, text) for text in label_value(value)))


def annotations(values: Mapping[str, str] | None, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    total = 0
    for key in sorted(values or {}):
        found += [invalid(path, key, text) for text in qualified_name(key.lower())]
        total += len(key.encode()) + len((values or {})[key].encode())
    if total > ANNOTATIONS_LIMIT:
        found.append(FieldError("FieldValueTooLong", path, f"Too long: may not be more than {ANNOTATIONS_LIMIT} bytes"))
    return found


def label_selector(selector: Mapping[str, Any] | None, path: str) -> list[FieldError]:
    """metav1.LabelSelector."""
    if not selector:
        return []
    found = labels(selector.get("matchLabels"), f"{path}.matchLabels")
    for index, item in enumerate(selector.get("matchExpressions") or ()):
        found += label_requirement(item, f"{path}.matchExpressions[{index}]")
    return found


def label_requirement(item: Mapping[str, Any], path: str, *, unknown_operators: bool = False) -> list[FieldError]:
    """metav1.LabelSelectorRequirement."""
    values = item.get("values") or ()
    found = requirement_operator(item, path, unknown_operators=unknown_operators)
    found += [invalid(f"{path}.key", item.get("key", ""), text) for text in qualified_name(item.get("key", ""))]
    for index, value in enumerate(values):
        found += [invalid(f"{path}.values[{index}]", value, text) for text in label_value(value)]
    return found


def requirement_operator(item: Mapping[str, Any], path: str, *, unknown_operators: bool) -> list[FieldError]:
    """The operator of a requirement, and whether it goes with the number of values."""
    found: list[FieldError] = []
    operator, values = item.get("operator", ""), item.get("values") or ()
    if operator in ("In", "NotIn"):
        if not values:
            found.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            found.append(
                forbidden(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
            )
    elif not unknown_operators:
        found.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))
    return found
