"""Send them, and look at what the server makes of it: no 5xx of its own, no hang, no growth.

python -m tests.fuzz --requests 20000 --seed 1
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.fuzz.generator import DEFINITION, Asked, Generator
from tests.plane import Plane

CONNECTIONS = 8
PATIENCE = 30.0
"""Seconds for an answer; the slowest take milliseconds."""
REAL = re.compile(
    "resourceVersion: Invalid value: "
    "|Too large resource version"
    "|failed to create typed (patch|live) object"
    "|failed to convert new typed object"
    "|unable to find api field in struct"
    "|unknown patch type"
    "|expected a .* but received a"
    "|target.name: Required value"
    "|list element types are not identical"
    "|duplicate nodePort: "
    "|merging an object in json but data type is not"
    "|delete patch type with no merge key|map: .* does not contain declared merge key"
)
"""Answers of 5xx that kube-apiserver gives to the same."""


@dataclass
class Findings:
    """What should not have happened."""

    codes: dict[int, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


def resources(plane: Plane) -> dict[str, Any]:
    """A valid object for every collection that takes one: from its OpenAPI schema, required fields and some others."""
    found: dict[str, Any] = {}
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    plane.request("POST", definitions, DEFINITION)
    plane.eventually("/apis/fuzz.example.com/v1", lambda group: group["resources"])
    for path in plane.get("/openapi/v3")["paths"]:
        document = plane.get(f"/openapi/v3/{path}")
        schemas = document.get("components", {}).get("schemas", {})
        for template, item in document["paths"].items():
            content = item.get("post", {}).get("requestBody", {}).get("content", {})
            reference = next(iter(content.values()), {}).get("schema", {}).get("$ref", "")
            if not reference or template.count("{") > ("{namespace}" in template):
                continue
            name = reference.rpartition("/")[2]
            obj = example(schemas.get(name, {}), schemas, 0, random.Random(name))
            group = item["post"]["x-kubernetes-group-version-kind"]
            obj |= {"apiVersion": "/".join(filter(None, (group["group"], group["version"]))), "kind": group["kind"]}
            obj["metadata"] = {"name": "fuzz-0", "labels": {"app": "web"}}
            found[template.replace("{namespace}", "default")] = obj
    return found


def example(schema: dict[str, Any], schemas: dict[str, Any], depth: int, chance: random.Random) -> Any:
    """A value of a schema."""
    reference = schema.get("$ref") or next((part.get("$ref") for part in schema.get("allOf", ())), None)
    if reference:
        return example(schemas.get(reference.rpartition("/")[2], {}), schemas, depth, chance)
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        required = set(schema.get("required", ()))
        wanted = {
            name: part
            for name, part in schema.get("properties", {}).items()
            if name in required or (depth < 6 and chance.random() < (0.9 if depth < 1 else 0.25))
        }
        return {name: example(part, schemas, depth + 1, chance) for name, part in wanted.items()}
    if kind == "array":
        return [example(schema.get("items", {}), schemas, depth + 1, chance)]
    if kind in ("integer", "number"):
        return 1
    return True if kind == "boolean" else chance.choice(schema.get("enum") or ["a"])


async def fuzz(plane: Plane, requests: int, seed: int, only: str = "") -> Findings:
    """Send `requests` requests over a few connections at a time; `only` to collections whose path has this in it."""
    found = Findings()
    chosen = {path: obj for path, obj in resources(plane).items() if only in path}
    generator = Generator(seed, plane.token, chosen)
    left = iter(range(requests))

    async def worker() -> None:
        connection = None
        for _ in left:
            asked = generator.next()
            connection = connection or await connect(plane)
            try:
                async with asyncio.timeout(PATIENCE):
                    code, text, lasting = await exchange(connection, asked)
            except TimeoutError:
                found.errors.append(f"no answer: {asked.label}")
                connection = None
                continue
            except (OSError, asyncio.IncompleteReadError, ValueError) as error:
                found.errors += (
                    [] if asked.label.startswith("noise") else [f"{error!r} in place of an answer: {asked.label}"]
                )
                connection = None
                continue
            found.codes[code] = found.codes.get(code, 0) + 1
            if code >= 500 and not REAL.search(text):
                found.errors.append(f"{code} {text[:300]}\n   to {asked.label[:1500]}")
            if not lasting:
                connection[1].close()
                connection = None
        if connection:
            connection[1].close()

    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
    return found


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(plane: Plane) -> Connection:
    parts = urlsplit(plane.url)
    return await asyncio.open_connection(parts.hostname, parts.port, ssl=plane.tls)


async def exchange(connection: Connection, asked: Asked) -> tuple[int, str, bool]:
    """(code, body, whether the connection is good for another)."""
    reader, writer = connection
    writer.write(asked.data)
    if asked.label.startswith("noise"):
        writer.write(b"\r\n\r\n")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                first = await reader.readline()
                return int(first.split()[1]) if first.startswith(b"HTTP/1.1 ") else 400, "", False
        return 400, "", False
    head = await reader.readuntil(b"\r\n\r\n")
    code = int(head.split(None, 2)[1])
    headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    body = b""
    if asked.head_only:
        return code, "", False
    if b"content-length" in headers:
        body = await reader.readexactly(int(headers[b"content-length"]))
    else:
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    return code, body.decode("utf-8", "replace"), headers.get(b"connection") != b"close"


def resident(pid: int) -> int:
    """Megabytes of a process."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) // 1024


def main() -> int:
    parser = argparse.ArgumentParser("tests.fuzz", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    plane = Plane.start("--nodes", "0", "--no-controllers")
    try:
        asyncio.run(fuzz(plane, 1000, arguments.seed + 1))
        before = resident(plane.process.pid)
        found = asyncio.run(fuzz(plane, arguments.requests, arguments.seed))
        print(json.dumps(dict(sorted(found.codes.items()))))
        print(f"memory {before} -> {resident(plane.process.pid)} MB")
        print("\n".join(found.errors[:40]))
        print(f"{sum(found.codes.values())} answers, {len(found.errors)} findings")
        return 1 if found.errors or plane.process.poll() is not None else 0
    finally:
        plane.stop()


if __name__ == "__main__":
    sys.exit(main())
