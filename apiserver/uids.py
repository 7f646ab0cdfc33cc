"""uids of objects: random UUIDs (RFC 9562, version 4)."""

from __future__ import annotations

import os

_BYTES, _BLOCK = 16, 256
_CLEAR, _SET = ~((0xF << 76) | (0x3 << 62)), (4 << 76) | (2 << 62)
_numbers: list[int] = []
"""Of 128 bits, from the kernel, many at a time: asking it for each costs more than all the rest."""
os.register_at_fork(after_in_child=_numbers.clear)  # what is left is the parent's


def new_uid() -> str:
    """A uid that no other object has, nor will have."""
    if not _numbers:
        block = os.urandom(_BYTES * _BLOCK)
        _numbers.extend(int.from_bytes(block[at : at + _BYTES], "big") for at in range(0, len(block), _BYTES))
    text = f"{_numbers.pop() & _CLEAR | _SET:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
