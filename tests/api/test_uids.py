"""uids: random, in the form of RFC 9562, and never those of another process."""

from __future__ import annotations

import os
import uuid

from apiserver.uids import new_uid


def test_uids_are_random_uuids() -> None:
    found = [new_uid() for _ in range(1000)]
    assert len(set(found)) == 1000
    for text in found:
        assert str(uuid.UUID(text)) == text
        assert (uuid.UUID(text).version, uuid.UUID(text).variant) == (4, uuid.RFC_4122)


def test_a_forked_process_has_uids_of_its_own() -> None:
    new_uid()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, new_uid().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 100).decode() not in {new_uid() for _ in range(256)}
    os.close(read)
    os.close(write)
