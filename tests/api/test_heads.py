"""Heads of answers: nothing that is put into one begins another line."""

from __future__ import annotations

import pytest

from apiserver.cycle import _sound


@pytest.mark.parametrize("lines", [b"a: b\nc: d\r\n", b"a: b\rc: d\r\n", b"a: \0\r\n"])
def test_a_line_with_a_control_character_is_refused(lines: bytes) -> None:
    with pytest.raises(RuntimeError, match="control character"):
        _sound(lines)


def test_whole_lines_are_sent_as_they_are() -> None:
    assert _sound(b"a: b\r\nc: d\te\r\n") == b"a: b\r\nc: d\te\r\n"
