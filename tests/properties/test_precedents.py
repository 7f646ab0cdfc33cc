"""Creates that repeat earlier ones: what is recalled of those must be what the pipeline would have made of them."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.plane import Plane

NAMESPACE = "precedents"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
RECALLED = "tester/1"
"""The pipeline is a function of the User-Agent too, though it writes down only what is before the slash: a User-Agent
that comes once makes it run."""
Member = tuple[str, str]

NAMES = st.sampled_from(["NAME"] * 6 + ["NAME-1", "fixed", "", r"\u0061-NAME", r"NAME\n"])
NAME_KEYS = st.sampled_from(['"name"'] * 6 + ['"name" ', r'"n\u0061me"', '"Name"'])
ASKED = st.sampled_from(["", "", "-b", ".example", "l" * 30, "l" * 60, "l" * 300, "Upper", "-", "é"])
"""What the name that is asked for has behind it, where those before had nothing."""
VOLUME = '[{"name":"%s","ephemeral":{"volumeClaimTemplate":{"spec":{"accessModes":["ReadWriteOnce"],"resources":%s}}}}]'
ENTRY = (
    '[{"manager":"m","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1",'
    '"time":"2020-01-01T00:00:00Z","fieldsV1":{"f:metadata":{"f:labels":{".":{},"f:app":{}}}}}]'
)
OWNER = '{"apiVersion":"v1","kind":"ConfigMap","name":"NAME","uid":"u"}'
METADATA: list[Member] = [
    ('"labels"', '{"name":"app","app":"NAME"}'),
    ('"labels"', '{"name":"NAME"}'),
    ('"labels"', '{"app":"web","a.b/name":"100"}'),
    ('"annotations"', r'{"name":"NAME","text":"{\"metadata\": {\"name\": \"x\"}}"}'),
    ('"annotations"', '{"text":"100% %(name)b %s %%"}'),
    ('"namespace"', f'"{NAMESPACE}"'),
    ('"uid"', '"mine"'),
    ('"creationTimestamp"', '"2020-01-01T00:00:00Z"'),
    ('"creationTimestamp"', "null"),
    ('"resourceVersion"', '"0"'),
    ('"finalizers"', '["example.com/f"]'),
    ('"managedFields"', "[]"),
    ('"managedFields"', ENTRY),
    ('"ownerReferences"', f"[{OWNER}]"),
]
FAULTY_METADATA: list[Member] = [
    ('"labels"', '{"100%":"%"}'),
    ('"namespace"', '"other"'),
    ('"generateName"', '"Web_"'),
    ('"name"', '"twice"'),
    ('"name"', '"NAME"'),
    ('"resourceVersion"', '"5"'),
    ('"unknown"', "1"),
    ('"ownerReferences"', f"[{OWNER},{OWNER}]"),
]
SPEC: list[Member] = [
    ('"hostname"', '"NAME"'),
    ('"nodeName"', '"node"'),
    ('"schedulingGates"', '[{"name":"example.com/g"}]'),
    ('"restartPolicy"', '"Never"'),
    ('"volumes"', '[{"name":"name","configMap":{"name":"NAME"}}]'),
    ('"volumes"', VOLUME % ("v" * 30, '{"requests":{"storage":"1Gi"}}')),
]
FAULTY_SPEC: list[Member] = [
    ('"priorityClassName"', '"missing"'),
    ('"restartPolicy"', '"Sometimes"'),
    ('"unknown"', "{}"),
    ('"nodeName"', '"100%"'),
]
CONTAINERS = ('"containers"', r'[{"name":"name","image":"app","args":["\"metadata\"","%(uid)b"]}]')
BLANKS = st.sampled_from(["", " ", "\n\t"])
QUERIES = st.sampled_from(
    [
        "",
        "",
        "",
        "?fieldManager=me",
        "?fieldValidation=Strict",
        "?fieldValidation=Ignore",
        "?dryRun=All",
        "?pretty=true",
    ]
)


def text_of(members: list[Member], blank: str) -> str:
    return "{" + f",{blank}".join(f"{key}:{blank}{value}" for key, value in members) + blank + "}"


def some(draw: st.DrawFn, sound: list[Member], faulty: list[Member]) -> list[Member]:
    """Some members, a faulty one among them now and then."""
    found = draw(st.lists(st.sampled_from(sound), max_size=2, unique_by=lambda member: member[0]))
    if not draw(st.integers(0, 7)):
        found.append(draw(st.sampled_from(faulty)))
    return found


@st.composite
def bodies(draw: st.DrawFn) -> str:
    """The text of a pod, with NAME where its name goes and wherever else it is to be told."""
    blank, metadata = draw(BLANKS), some(draw, METADATA, FAULTY_METADATA)
    named = draw(st.integers(0, 7))
    if named != 1:
        metadata.insert(draw(st.integers(0, len(metadata))), (draw(NAME_KEYS), f'"{draw(NAMES)}"'))
    if named < 2:
        metadata.append(('"generateName"', '"web-"'))
    members = draw(
        st.permutations(
            [
                ('"kind"', '"Pod"' if draw(st.integers(0, 15)) else '"Service"'),
                ('"metadata"', text_of(metadata, blank)),
                ('"spec"', text_of([CONTAINERS, *some(draw, SPEC, FAULTY_SPEC)], blank)),
                ('"apiVersion"', '"v1"'),
            ]
        )
    )
    if not draw(st.integers(0, 15)):
        members.append(('"metadata"', '{"name":"NAME"}'))
    return text_of(members, blank)


def plain_body(*metadata: Member) -> str:
    return text_of([('"metadata"', text_of(list(metadata), "")), ('"spec"', text_of([CONTAINERS], ""))], "")


@pytest.fixture(scope="module")
def http(plane: Plane) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {plane.token}", "Content-Type": "application/json"}
    with httpx.Client(base_url=plane.url, verify=plane.tls, headers=headers, timeout=30) as client:
        client.post("/api/v1/namespaces", json={"metadata": {"name": NAMESPACE}}).raise_for_status()
        yield client
        client.delete(f"/api/v1/namespaces/{NAMESPACE}")


class Creator:
    """Sends one body with one name after the other. What it says of its pods need not be sound, nor the names."""

    def __init__(self, http: httpx.Client, body: str, query: str) -> None:
        self.http, self.body, self.query = http, body, query
        self.base = f"x{secrets.token_hex(5)}"
        self.made: list[str] = []

    def send(self, name: str, agent: str) -> tuple[int, list[str], bytes]:
        """Status, warnings and body of the answer, without what is the new object's own."""
        text = self.body.replace("NAME", self.base + name)
        answer = self.http.post(PODS + self.query, content=text.encode(), headers={"User-Agent": agent})
        if answer.status_code == 201:
            self.made.append(answer.json()["metadata"]["name"])
        return answer.status_code, answer.headers.get_list("warning"), without_identity(answer.content)

    def clean(self) -> None:
        for name in self.made:
            self.http.patch(
                f"{PODS}/{name}",
                content=b'{"metadata":{"finalizers":null}}',
                headers={"Content-Type": "application/merge-patch+json"},
            )
            self.http.delete(f"{PODS}/{name}?gracePeriodSeconds=0")
        self.made.clear()


def without_identity(text: bytes) -> bytes:
    text = re.sub(rb'"uid":\s*"[0-9a-f-]{36}"', b'"uid":U', text)
    text = re.sub(rb'"resourceVersion":\s*"[0-9]+"', b'"resourceVersion":R', text)
    text = re.sub(rb"(web-|Web_)[b-z2-9]{5}", rb"\1GENERATED", text)
    return re.sub(rb'"20(2[1-9]|[3-9][0-9])-[0-9-]+T[0-9:]+Z"', b"T", text)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=bodies(), query=QUERIES, asked=ASKED)
@example(body=plain_body(METADATA[1], ('"name"', '"fixed"')), query="", asked="")
@example(body=plain_body(METADATA[4], ('"name"', '"NAME"')), query="", asked="")
def test_what_is_recalled_is_what_the_pipeline_makes(http: httpx.Client, body: str, query: str, asked: str) -> None:
    creator = Creator(http, body, query)
    for number in range(3):
        creator.send(str(number), RECALLED)
    creator.clean()
    ways = {}
    for agent in (f"tester/{secrets.token_hex(8)}", RECALLED):
        first = creator.send(asked, agent)
        again = creator.send(asked, agent)  # 409, but for generated names and dry runs
        ways[agent == RECALLED] = first, again
        creator.clean()
    assert ways[True] == ways[False]


OTHERS: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    ("?fieldManager=other", {}, {"manager": "other"}),
    ("", {"User-Agent": "another/1"}, {"manager": "another"}),
    ("", {"Impersonate-User": "nobody"}, {"status": 403}),
    ("?fieldValidation=Strict", {}, {"status": 400}),
    ("?fieldValidation=Ignore", {}, {"warnings": []}),
    ("?dryRun=All", {}, {"stored": False}),
    ("", {"Content-Type": "application/yaml"}, {"manager": "tester"}),
    ("", {"Content-Type": "text/plain"}, {"status": 415}),
]


@pytest.mark.parametrize(("query", "headers", "expected"), OTHERS)
def test_who_asks_and_how_is_part_of_the_question(
    http: httpx.Client, query: str, headers: dict[str, str], expected: dict[str, Any]
) -> None:
    unknown = expected.get("warnings") is not None or expected.get("status") == 400
    spec = {"containers": [{"name": "c", "image": "i"}], **({"unknown": 1} if unknown else {})}
    base = f"x{secrets.token_hex(5)}"

    def send(number: int, query: str, headers: dict[str, str]) -> httpx.Response:
        text = json.dumps({"metadata": {"name": f"{base}{number}"}, "spec": spec})
        return http.post(PODS + query, content=text.encode(), headers={"User-Agent": RECALLED, **headers})

    plain = [send(number, "", {}) for number in range(3)]
    assert [answer.status_code for answer in plain] == [201] * 3
    assert [bool(answer.headers.get("warning")) for answer in plain] == [unknown] * 3
    found = send(7, query, headers)
    assert found.status_code == expected.get("status", 201)
    if "warnings" in expected:
        assert found.headers.get_list("warning") == expected["warnings"]
    if "manager" in expected:
        assert [entry["manager"] for entry in found.json()["metadata"]["managedFields"]] == [expected["manager"]]
    if "stored" in expected:
        assert http.get(f"{PODS}/{base}7").status_code == 404
