"""Where and why a text is not JSON, in the words of Go's encoding/json (clients print them)."""

from __future__ import annotations

import json
import re

from apiserver.field import quote

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_LITERALS = ("true", "false", "null")
MAX_DEPTH = 10_000


class _Error(Exception):
    pass


def _char(text: str, at: int) -> str:
    char = text[at]
    if char == "'":
        return r"'\''"
    if char == '"':
        return "'\"'"
    return f"'{quote(char)[1:-1]}'"


class _Scanner:
    """Go's scanner as recursive descent; raises _Error with the message at the first fault."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def fail(self, context: str) -> _Error:
        if self.at >= len(self.text):
            return _Error("unexpected end of JSON input")
        return _Error(f"invalid character {_char(self.text, self.at)} {context}")

    def space(self) -> str:
        while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
            self.at += 1
        return self.text[self.at] if self.at < len(self.text) else ""

    def value(self, depth: int = 0) -> None:
        char = self.space()
        if depth > MAX_DEPTH:
            raise _Error("exceeded max depth")
        if char == "{":
            self.members(depth, "}", "looking for beginning of object key string", "after object key:value pair")
        elif char == "[":
            self.members(depth, "]", "", "after array element")
        elif char == '"':
            self.string()
        elif char and char in "-0123456789":
            self.number()
        else:
            self.literal(char)

    def members(self, depth: int, end: str, key_context: str, after: str) -> None:
        self.at += 1
        if self.space() == end:
            self.at += 1
            return
        while True:
            if key_context:
                if self.space() != '"':
                    raise self.fail(key_context)
                self.string()
                if self.space() != ":":
                    raise self.fail("after object key")
                self.at += 1
            self.value(depth + 1)
            char = self.space()
            if char not in (",", end) or not char:
                raise self.fail(after)
            self.at += 1
            if char == end:
                return

    def string(self) -> None:
        self.at += 1
        while True:
            char = self.text[self.at] if self.at < len(self.text) else ""
            if not char or char < " ":
                raise self.fail("in string literal")
            self.at += 1
            if char == '"':
                return
            if char == "\\":
                self.escape()

    def escape(self) -> None:
        char = self.text[self.at] if self.at < len(self.text) else ""
        if char == "u":
            for _ in range(4):
                self.at += 1
                if self.at >= len(self.text) or self.text[self.at] not in "0123456789abcdefABCDEF":
                    raise self.fail("in \\u hexadecimal character escape")
        elif not char or char not in 'bfnrt\\/"':
            raise self.fail("in string escape code")
        self.at += 1

    def number(self) -> None:
        match = _NUMBER.match(self.text, self.at)
        if match is None:
            self.at += 1
            raise self.fail("in numeric literal")
        self.at = match.end()
        following = self.text[self.at : self.at + 1]
        if following == ".":
            self.at += 1
            raise self.fail("after decimal point in numeric literal")
        if following in ("e", "E"):
            self.at += 1
            raise self.fail("in exponent of numeric literal")

    def literal(self, char: str) -> None:
        word = next((literal for literal in _LITERALS if literal[0] == char), "")
        if not word:
            raise self.fail("looking for beginning of value")
        for index, expected in enumerate(word):
            if self.text[self.at : self.at + 1] != expected:
                raise self.fail(f"in literal {word} (expecting {_char(word, index)})")
            self.at += 1


def explain(data: bytes) -> str:
    """The error of json.Unmarshal for `data`; "" where Go would accept it."""
    scanner = _Scanner(data.decode("utf-8", "replace"))
    try:
        scanner.value()
        if scanner.space():
            raise scanner.fail("after top-level value")
    except _Error as error:
        return str(error)
    except RecursionError:
        return "exceeded max depth"
    return ""


_HALVES = re.compile("[\ud800-\udfff]")


def lenient_loads(data: bytes) -> object:
    """JSON that orjson refuses but Go takes: what is not UTF-8 and halves of surrogate pairs become U+FFFD, numbers
    beyond 64 bits stay."""
    value: object = json.loads(data.decode("utf-8", "replace"))
    if b"\\ud" not in data.lower():
        return value
    return json.loads(_HALVES.sub("\ufffd", json.dumps(value, ensure_ascii=False)))


def summary(data: bytes, limit: int = 30) -> str:
    """How Go's decoders quote a body they cannot read: text where it looks like JSON, else hexadecimal."""
    if not data:
        return "<empty>"
    head = data[:limit]
    shown = head.decode("utf-8", "replace") if data[:1] == b"{" else head.hex()
    return shown + (" ..." if len(data) > limit else "")
