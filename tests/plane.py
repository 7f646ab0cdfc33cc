"""A miniplane in a process of its own, as users start it, and real clients to talk to it."""

from __future__ import annotations

import json
import os
import re
import selectors
import shlex
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

KUBECTL = str(Path(sys.executable).with_name("kubectl"))
READY = re.compile(r"^miniplane ready (\S+)", re.MULTILINE)
START_TIMEOUT = 30.0


def command(*arguments: str) -> list[str]:
    """The argv of a miniplane command in this environment."""
    return [sys.executable, "-m", "miniplane.cli", *arguments]


def read_until(process: subprocess.Popen[str], pattern: re.Pattern[str], timeout: float) -> re.Match[str]:
    """Wait for a line on the process's standard output. Raises AssertionError where it ends or says nothing in time."""
    assert process.stdout is not None
    seen, deadline = "", time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            if not selector.select(deadline - time.monotonic()):
                break
            chunk = os.read(process.stdout.fileno(), 65536).decode()
            seen += chunk
            found = pattern.search(seen)
            if found and seen.endswith("\n"):
                return found
            if not chunk:
                break
    raise AssertionError(f"never said {pattern.pattern!r}, exit code {process.poll()}; it said:\n{seen}")


def wait_until(holds: Callable[[], bool], timeout: float = 10.0) -> None:
    """Wait for what cannot be awaited (other processes, their memory). Raises AssertionError."""
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@dataclass
class Plane:
    """A running `miniplane`."""

    process: subprocess.Popen[str]
    directory: Path
    url: str
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def start(cls, *arguments: str, directory: Path | None = None, verb: str = "up") -> Plane:
        """`miniplane up` (or `apiserver`) on a free port, keeping its state in a directory of its own."""
        directory = directory or Path(tempfile.mkdtemp(prefix="miniplane-test-"))
        words = [verb, "--port", "0", "--data", str(directory), *arguments]
        process = subprocess.Popen(command(*words), stdout=subprocess.PIPE, text=True)
        try:
            url = read_until(process, READY, START_TIMEOUT)[1]
        except AssertionError:
            process.kill()
            process.wait()
            raise
        return cls(process, directory, url)

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    @property
    def token(self) -> str:
        return (self.directory / "admin.token").read_text().strip()

    @cached_property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.directory / "pki" / "ca.crt"))

    def stop(self) -> int:
        """Ask it to end; the exit code."""
        self.process.terminate()
        code = self.process.wait(10)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def kubectl(
        self, words: str | Sequence[str], *, stdin: str | None = None, check: bool = True, namespace: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run the real kubectl. Raises AssertionError with its message where it fails (`check`)."""
        argv = shlex.split(words) if isinstance(words, str) else list(words)
        scope = ["--namespace", namespace] if namespace else []
        done = subprocess.run(
            [KUBECTL, "--kubeconfig", str(self.kubeconfig), *scope, *argv],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "HOME": str(self.directory)},
        )
        assert not check or done.returncode == 0, f"kubectl {argv}: {done.stderr or done.stdout}"
        return done

    def request(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, raw: str = "", **headers: str
    ) -> Any:
        """One HTTP request with `body` as JSON or `raw` as it is; (status, decoded JSON or text)."""
        status, _, text = self._ask(method, path, body, token, raw, headers)
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode()

    def warnings(self, method: str, path: str, body: Any = None, **headers: str) -> list[str]:
        """The texts of the Warning headers of the answer to a request that succeeds."""
        status, found, text = self._ask(method, path, body, None, "", headers)
        assert status < 300, text
        texts = [value.removeprefix("299 - ") for name, value in found if name.lower() == "warning"]
        return [json.loads(text) for text in texts]

    def _ask(
        self, method: str, path: str, body: Any, token: str | None, raw: str, headers: dict[str, str]
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        data = raw.encode() or (None if body is None else json.dumps(body).encode())
        request = urllib.request.Request(self.url + path, data, method=method)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            request.add_header(name.replace("_", "-"), value)
        if self.token if token is None else token:
            request.add_header("Authorization", f"Bearer {token or self.token}")
        try:
            with urllib.request.urlopen(request, context=self.tls, timeout=30) as answer:
                return answer.status, answer.getheaders(), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, list(error.headers.items()), error.read()

    def get(self, path: str) -> Any:
        """The object at a path. Raises AssertionError where the answer is not 200."""
        status, answer = self.request("GET", path)
        assert status == 200, answer
        return answer

    def eventually(self, path: str, holds: Any, timeout: float = 15.0) -> Any:
        """The object at a path once `holds(object)` is true; it is asked for again until then."""
        deadline = time.monotonic() + timeout
        while True:
            status, answer = self.request("GET", path)
            if status == 200 and holds(answer):
                return answer
            assert time.monotonic() < deadline, f"{path} after {timeout} s: {answer}"
            time.sleep(0.02)

    def eventually_status(self, path: str, status: int, timeout: float = 10.0) -> None:
        """Ask until the answer has this status."""
        deadline = time.monotonic() + timeout
        while (found := self.request("GET", path)[0]) != status:
            assert time.monotonic() < deadline, f"{path} still answers {found}"
            time.sleep(0.02)
