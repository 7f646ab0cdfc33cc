"""The functions of Kubernetes' CEL environment with their overloads, for checking types and estimating costs.

A line is `name identity signature result`, where the signature of a member is `target.(arguments)`. Identities are
those of cel-go and of Kubernetes' libraries: costs depend on them. Capital letters are type parameters.

Sources: cel-go's `common/stdlib/standard.go`, `cel/library.go`, `ext/`; `k8s.io/apiserver/pkg/cel/library`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from apiserver.cel.formats import CHECKS
from apiserver.cel.types import Type

_STANDARD = """
_?_:_ conditional (bool,A,A) A
_&&_ logical_and (bool,bool) bool
_||_ logical_or (bool,bool) bool
!_ logical_not (bool) bool
@not_strictly_false not_strictly_false (bool) bool
_==_ equals (A,A) bool
_!=_ not_equals (A,A) bool
_+_ add_bytes (bytes,bytes) bytes
_+_ add_double (double,double) double
_+_ add_duration_duration (duration,duration) duration
_+_ add_duration_timestamp (duration,timestamp) timestamp
_+_ add_timestamp_duration (timestamp,duration) timestamp
_+_ add_int64 (int,int) int
_+_ add_list (list(A),list(A)) list(A)
_+_ add_string (string,string) string
_+_ add_uint64 (uint,uint) uint
_/_ divide_double (double,double) double
_/_ divide_int64 (int,int) int
_/_ divide_uint64 (uint,uint) uint
_%_ modulo_int64 (int,int) int
_%_ modulo_uint64 (uint,uint) uint
_*_ multiply_double (double,double) double
_*_ multiply_int64 (int,int) int
_*_ multiply_uint64 (uint,uint) uint
-_ negate_double (double) double
-_ negate_int64 (int) int
_-_ subtract_double (double,double) double
_-_ subtract_duration_duration (duration,duration) duration
_-_ subtract_int64 (int,int) int
_-_ subtract_timestamp_duration (timestamp,duration) timestamp
_-_ subtract_timestamp_timestamp (timestamp,timestamp) duration
_-_ subtract_uint64 (uint,uint) uint
_[_] index_list (list(A),int) A
_[_] index_map (map(A,B),A) B
_[_] optional_list_index_int (optional(list(V)),int) optional(V)
_[_] optional_map_index_value (optional(map(K,V)),K) optional(V)
_[?_] list_optindex_optional_int (list(V),int) optional(V)
_[?_] optional_list_optindex_optional_int (optional(list(V)),int) optional(V)
_[?_] map_optindex_optional_value (map(K,V),K) optional(V)
_[?_] optional_map_optindex_optional_value (optional(map(K,V)),K) optional(V)
@in in_list (A,list(A)) bool
@in in_map (A,map(A,B)) bool
type type (A) type(A)
dyn to_dyn (A) dyn
bool bool_to_bool (bool) bool
bool string_to_bool (string) bool
bytes bytes_to_bytes (bytes) bytes
bytes string_to_bytes (string) bytes
double double_to_double (double) double
double int64_to_double (int) double
double string_to_double (string) double
double uint64_to_double (uint) double
duration duration_to_duration (duration) duration
duration int64_to_duration (int) duration
duration string_to_duration (string) duration
int int64_to_int64 (int) int
int double_to_int64 (double) int
int duration_to_int64 (duration) int
int string_to_int64 (string) int
int timestamp_to_int64 (timestamp) int
int uint64_to_int64 (uint) int
string string_to_string (string) string
string bool_to_string (bool) string
string bytes_to_string (bytes) string
string double_to_string (double) string
string duration_to_string (duration) string
string int64_to_string (int) string
string timestamp_to_string (timestamp) string
string uint64_to_string (uint) string
string ip_to_string (IP) string
string cidr_to_string (CIDR) string
timestamp timestamp_to_timestamp (timestamp) timestamp
timestamp int64_to_timestamp (int) timestamp
timestamp string_to_timestamp (string) timestamp
uint uint64_to_uint64 (uint) uint
uint double_to_uint64 (double) uint
uint int64_to_uint64 (int) uint
uint string_to_uint64 (string) uint
contains contains_string string.(string) bool
endsWith ends_with_string string.(string) bool
startsWith starts_with_string string.(string) bool
matches matches (string,string) bool
matches matches_string string.(string) bool
getHours duration_to_hours duration.() int
getMinutes duration_to_minutes duration.() int
getSeconds duration_to_seconds duration.() int
getMilliseconds duration_to_milliseconds duration.() int
optional.of optional_of (V) optional(V)
optional.ofNonZeroValue optional_ofNonZeroValue (V) optional(V)
optional.none optional_none () optional(V)
value optional_value optional(V).() V
hasValue optional_hasValue optional(V).() bool
or optional_or_optional optional(V).(optional(V)) optional(V)
orValue optional_orValue_value optional(V).(V) V
optional.unwrap optional_unwrap (list(optional(V))) list(V)
unwrapOpt optional_unwrapOpt list(optional(V)).() list(V)
first list_first list(V).() optional(V)
last list_last list(V).() optional(V)
cel.@mapInsert @mapInsert_map_map (map(K,V),map(K,V)) map(K,V)
cel.@mapInsert @mapInsert_map_key_value (map(K,V),K,V) map(K,V)
"""

_EXTENSIONS = """
charAt string_char_at_int string.(int) string
indexOf string_index_of_string string.(string) int
indexOf string_index_of_string_int string.(string,int) int
indexOf list_a_index_of_int list(A).(A) int
lastIndexOf string_last_index_of_string string.(string) int
lastIndexOf string_last_index_of_string_int string.(string,int) int
lastIndexOf list_a_last_index_of_int list(A).(A) int
lowerAscii string_lower_ascii string.() string
replace string_replace_string_string string.(string,string) string
replace string_replace_string_string_int string.(string,string,int) string
split string_split_string string.(string) list(string)
split string_split_string_int string.(string,int) list(string)
substring string_substring_int string.(int) string
substring string_substring_int_int string.(int,int) string
trim string_trim string.() string
upperAscii string_upper_ascii string.() string
format string_format string.(list(dyn)) string
strings.quote strings_quote (string) string
join list_join list(string).() string
join list_join_string list(string).(string) string
find string_find_string string.(string) string
findAll string_find_all_string string.(string) list(string)
findAll string_find_all_string_int string.(string,int) list(string)
slice list_slice list(T).(int,int) list(T)
flatten list_flatten list(list(T)).() list(T)
flatten list_flatten_int list(dyn).(int) list(dyn)
lists.range lists_range (int) list(int)
reverse list_reverse list(T).() list(T)
distinct list_distinct list(T).() list(T)
sets.contains list_sets_contains_list (list(T),list(T)) bool
sets.equivalent list_sets_equivalent_list (list(T),list(T)) bool
sets.intersects list_sets_intersects_list (list(T),list(T)) bool
url string_to_url (string) URL
isURL is_url_string (string) bool
getScheme url_get_scheme URL.() string
getHost url_get_host URL.() string
getHostname url_get_hostname URL.() string
getPort url_get_port URL.() string
getEscapedPath url_get_escaped_path URL.() string
getQuery url_get_query URL.() map(string,list(string))
quantity string_to_quantity (string) Quantity
isQuantity is_quantity_string (string) bool
isInteger quantity_is_integer Quantity.() bool
asInteger quantity_get_int Quantity.() int
asApproximateFloat quantity_get_float Quantity.() double
sign quantity_sign Quantity.() int
add quantity_add Quantity.(Quantity) Quantity
add quantity_add_int Quantity.(int) Quantity
sub quantity_sub Quantity.(Quantity) Quantity
sub quantity_sub_int Quantity.(int) Quantity
isLessThan quantity_is_less_than Quantity.(Quantity) bool
isLessThan semver_is_less_than Semver.(Semver) bool
isGreaterThan quantity_is_greater_than Quantity.(Quantity) bool
isGreaterThan semver_is_greater_than Semver.(Semver) bool
compareTo quantity_compare_to Quantity.(Quantity) int
compareTo semver_compare_to Semver.(Semver) int
semver string_to_semver (string) Semver
semver string_bool_to_semver (string,bool) Semver
isSemver is_semver_string (string) bool
isSemver is_semver_string_bool (string,bool) bool
major semver_major Semver.() int
minor semver_minor Semver.() int
patch semver_patch Semver.() int
ip string_to_ip (string) IP
ip cidr_ip CIDR.() IP
isIP is_ip (string) bool
ip.isCanonical ip_is_canonical (string) bool
family ip_family IP.() int
isUnspecified ip_is_unspecified IP.() bool
isLoopback ip_is_loopback IP.() bool
isLinkLocalMulticast ip_is_link_local_multicast IP.() bool
isLinkLocalUnicast ip_is_link_local_unicast IP.() bool
isGlobalUnicast ip_is_global_unicast IP.() bool
cidr string_to_cidr (string) CIDR
isCIDR is_cidr (string) bool
containsIP cidr_contains_ip_string CIDR.(string) bool
containsIP cidr_contains_ip_ip CIDR.(IP) bool
containsCIDR cidr_contains_cidr_string CIDR.(string) bool
containsCIDR cidr_contains_cidr CIDR.(CIDR) bool
prefixLength cidr_prefix_length CIDR.() int
masked cidr_masked CIDR.() CIDR
format.named format-named (string) optional(Format)
validate format-validate Format.(string) optional(list(string))
jsonpatch.escapeKey string_jsonpatch_escapeKey_string (string) string
"""

_ORDERED = ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes")
_SUMMED = ("int", "uint", "double", "duration")
_COMPARISONS = {"_<_": "less", "_<=_": "less_equals", "_>_": "greater", "_>=_": "greater_equals"}
_COMPARED = (
    *("bool int64 int64_double int64_uint64 uint64 uint64_double uint64_int64".split()),
    *("double double_int64 double_uint64 string bytes timestamp duration".split()),
)
_TIMES = "FullYear Month DayOfYear DayOfMonth Date DayOfWeek Hours Minutes Seconds Milliseconds"


def _generated() -> Iterator[str]:
    for operator, word in _COMPARISONS.items():
        for kinds in _COMPARED:
            first, _, second = kinds.replace("int64", "int").partition("_")
            yield f"{operator} {word}_{kinds} ({first},{second or first}) bool"
    for kind in ("string", "bytes", "list(A)", "map(A,B)"):
        word = kind.partition("(")[0]
        yield f"size size_{word} ({kind}) int"
        yield f"size {word}_size {kind}.() int"
    for part in _TIMES.split():
        yield f"get{part} timestamp_to_{part} timestamp.() int"
        yield f"get{part} timestamp_to_{part}_with_tz timestamp.(string) int"
    for kind in _ORDERED:
        yield f"isSorted list_{kind}_is_sorted_bool list({kind}).() bool"
        yield f"min list_{kind}_min_{kind} list({kind}).() {kind}"
        yield f"max list_{kind}_max_{kind} list({kind}).() {kind}"
        yield f"sort list_{kind}_sort list({kind}).() list({kind})"
        yield f"@sortByAssociatedKeys list_{kind}_sortByAssociatedKeys list(T).(list({kind})) list(T)"
    for name in CHECKS:
        yield f"format.{name} format.{name} () Format"
    for kind in _SUMMED:
        yield f"sum list_{kind}_sum_{kind} list({kind}).() {kind}"


_OWN: Mapping[str, Type] = {
    "optional": Type("opaque", "optional_type"),
    "Quantity": Type("struct", "kubernetes.Quantity"),
    "URL": Type("struct", "kubernetes.URL"),
    "Semver": Type("struct", "kubernetes.Semver"),
    "Format": Type("struct", "kubernetes.NamedFormat"),
    "IP": Type("opaque", "net.IP"),
    "CIDR": Type("opaque", "net.CIDR"),
}
_TOKEN = re.compile(r"[A-Za-z]+|[(),]")


def _types(text: str) -> tuple[Type, ...]:
    """A list of types: `list(A),int`."""
    tokens = _TOKEN.findall(text)
    found, at = _parsed(tokens, 0)
    if at != len(tokens):
        raise ValueError(f"not a list of types: {text}")
    return found


def _parsed(tokens: list[str], at: int) -> tuple[tuple[Type, ...], int]:
    found: list[Type] = []
    while at < len(tokens) and tokens[at] != ")":
        if tokens[at] == ",":
            at += 1
            continue
        name = tokens[at]
        parameters: tuple[Type, ...] = ()
        at += 1
        if at < len(tokens) and tokens[at] == "(":
            parameters, at = _parsed(tokens, at + 1)
            at += 1
        found.append(_named(name, parameters))
    return tuple(found), at


def _named(name: str, parameters: tuple[Type, ...]) -> Type:
    own = _OWN.get(name)
    if own is not None:
        return Type(own.kind, own.name, parameters)
    if len(name) == 1:
        return Type("param", name)
    return Type(name, name if parameters else "", parameters)


class Overload(NamedTuple):
    """One signature of a function. The first of a member's `arguments` is its target."""

    identity: str
    arguments: tuple[Type, ...]
    result: Type
    member: bool
    parameters: tuple[str, ...]


def _overload(identity: str, signature: str, result: str) -> Overload:
    target, member, rest = signature.partition(".(")
    arguments = (*_types(target), *_types(rest.removesuffix(")"))) if member else _types(signature[1:-1])
    answer = _types(result)[0]
    letters = sorted(set(re.findall(r"\b[A-Z]\b", f"{signature} {result}")))
    return Overload(identity, arguments, answer, bool(member), tuple(letters))


@lru_cache(maxsize=1)
def functions() -> Mapping[str, tuple[Overload, ...]]:
    """Every function by its name. Read when the first expression is checked."""
    found: dict[str, list[Overload]] = {}
    for line in (*_STANDARD.split("\n"), *_generated(), *_EXTENSIONS.split("\n")):
        if line:
            name, identity, signature, result = line.split()
            found.setdefault(name, []).append(_overload(identity, signature, result))
    return {name: tuple(overloads) for name, overloads in found.items()}


_NAMES = ("bool", "bytes", "double", "dyn", "int", "string", "uint")


@lru_cache(maxsize=1)
def type_names() -> Mapping[str, Type]:
    """The types that expressions may name."""
    parameters = Type("param", "A"), Type("param", "B")
    found = {name: Type(name) for name in _NAMES} | {own.name: own for own in _OWN.values()}
    found |= {
        "list": Type("list", "list", parameters[:1]),
        "map": Type("map", "map", parameters),
        "null_type": Type("null"),
        "type": Type("type"),
        "optional_type": Type("opaque", "optional_type", parameters[:1]),
        "google.protobuf.Duration": Type("duration"),
        "google.protobuf.Timestamp": Type("timestamp"),
    }
    return {name: Type("type", "type", (kind,)) for name, kind in found.items()}
