"""Object literals of mutating policies: `Object.spec{replicas: 3}` and `JSONPatch{op: "add", ...}`.

The CEL library knows no types but its own, so such a literal is compiled as the map that it stands for. What cannot be
seen then is a field that the object's type does not have: it is found when the result is merged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
      |(?P<string>[rRbB]{0,2}(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))
      |(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
      |(?P<quoted>`[^`]*`)
      |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_LITERAL = re.compile(r"(Object(\.[A-Za-z_][A-Za-z0-9_]*)*|JSONPatch)$")


def as_maps(text: str) -> str:
    """The expression with maps in the place of typed literals."""
    tokens = [(match.lastgroup or "", match[0]) for match in _TOKEN.finditer(text)]
    return "".join(_rewritten(tokens))


def _rewritten(tokens: list[tuple[str, str]]) -> Iterator[str]:
    braces: list[bool] = []  # whether the field names of each open brace are to be quoted
    depths: list[int] = []
    depth = 0
    for index, (kind, token) in enumerate(tokens):
        if kind == "name" and _LITERAL.match(token) and _next(tokens, index) == "{":
            continue
        if token in "([" and kind == "other":
            depth += 1
        elif token in ")]" and kind == "other":
            depth -= 1
        elif token == "{":
            braces.append(_is_literal(tokens, index))
            depths.append(depth)
        elif token == "}" and braces:
            braces.pop()
            depths.pop()
        is_key = kind in ("name", "quoted") and braces and braces[-1] and depth == depths[-1]
        if is_key and _next(tokens, index) == ":" and _begins_entry(tokens, index):
            yield '"' + token.strip("`") + '"'
            continue
        yield token


def _near(tokens: list[tuple[str, str]], index: int, step: int) -> str:
    index += step
    while 0 <= index < len(tokens) and tokens[index][0] == "space":
        index += step
    return tokens[index][1] if 0 <= index < len(tokens) else ""


def _next(tokens: list[tuple[str, str]], index: int) -> str:
    return _near(tokens, index, 1)


def _previous(tokens: list[tuple[str, str]], index: int) -> str:
    return _near(tokens, index, -1)


def _begins_entry(tokens: list[tuple[str, str]], index: int) -> bool:
    """After `{` or `,`, and the `?` of an optional entry; not the middle of a condition."""
    index -= 1
    while tokens[index][0] == "space" or tokens[index][1] == "?":
        index -= 1
    return tokens[index][1] in ("{", ",")


def _is_literal(tokens: list[tuple[str, str]], index: int) -> bool:
    return bool(_LITERAL.match(_previous(tokens, index)))
