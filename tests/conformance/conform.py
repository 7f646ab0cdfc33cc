#!/usr/bin/env python3
"""Replay API conversations against a server and compare them with recorded answers.

A case is a short conversation (create this, patch that, list, watch) held in its own fresh namespace.
`golden/` holds what kube-apiserver v1.36.2 with kube-controller-manager answered, with everything that
varies between runs (uids, times, resource versions, allocated IPs and ports) replaced by placeholders.

    conform.py check  --server https://127.0.0.1:6443 --token T [--insecure | --ca FILE] [FILE ...] [--only GLOB] [-v]
    conform.py record --server ... --token ... FILE ...      (re)write golden/ from a reference server
    conform.py show CASE                                     print a case and its recorded answers

Exit status of `check`: 0 when every case agrees, 1 otherwise. Needs Python 3.11+ and PyYAML only.
Case format: README.md beside this file.
"""

from __future__ import annotations

import argparse
import base64
import copy
import fnmatch
import http.client
import ipaddress
import json
import re
import os
import secrets
import shlex
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
AGENT = "conform/1.0"
UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
IPV4 = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b")
SERVICE_NET = ipaddress.ip_network("10.96.0.0/12")
PORT_KEYS = {"nodePort", "healthCheckNodePort"}


class Server:
    """One API server, reached over HTTP/1.1; a new connection per request keeps cases independent."""

    def __init__(self, url: str, token: str | None, ca: str | None, insecure: bool):
        self.url = urllib.parse.urlsplit(url)
        self.token, self.ca, self.insecure = token, ca, insecure
        self.context = None
        if self.url.scheme == "https":
            self.context = ssl.create_default_context(cafile=ca)
            if insecure:
                self.context.check_hostname = False
                self.context.verify_mode = ssl.CERT_NONE

    def kubeconfig(self) -> str:
        """A kubeconfig file for this server, made once."""
        if not hasattr(self, "_kubeconfig"):
            cluster = {"server": self.url.geturl()}
            if self.insecure:
                cluster["insecure-skip-tls-verify"] = True
            elif self.ca:
                cluster["certificate-authority"] = os.path.abspath(self.ca)
            handle, self._kubeconfig = tempfile.mkstemp(suffix=".kubeconfig")
            with os.fdopen(handle, "w") as out:
                yaml.safe_dump(
                    {
                        "apiVersion": "v1",
                        "kind": "Config",
                        "current-context": "c",
                        "clusters": [{"name": "c", "cluster": cluster}],
                        "users": [{"name": "c", "user": {"token": self.token} if self.token else {}}],
                        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
                    },
                    out,
                )
        return self._kubeconfig

    def connect(self, timeout: float) -> http.client.HTTPConnection:
        host, port = self.url.hostname, self.url.port
        if self.context:
            return http.client.HTTPSConnection(host, port, timeout=timeout, context=self.context)
        return http.client.HTTPConnection(host, port, timeout=timeout)

    def headers(self, extra: dict | None) -> dict:
        head = {"User-Agent": AGENT, "Accept": "application/json"}
        if self.token:
            head["Authorization"] = f"Bearer {self.token}"
        for key, value in (extra or {}).items():
            if value is None:
                head.pop(key, None)
            else:
                head[key] = value
        return head

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: dict | None = None, timeout: float = 30.0
    ):
        connection = self.connect(timeout)
        try:
            connection.request(method, path, body=body, headers=self.headers(headers))
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()


def dig(value, path: str):
    """`status.phase` or `items[0].metadata.name`; None where there is no such field."""
    for part in re.findall(r"[^.\[\]]+|\[\d+\]", path):
        try:
            value = value[int(part[1:-1])] if part[0] == "[" else value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


class Run:
    """One case being played: its namespace, its saved variables, and what it has seen so far."""

    def __init__(self, server: Server, case: dict):
        self.server, self.case = server, case
        self.vars = {"NS": "c-" + secrets.token_hex(4)}
        self.sent: list[str] = []

    def fill(self, value):
        if isinstance(value, str):
            value = re.sub(r"\$\{repeat:(.):(\d+)\}", lambda m: m[1] * int(m[2]), value)
            return re.sub(r"\$\{?([A-Za-z_]\w*)\}?", lambda m: str(self.vars.get(m[1], m[0])), value)
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if isinstance(value, dict):
            return {self.fill(key): self.fill(item) for key, item in value.items()}
        return value

    def play(self) -> list[dict]:
        if self.case.get("namespace", True):
            self.server.send(
                "POST",
                "/api/v1/namespaces",
                json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.vars["NS"]}}).encode(),
                {"Content-Type": "application/json"},
            )
        answers: list[dict] = []
        try:
            for step in self.case["steps"]:
                answers += self.step(step)
            return answers
        finally:
            for step in self.case.get("cleanup", []):
                try:
                    self.step(step)
                except Exception:  # a failed clean-up must not hide the answers
                    pass
            if self.case.get("namespace", True):
                self.server.send("DELETE", "/api/v1/namespaces/" + self.vars["NS"])

    def step(self, step: dict) -> list[dict]:
        if "sleep" in step:
            time.sleep(float(step["sleep"]))
            return []
        if "watch" in step:
            return self.watch(step)
        if "kubectl" in step:
            return self.kubectl(step)
        method, path = self.fill(step["do"]).split(" ", 1)
        headers = self.fill(step.get("headers") or {})
        body = None
        if "body" in step:
            filled = self.fill(step["body"])
            self.sent.append(json.dumps(filled))
            body = json.dumps(filled).encode()
            headers.setdefault("Content-Type", "application/json")
        elif "raw" in step:
            filled = self.fill(step["raw"])
            self.sent.append(filled)
            body = filled.encode()
            headers.setdefault("Content-Type", "application/json")
        deadline = time.monotonic() + float((step.get("until") or {}).get("timeout", 15))
        while True:
            status, head, data = self.server.send(method, path, body, headers)
            answer = self.answer(step["do"], status, head, data)
            if not step.get("until") or self.reached(step["until"], answer) or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        for name, where in (step.get("save") or {}).items():
            self.vars[name] = dig(answer["body"], where)
        if step.get("quiet"):
            return []
        for path_ in step.get("ignore") or []:
            drop(answer if path_.startswith(("body.", "warnings", "type", "request")) else answer["body"], path_)
        if "only" in step:
            answer["body"] = {p: dig(answer["body"], p) for p in step["only"]}
        return [answer]

    def kubectl(self, step: dict) -> list[dict]:
        """Run the real kubectl ($KUBECTL or kubectl on the PATH) in the case's namespace."""
        words = shlex.split(self.fill(step["kubectl"]))
        given = step.get("stdin")
        text = (
            None
            if given is None
            else self.fill(given)
            if isinstance(given, str)
            else "\n---\n".join(
                json.dumps(self.fill(document)) for document in (given if isinstance(given, list) else [given])
            )
        )
        self.sent += [text or "", " ".join(words)]
        command = [
            os.environ.get("KUBECTL", "kubectl"),
            "--kubeconfig",
            self.server.kubeconfig(),
            "-n",
            self.vars["NS"],
            *words,
        ]
        deadline = time.monotonic() + float((step.get("until") or {}).get("timeout", 15))
        while True:
            done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
            wanted = (step.get("until") or {}).get("output")
            if wanted is None or re.search(self.fill(wanted), done.stdout) or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        for name, pattern in (step.get("save") or {}).items():
            found = re.search(pattern, done.stdout)
            self.vars[name] = found[1] if found else None
        if step.get("quiet"):
            return []
        return [
            {
                "request": "kubectl " + step["kubectl"],
                "status": done.returncode,
                "stdout": page(done.stdout, step),
                "stderr": page(done.stderr, step),
            }
        ]

    def reached(self, until: dict, answer: dict) -> bool:
        if "status" in until and answer["status"] != until["status"]:
            return False
        if "path" in until:
            found = dig(answer["body"], until["path"])
            if "equals" in until:
                return found == self.fill(until["equals"])
            if "length" in until:
                return len(found or []) == until["length"]
            return found is not None if until.get("exists", True) else found is None
        return True

    @staticmethod
    def answer(asked, status, head, data) -> dict:
        kind = head.get("Content-Type", "")
        if "json" in kind:
            try:
                body = json.loads(data)
            except ValueError:
                body = {"invalid json": data.decode("utf-8", "replace")}
        else:
            body = data.decode("utf-8", "replace")
        return {
            "request": asked,
            "status": status,
            "type": kind,
            "warnings": head.get_all("Warning") or [],
            "body": body,
        }

    def watch(self, step: dict) -> list[dict]:
        path = self.fill(step["watch"])
        wanted, limit = step.get("events", 100), float(step.get("timeout", 4))
        events: list = []
        state: dict = {}
        opened, done = threading.Event(), threading.Event()

        def read():
            connection = self.server.connect(limit + 5)
            try:
                connection.request("GET", path, headers=self.server.headers(self.fill(step.get("headers") or {})))
                response = connection.getresponse()
                state["status"], state["type"] = response.status, response.headers.get("Content-Type", "")
                opened.set()
                if response.status != 200:
                    state["body"] = json.loads(response.read() or b"null")
                    return
                connection.sock and connection.sock.settimeout(limit)
                while len(events) < wanted:
                    line = response.readline()
                    if not line:
                        state["closed"] = True
                        break
                    events.append(json.loads(line))
            except (TimeoutError, OSError):
                pass
            finally:
                opened.set()
                done.set()
                connection.close()

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        opened.wait(limit)
        time.sleep(0.15)
        during: list[dict] = []
        for inner in step.get("during") or []:
            during += self.step(inner)
        done.wait(limit)
        if step.get("bookmarks") is False:
            events = [event for event in events if event.get("type") != "BOOKMARK"]
        result = {
            "request": "WATCH " + step["watch"],
            "status": state.get("status"),
            "type": state.get("type"),
            "events": list(events[:wanted]),
        }
        if "body" in state:
            result["body"] = state["body"]
        if step.get("unordered"):
            result["events"].sort(key=lambda e: (e.get("type", ""), dig(e, "object.metadata.name") or ""))
        for path_ in step.get("ignore") or []:
            for event in result["events"]:
                drop(event, path_)
        if "only" in step:
            result["events"] = [{p: dig(event, p) for p in step["only"]} for event in result["events"]]
        return during + [result]


def page(text: str, step: dict) -> list[str]:
    """kubectl's output as lines, with column widths and ages taken out."""
    text = re.sub(r"[A-Z]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ ", "<log> ", text)
    lines = [re.sub(r"(?<=\S)(?: {2,}|\t+)", "  ", line).rstrip() for line in text.splitlines()]
    lines = [re.sub(r'(resourceVersion"?: )"\d+"', r'\1"<rv>"', line) for line in lines]
    if "lines" in step:
        lines = [line for line in lines if re.search(step["lines"], line)]
    lines = [re.sub(r"(?<![\w.<-])(?:\d+d)?(?:\d+h)?(?:\d+m)?\d+s(?: ago)?$", "<age>", line) for line in lines]
    lines = [re.sub(r"\b(?:\d+m)?\d+s \(x\d+ over .*?\)|\b(?:\d+m)?\d+s(?=  )", "<age>", line) for line in lines]
    if step.get("unordered"):
        lines.sort()
    return lines


def drop(value, path: str) -> None:
    """Remove one field; `[*]` stands for every element of a list."""
    head, _, rest = path.partition(".")
    if head.endswith("[*]"):
        inner = value.get(head[:-3]) if isinstance(value, dict) and head[:-3] else value
        for item in inner or []:
            if rest:
                drop(item, rest)
        return
    if not isinstance(value, dict) or head not in value:
        return
    if rest:
        drop(value[head], rest)
    else:
        del value[head]


class Normal:
    """Replace what varies between runs by placeholders, numbered in the order of first appearance."""

    def __init__(self, run: Run):
        self.names = {run.vars["NS"]: "$NS"}
        self.sent = "\n".join(run.sent)
        self.seen: dict[str, dict[str, str]] = {}
        self.columns: list[str] = []

    def number(self, kind: str, value: str) -> str:
        table = self.seen.setdefault(kind, {})
        return table.setdefault(value, f"<{kind}{len(table) + 1}>")

    def text(self, value: str) -> str:
        for name, placeholder in self.names.items():
            value = value.replace(name, placeholder)
        value = TIME.sub("<time>", value)
        value = UUID.sub(lambda m: self.number("uid", m[0]), value)
        return IPV4.sub(self.address, value)

    def asked(self, value: str) -> bool:
        """Whether the case itself named this address or port."""
        return re.search(rf"(?<![\d.]){re.escape(value)}(?![\d.])", self.sent) is not None

    def address(self, match: re.Match) -> str:
        try:
            allocated = ipaddress.ip_address(match[0]) in SERVICE_NET and not self.asked(match[0])
        except ValueError:
            return match[0]
        return self.number("ip", match[0]) if allocated and match[0] != "10.96.0.1" else match[0]

    def walk(self, value, key: str = ""):
        if isinstance(value, dict):
            value = dict(value)
            meta = value.get("metadata")
            if (
                isinstance(meta, dict)
                and meta.get("generateName")
                and meta.get("name", "").startswith(meta["generateName"])
            ):
                self.names.setdefault(meta["name"], meta["generateName"] + f"<rand{len(self.names)}>")
            if value.get("kind") == "Table" and isinstance(value.get("rows"), list):
                value = self.table(value)
            if (
                isinstance(meta, dict)
                and "resourceVersion" in meta
                and str(value.get("kind", "")).endswith(("List", "Table"))
            ):
                value["metadata"] = {**meta, "resourceVersion": "<list rv>"}
            return {
                self.text(k): self.walk(v, k.rpartition(".")[2] if key in ("body", "events") else k)
                for k, v in sorted(value.items(), key=lambda item: str(item[0]))
            }
        if isinstance(value, list):
            return [self.walk(item, key) for item in value]
        if key == "resourceVersion" and isinstance(value, str) and value not in ("", "0"):
            return self.number("rv", value)
        if key == "continue" and value:
            return "<continue>"
        if key in PORT_KEYS and isinstance(value, int) and 30000 <= value <= 32767 and not self.asked(str(value)):
            return self.number("port", str(value))
        if isinstance(value, str):
            if key in ("stdout", "stderr"):
                for name, placeholder in self.names.items():
                    value = value.replace(name, placeholder)
                value = re.sub(
                    r"(?<![\w.-])3[0-2]\d{3}(?![\w.-])",
                    lambda m: m[0] if self.asked(m[0]) else self.number("port", m[0]),
                    value,
                )
            return self.text(value)
        return value

    def table(self, table: dict) -> dict:
        table = copy.deepcopy(table)
        if table.get("columnDefinitions"):
            self.columns = [column.get("name") for column in table["columnDefinitions"]]
        names = self.columns
        for column in table.get("columnDefinitions") or []:
            column.pop("description", None)
        for row in table["rows"]:
            cells = row.get("cells") or []
            for index, name in enumerate(names or []):
                if name in ("Age", "Last Seen", "First Seen") and index < len(cells):
                    cells[index] = "<age>"
                if name == "Port(s)" and index < len(cells) and isinstance(cells[index], str):
                    cells[index] = re.sub(
                        r":(3[0-2]\d{3})\b",
                        lambda m: m[0] if self.asked(m[1]) else ":" + self.number("port", m[1]),
                        cells[index],
                    )
        return table


def differences(want, got, path: str = "") -> list[str]:
    if isinstance(want, dict) and isinstance(got, dict):
        out = []
        for key in sorted(set(want) | set(got), key=str):
            where = f"{path}.{key}" if path else str(key)
            if key not in got:
                out.append(f"{where}: missing, want {brief(want[key])}")
            elif key not in want:
                out.append(f"{where}: not wanted, got {brief(got[key])}")
            else:
                out += differences(want[key], got[key], where)
        return out
    if isinstance(want, list) and isinstance(got, list):
        out = [] if len(want) == len(got) else [f"{path}: want {len(want)} items, got {len(got)}"]
        for index, (a, b) in enumerate(zip(want, got)):
            out += differences(a, b, f"{path}[{index}]")
        return out
    return [] if want == got else [f"{path}: want {brief(want)}, got {brief(got)}"]


def brief(value) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else text[:297] + "..."


def play(server: Server, case: dict) -> list[dict]:
    run = Run(server, case)
    answers = run.play()
    normal = Normal(run)
    return [normal.walk(answer) for answer in answers]


def load(files: list[str], only: str) -> list[tuple[str, dict]]:
    paths = [Path(f) for f in files] or sorted((HERE / "cases").glob("*.yaml"))
    cases = []
    for path in paths:
        for case in yaml.safe_load(path.read_text())["cases"]:
            if fnmatch.fnmatch(case["name"], only):
                cases.append((path.stem, case))
    return cases


def golden_file(directory: Path, area: str) -> Path:
    return directory / f"{area}.json"


def record(server: Server, args) -> int:
    directory = Path(args.golden)
    directory.mkdir(parents=True, exist_ok=True)
    unstable = 0
    for area, case in load(args.files, args.only):
        first, second = play(server, case), play(server, case)
        path = golden_file(directory, area)
        book = json.loads(path.read_text()) if path.exists() else {}
        book[case["name"]] = second
        path.write_text(json.dumps(book, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
        varying = differences(first, second)
        if varying:
            unstable += 1
            print(f"UNSTABLE {area}/{case['name']}: " + "; ".join(varying[:4]))
        else:
            print(f"recorded {area}/{case['name']}: " + ", ".join(str(a.get("status")) for a in second))
    print(f"{unstable} unstable")
    return 1 if unstable else 0


def check(server: Server, args) -> int:
    passed = failed = steps = good = 0
    by_area: dict[str, list[int]] = {}
    for area, case in load(args.files, args.only):
        path = golden_file(Path(args.golden), area)
        want = (json.loads(path.read_text()) if path.exists() else {}).get(case["name"])
        if want is None:
            continue
        tally = by_area.setdefault(area, [0, 0])
        tally[1] += 1
        try:
            got = play(server, case)
        except Exception as error:
            got = [{"error": f"{type(error).__name__}: {error}"}]
        faults = []
        steps += len(want)
        for index, answer in enumerate(want):
            wrong = differences(
                answer, got[index] if index < len(got) else {"error": (got[-1:] or [{}])[0].get("error", "no answer")}
            )
            good += not wrong
            if wrong:
                faults.append((answer.get("request"), wrong))
        if faults:
            failed += 1
            print(f"FAIL {area}/{case['name']}")
            for request, wrong in faults[: None if args.verbose else 2]:
                print(f"  {request}")
                for line in wrong[: 40 if args.verbose else 4]:
                    print(f"    {line}")
        else:
            passed += 1
            tally[0] += 1
            if args.verbose:
                print(f"ok   {area}/{case['name']}")
    for area, (ok, total) in by_area.items():
        print(f"{area}: {ok}/{total} cases")
    print(f"answers that agree: {good}/{steps}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["check", "record", "show"])
    parser.add_argument("files", nargs="*", help="case files (default: cases/*.yaml)")
    parser.add_argument("--server")
    parser.add_argument("--token")
    parser.add_argument("--kubeconfig", help="take server, CA and token from a kubeconfig's current context")
    parser.add_argument("--ca")
    parser.add_argument("--insecure", action="store_true")
    parser.add_argument("--only", default="*", help="glob on case names")
    parser.add_argument("--golden", default=str(HERE / "golden"))
    parser.add_argument("-v", "--verbose", action="store_true")
    args = parser.parse_intermixed_args()
    if args.command == "show":
        for path in sorted((HERE / "cases").glob("*.yaml")):
            for case in yaml.safe_load(path.read_text())["cases"]:
                if case["name"] in args.files:
                    print(yaml.safe_dump(case, sort_keys=False))
                    book = golden_file(Path(args.golden), path.stem)
                    print(json.dumps(json.loads(book.read_text()).get(case["name"]), indent=1))
        return 0
    if args.kubeconfig:
        from_kubeconfig(args)
    server = Server(args.server, args.token, args.ca, args.insecure)
    return record(server, args) if args.command == "record" else check(server, args)


def from_kubeconfig(args) -> None:
    config = yaml.safe_load(Path(args.kubeconfig).read_text())
    context = next(c["context"] for c in config["contexts"] if c["name"] == config["current-context"])
    cluster = next(c["cluster"] for c in config["clusters"] if c["name"] == context["cluster"])
    user = next(u["user"] for u in config["users"] if u["name"] == context["user"])
    args.server, args.token = cluster["server"], user.get("token")
    args.insecure = args.insecure or cluster.get("insecure-skip-tls-verify", False)
    args.ca = cluster.get("certificate-authority")
    if "certificate-authority-data" in cluster:
        handle, args.ca = tempfile.mkstemp(suffix=".crt")
        with os.fdopen(handle, "wb") as out:
            out.write(base64.b64decode(cluster["certificate-authority-data"]))
    if not args.token:
        sys.exit("conform.py needs a user with a token (start the server with --token or --token-auth-file)")


if __name__ == "__main__":
    sys.exit(main())
