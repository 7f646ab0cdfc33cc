"""When certificate requests go."""

from __future__ import annotations

import base64
import datetime
from typing import Any

import pytest

from controllers import certificatecleaning
from miniplane.apimachinery import pki
from miniplane.client import clock
from miniplane.client.resources import CERTIFICATE_SIGNING_REQUESTS
from tests.controllers.world import World

HOUR = datetime.timedelta(hours=1)
MINUTE = datetime.timedelta(minutes=1)


def ago(since: datetime.timedelta) -> str:
    return clock.text(clock.now() - since)


def request(kind: str, since: datetime.timedelta, created: datetime.timedelta, certificate: bytes = b"") -> Any:
    conditions = [{"type": kind, "status": "True", "lastUpdateTime": ago(since)}] if kind else []
    status: dict[str, Any] = {"conditions": conditions} if conditions else {}
    if certificate:
        status["certificate"] = base64.b64encode(certificate).decode()
    meta = {"name": "r", "creationTimestamp": ago(created)}
    return {"metadata": meta, "spec": {"signerName": "example.com/x"}, "status": status}


def certificate(left: datetime.timedelta) -> bytes:
    authority = pki.Authority.new("test", HOUR)
    key = pki.new_key()
    issued = authority.issue(pki.subject("a", ()), key.public_key(), left, ["client_auth"])
    return pki.certificate_pem(issued)


@pytest.mark.parametrize(
    ("kind", "since", "created", "stays"),
    [
        ("Approved", HOUR - MINUTE, 30 * HOUR, True),
        ("Approved", HOUR + MINUTE, 2 * HOUR, False),
        ("Denied", HOUR + MINUTE, 2 * HOUR, False),
        ("Failed", HOUR + MINUTE, 2 * HOUR, False),
        ("Other", 2 * HOUR, 30 * HOUR, True),
        ("", HOUR, 24 * HOUR - MINUTE, True),
        ("", HOUR, 24 * HOUR + MINUTE, False),
    ],
)
async def test_after_an_hour_or_a_day(
    kind: str, since: datetime.timedelta, created: datetime.timedelta, *, stays: bool
) -> None:
    world = World()
    loop = world.loop(certificatecleaning.CONTROLLER)
    world.put(CERTIFICATE_SIGNING_REQUESTS, request(kind, since, created))
    world.deliver()
    await certificatecleaning.reconcile(loop, "r")
    assert bool(world.objects[CERTIFICATE_SIGNING_REQUESTS]) is stays


def test_the_end_of_the_certificate_is_the_end_of_its_request() -> None:
    asked = request("Approved", MINUTE, HOUR, certificate(10 * MINUTE))
    left = min(certificatecleaning.deadlines(asked)) - clock.now()
    assert 8 * MINUTE < left <= 10 * MINUTE
    assert len(list(certificatecleaning.deadlines(request("Approved", MINUTE, HOUR, b"no certificate")))) == 1
