"""A patch makes the new object of parts of the live one: the live one stays as it is, and what comes out is what a
patch of a copy would have made."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch as replaced

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.patch import compare, strategic
from apiserver.patch.fieldset import FieldSet, difference, from_paths, ordered, paths, without
from apiserver.patch.managed import STRIPPED, Entry, Write, dispossessed, identity, in_order, updated
from apiserver.patch.merge_patch import merged_with
from apiserver.patch.nodes import node_of
from apiserver.patch.stated import merge_stated
from apiserver.patch.strategic import merge_strategic
from apiserver.schema.decode import decode, decode_differing, decode_strictly
from tests.patch.kinds import POD

Json = dict[str, Any]
NODE = node_of(POD)
WORDS = st.sampled_from("abc")
TYPES = st.sampled_from(["Ready", "Initialized", "example.com/a"])


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries({}, optional=fields)


def items(key: str, keys: st.SearchStrategy[str], item: st.SearchStrategy[Json], *, once: bool) -> Any:
    keyed = st.tuples(keys, item).map(lambda pair: {**pair[1], key: pair[0]})
    return st.lists(keyed, max_size=3, unique_by=(lambda entry: entry[key]) if once else None)


CONDITION = optional(
    status=WORDS, reason=WORDS, lastProbeTime=st.none(), observedGeneration=st.integers(0, 2), unknown=WORDS
)
CONTAINER = optional(
    ready=st.booleans(),
    restartCount=st.integers(0, 2),
    state=optional(running=st.just({}), waiting=optional(reason=WORDS)),
)


def statuses(*, once: bool) -> st.SearchStrategy[Json]:
    return optional(
        phase=WORDS,
        startTime=st.sampled_from([None, "2026-01-01T00:00:00Z"]),
        podIPs=items("ip", WORDS, st.just({}), once=once),
        conditions=items("type", TYPES, CONDITION, once=once),
        containerStatuses=items("name", WORDS, CONTAINER, once=once),
        unknown=WORDS,
    )


PATCHES = optional(
    status=statuses(once=False), metadata=optional(labels=st.dictionaries(WORDS, st.one_of(st.none(), WORDS)))
)


def live_pod(status: Json) -> Json:
    """A pod as it is read from the storage."""
    spec = {"containers": [{"name": "a", "image": "b"}]}
    metadata = {"name": "p", "labels": {"a": "b"}}
    pod = {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec, "status": status}
    return copied(decode(pod, POD))


def copied(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value))


def text(value: Any) -> bytes:
    """JSON in which the order of members does not count: where a null was decoded, it moves to the end."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


@settings(deadline=None, max_examples=300)
@given(statuses(once=True), PATCHES, st.booleans())
def test_what_a_patch_leaves_alone_is_shared_and_what_it_makes_is_decoded(
    status: Json, body: Json, merge: bool
) -> None:
    live = live_pod(status)
    before, sent = orjson.dumps(live), orjson.dumps(body)
    new = merged_with(live, body) if merge else merge_strategic(live, body, POD)
    found, whole = decode_differing(new, POD, live, "status")
    expected, known = decode_strictly(copied(new), POD)
    assert text(found) == text(expected)
    assert whole <= known
    assert orjson.dumps(live) == before and orjson.dumps(body) == sent
    assert found["spec"] is live["spec"]


@st.composite
def reports(draw: st.DrawFn) -> Json:
    """What a node says of a pod: mostly values, sometimes with the order of what it knows."""
    status = draw(statuses(once=draw(st.booleans())))
    for name, key in (("conditions", "type"), ("podIPs", "ip")):
        if draw(st.booleans()) and name in status:
            status[f"$setElementOrder/{name}"] = [{key: item[key]} for item in draw(st.permutations(status[name]))]
    metadata = draw(optional(uid=WORDS, finalizers=st.lists(WORDS, max_size=2), annotations=st.just({"a": "b"})))
    return {**draw(optional(kind=WORDS, spec=st.just({"nodeName": "n"}))), "metadata": metadata, "status": status}


@settings(deadline=None, max_examples=500)
@given(statuses(once=True), st.one_of(reports(), PATCHES))
def test_stated_values_are_merged_and_decoded_in_one_walk(status: Json, body: Json) -> None:
    live = live_pod(status)
    before, sent = orjson.dumps(live), orjson.dumps(body)
    found = merge_stated(live, body, POD, ("spec",))
    assert orjson.dumps(live) == before and orjson.dumps(body) == sent
    if found is None:
        return
    expected, whole = decode_strictly(merge_strategic(copied(live), copied(body), POD), POD)
    assert whole
    assert text(found) == text(expected)
    assert found["spec"] is live["spec"] and "spec" not in body


def test_a_report_is_made_of_stated_values() -> None:
    live = live_pod({"phase": "a", "conditions": [{"type": "a", "status": "a"}, {"type": "b", "status": "a"}]})
    order = [{"type": "a"}, {"type": "b"}]
    change = {"$setElementOrder/conditions": order, "conditions": [{"type": "b", "status": "b"}], "podIP": "10.0.0.1"}
    found = merge_stated(live, {"metadata": {"uid": "u"}, "status": change}, POD, ("spec",))
    assert found is not None
    assert found["status"]["conditions"][0] is live["status"]["conditions"][0]
    assert found["status"]["conditions"][1]["status"] == "b" and found["status"]["podIP"] == "10.0.0.1"
    assert merge_stated(live, {"status": {**change, "phase": None}}, POD, ("spec",)) is None
    assert merge_stated(live, {"status": {**change, "unknown": "a"}}, POD, ("spec",)) is None
    assert merge_stated(live, {"status": {**change, "phase": 1}}, POD, ("spec",)) is None


@settings(deadline=None, max_examples=300)
@given(statuses(once=False), statuses(once=False))
def test_a_list_patched_in_place_is_in_the_order_of_any_other(status: Json, change: Json) -> None:
    live = live_pod(status)
    found = merge_strategic(live, {"status": change}, POD)
    with replaced.object(strategic, "places", lambda *_: None):
        expected = merge_strategic(live, {"status": change}, POD)
    assert orjson.dumps(found) == orjson.dumps(expected)


def plainly_updated(old: Json, new: Json, entries: list[Entry], write: Write) -> list[Entry]:
    """`updated` as its words say: what changed leaves everybody and goes to the writer."""
    with replaced.object(compare, "_by_text", lambda *_: None):
        gained, lost = compare.changes(copied(old), copied(new), NODE)
    gained, lost = without(gained, write.reset), without(lost, write.reset)
    if not gained and not lost:
        return entries
    kept = dispossessed(entries, gained, lost)
    own = difference(gained, STRIPPED)
    if not own:
        return kept
    mine = (write.manager, "Update", write.api_version, write.subresource)
    for entry in kept:
        if identity(entry) == mine:
            own = joined(entry["fieldsV1"], own)
    others = [entry for entry in kept if identity(entry) != mine]
    return in_order([*others, write.entry("Update", own, write.now)])


def joined(left: FieldSet, right: FieldSet) -> FieldSet:
    return ordered(from_paths([*paths(left), *paths(right)]))


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(WORDS, statuses(once=False)), min_size=2, max_size=5))
def test_managed_fields_of_shared_objects_are_those_of_copies(steps: list[tuple[str, Json]]) -> None:
    live = live_pod({})
    entries: list[Entry] = []
    for now, (manager, status) in enumerate(steps):
        write = Write(manager, "v1", "status", f"{now:03}", from_paths([("f:spec",)]))
        new, _ = decode_differing(merge_strategic(live, {"status": status}, POD), POD, live, "status")
        before = orjson.dumps(entries)
        found = updated(live, new, NODE, entries, write)
        assert orjson.dumps(entries) == before
        assert orjson.dumps(found) == orjson.dumps(plainly_updated(live, new, entries, write))
        live, entries = new, found
