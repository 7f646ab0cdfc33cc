"""curl -N holds a watch open while others change things."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from tests.plane import Plane


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_streams_what_kubectl_changes(plane: Plane, namespace: str) -> None:
    url = f"{plane.url}/api/v1/namespaces/{namespace}/services?watch=1"
    command = ["curl", "-sNk", "-H", f"Authorization: Bearer {plane.token}", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as curl:
        assert curl.stdout is not None
        try:
            plane.kubectl("create service clusterip web --tcp=80:80", namespace=namespace)
            added = json.loads(curl.stdout.readline())
            plane.kubectl("label service web tier=front", namespace=namespace)
            changed = json.loads(curl.stdout.readline())
            plane.kubectl("delete service web", namespace=namespace)
            deleted = json.loads(curl.stdout.readline())
        finally:
            curl.kill()
    assert [event["type"] for event in (added, changed, deleted)] == ["ADDED", "MODIFIED", "DELETED"]
    assert changed["object"]["metadata"]["labels"]["tier"] == "front"
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in (added, changed, deleted)]
    assert versions == sorted(set(versions))
