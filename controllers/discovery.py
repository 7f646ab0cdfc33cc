"""What the API server serves, asked as `kubectl api-resources` asks: for loops that work on every kind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from miniplane.client.api import Client
from miniplane.client.resources import Resource

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@dataclass(slots=True, frozen=True)
class Served:
    """A resource and what may be done with it."""

    resource: Resource
    verbs: frozenset[str]


async def discover(client: Client) -> list[Served]:
    """Every resource, each in its group's preferred version. Raises StatusError and OSError as requests do."""
    found: list[Served] = []
    for root in ("/api", "/apis"):
        answer = await client.request("GET", root, headers={"Accept": AGGREGATED})
        for group in answer.get("items") or ():
            found += _group(group)
    return found


def _group(group: dict[str, Any]) -> Iterable[Served]:
    """The first version that has a resource is the preferred one."""
    seen: set[str] = set()
    name = str((group.get("metadata") or {}).get("name") or "")
    for version in group.get("versions") or ():
        for entry in version.get("resources") or ():
            plural, kind = entry["resource"], (entry.get("responseKind") or {}).get("kind") or ""
            if plural not in seen and kind:
                seen.add(plural)
                scope = entry.get("scope") == "Namespaced"
                resource = Resource(name, version["version"], plural, kind, scope)
                yield Served(resource, frozenset(entry.get("verbs") or ()))
