"""CertificateSigningRequests go when nobody needs them any more: an hour after their end, a day after nobody decided.

Source of the rules: the documentation of certificates.k8s.io, "Request signing process".
"""

from __future__ import annotations

import base64
import datetime
from collections.abc import Iterator

from controllers.controller import Controller, Loop, own_key
from miniplane.client import clock
from miniplane.client.api import Object
from miniplane.client.resources import CERTIFICATE_SIGNING_REQUESTS

ENDED, PENDING = datetime.timedelta(hours=1), datetime.timedelta(hours=24)
"""How long after approval, denial or failure, and how long after nothing."""


def deadlines(obj: Object) -> Iterator[datetime.datetime]:
    """The moments after which the request goes; the first one counts."""
    status = obj.get("status") or {}
    conditions = status.get("conditions") or ()
    for condition in conditions:
        since = clock.parse(condition.get("lastUpdateTime"))
        if condition.get("type") in ("Approved", "Denied", "Failed") and since is not None:
            yield since + ENDED
    created = clock.parse(obj["metadata"].get("creationTimestamp"))
    if not conditions and not status.get("certificate") and created is not None:
        yield created + PENDING
    if status.get("certificate"):
        yield from _expiry(status["certificate"])


def _expiry(certificate: str) -> Iterator[datetime.datetime]:
    from cryptography import x509

    try:
        yield x509.load_pem_x509_certificate(base64.b64decode(certificate)).not_valid_after_utc
    except ValueError:  # another signer's, in a form that we do not know
        return


async def reconcile(loop: Loop, key: str) -> float | None:
    obj = loop[CERTIFICATE_SIGNING_REQUESTS].get(key)
    first = min(deadlines(obj), default=None) if obj is not None else None
    if obj is None or first is None:
        return None
    left = (first - clock.now()).total_seconds()
    if left > 0:
        return left
    await loop.delete(CERTIFICATE_SIGNING_REQUESTS, obj)
    return None


CONTROLLER = Controller(
    "certificatesigningrequest-cleaner",
    {CERTIFICATE_SIGNING_REQUESTS: own_key},
    reconcile,
    component="certificate-controller",
)
