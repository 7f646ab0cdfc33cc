"""find() and findAll(): where patterns match, and that no pattern runs for ever."""

from __future__ import annotations

import re

import pytest

from apiserver.cel.regex import find, find_all
from apiserver.cel.values import Failed, begin


@pytest.fixture(autouse=True)
def _budget() -> None:
    begin()


@pytest.mark.parametrize(
    ("text", "pattern", "wanted"),
    [
        ("karpenter.sh/a", "^([^/]+)", ["karpenter.sh"]),
        ("abc 123 def 456", "[0-9]+", ["123", "456"]),
        ("aabb", "a*?b", ["aab", "b"]),
        ("xay", "(a|ay)", ["a"]),
        ("ab\n", "b$", []),
        ("ab\nb", "(?m)b$", ["b", "b"]),
        ("a.b", "a.b|.", ["a.b"]),
        ("a\nb", "a.b", []),
        ("a\nb", "(?s)a.b", ["a\nb"]),
        ("AbC", "(?i)BC", ["bC"]),
        ("AbC", "(?i:B)c?", ["b"]),
        ("a-b c", r"\b[^a]\b", ["-", "b", " ", "c"]),
        ("é日本", "[日-本]+", ["日本"]),
        ("x_1 y", "[[:alpha:]]+", ["x", "y"]),
        ("a.b a+b", r"\Q.b\E", [".b"]),
        ("1.55", r"\d{2,3}|\d", ["1", "55"]),
        ("aaaa", "a{2}", ["aa", "aa"]),
        ("ab", "", ["", "", ""]),
        ("baac", "a*", ["", "aa", ""]),
        ("ab12", r"(?P<word>\w+?)(?<digits>\d+)", ["ab12"]),
        ("tail", r"l\z", ["l"]),
        ("a b", r"\S\s\W?", ["a "]),
    ],
)
def test_where_a_pattern_matches(text: str, pattern: str, wanted: list[str]) -> None:
    assert find_all(text, pattern) == wanted
    assert find(text, pattern) == (wanted[0] if wanted else "")


@pytest.mark.parametrize(
    "pattern", ["a|ab|abc", "(a+)(b+)?", "[ab]{1,2}c?", "(ab?)*c", "a(?:b|bc)*?c", "(a|b|ab)(c|bcd)(d*)"]
)
def test_the_same_as_a_backtracking_engine_prefers(pattern: str) -> None:
    for text in ("abc", "abcd", "aabbcc", "cba", "abcbcd", "xxabab"):
        wanted = re.search(pattern, text)
        assert find(text, pattern) == ("" if wanted is None else wanted[0])


def test_a_limit() -> None:
    assert find_all("abc", "[a-c]", 2) == ["a", "b"]
    assert find_all("abc", "[a-c]", 0) == []


def test_no_pattern_runs_for_ever() -> None:
    assert find("a" * 3000, "(a*)*b") == ""
    assert find("a" * 1_000_000, "(a|a|a)*b") == ""


def test_what_is_searched_counts_in_the_budget() -> None:
    with pytest.raises(Failed, match="actual cost limit exceeded"):
        find_all("ab" * 1_000_000, "b")


@pytest.mark.parametrize("pattern", ["(", "[", r"(a)\1", "(?=a)", "a" * 10 + "{1000}" * 3])
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(Failed, match="Illegal regex"):
        find("a", pattern)
