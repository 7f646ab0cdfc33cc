"""What holds for every object: patches reach their target, applies are idempotent, every field has a known owner."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.patch.apply import apply
from apiserver.patch.compare import changes, fields_of
from apiserver.patch.fieldset import difference, from_paths, intersection, parse, paths, union
from apiserver.patch.managed import STRIPPED, after_update
from apiserver.patch.merge_patch import apply_merge
from apiserver.patch.nodes import node_of
from apiserver.patch.strategic import apply_strategic
from apiserver.schema.decode import decode
from tests.patch.kinds import POD

Json = dict[str, Any]


NODE = node_of(POD)

WORDS = st.sampled_from("abcd")
LABELS = st.dictionaries(WORDS, WORDS, max_size=3)


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries({}, optional=fields)


def by_name(item: st.SearchStrategy[Json]) -> st.SearchStrategy[list[Json]]:
    named = st.tuples(WORDS, item).map(lambda pair: {**pair[1], "name": pair[0]})
    return st.lists(named, min_size=1, max_size=3, unique_by=lambda entry: entry["name"])


CONTAINERS = by_name(
    optional(image=WORDS, args=st.lists(WORDS, min_size=1, max_size=2), env=by_name(optional(value=WORDS)))
)
# No empty struct: applied over a filled one it is null at first (so does the real server), and there the second time.
SPECS = optional(
    nodeName=WORDS,
    containers=CONTAINERS,
    nodeSelector=LABELS.filter(bool),
    securityContext=optional(runAsUser=st.integers(0, 3)).filter(bool),
    tolerations=st.lists(optional(key=WORDS), min_size=1, max_size=2),
)
METADATA = optional(labels=LABELS.filter(bool), finalizers=st.lists(WORDS, min_size=1, max_size=3, unique=True))
BODIES = st.builds(
    lambda metadata, spec: {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", **metadata},
        "spec": spec,
    },
    METADATA,
    SPECS,
)
MANAGERS = st.sampled_from(["one", "two", "three"])


def strategic_diff(old: Any, new: Any, key: str = "") -> Json:
    """A strategic merge patch from one object to another, as kubectl would compute it."""
    patch: Json = {key: new[key]} if key else {}
    for name in old.keys() - new.keys():
        patch[name] = None
    for name, value in new.items():
        before = old.get(name)
        if before == value:
            continue
        if isinstance(value, dict) and isinstance(before, dict):
            patch[name] = strategic_diff(before, value)
        elif isinstance(value, list) and isinstance(before, list) and name in ("containers", "env"):
            patch.update(list_diff(name, before, value))
        elif name == "finalizers" and isinstance(before, list):
            patch[f"$deleteFromPrimitiveList/{name}"] = [item for item in before if item not in value]
            patch[name] = [item for item in value if item not in before]
            patch[f"$setElementOrder/{name}"] = value
        else:
            patch[name] = value
    return patch


def list_diff(name: str, old: list[Json], new: list[Json]) -> Json:
    known = {item["name"]: item for item in old}
    changed = [
        strategic_diff(known[item["name"]], item, "name") if item["name"] in known else item
        for item in new
        if known.get(item["name"]) != item
    ]
    kept = {item["name"] for item in new}
    gone = [{"name": item, "$patch": "delete"} for item in known if item not in kept]
    return {
        name: [*changed, *gone],
        f"$setElementOrder/{name}": [{"name": item["name"]} for item in new],
    }


@settings(deadline=None)
@given(BODIES, BODIES)
def test_a_computed_strategic_patch_reaches_its_target(old: Json, new: Json) -> None:
    patch = orjson.dumps(strategic_diff(old, new))
    assert apply_strategic(old, patch, POD) == new


@settings(deadline=None)
@given(BODIES, BODIES)
def test_a_strategic_patch_twice_is_once(old: Json, patch: Json) -> None:
    data = orjson.dumps(patch)
    once = apply_strategic(old, data, POD)
    assert apply_strategic(once, data, POD) == once


@settings(deadline=None)
@given(BODIES, BODIES)
def test_a_merge_patch_twice_is_once(old: Json, patch: Json) -> None:
    data = orjson.dumps(patch)
    once = apply_merge(old, data)
    assert apply_merge(once, data) == once


@settings(deadline=None)
@given(BODIES, BODIES)
def test_changes_know_every_difference(old: Json, new: Json) -> None:
    gained, lost = changes(old, new, NODE)
    assert (gained or lost) or old == new or reordered(old, new)
    back_gained, back_lost = changes(new, old, NODE)
    modified = difference(gained, back_lost)
    assert set(paths(difference(gained, modified))) == set(paths(back_lost))
    assert set(paths(lost)) == set(paths(difference(back_gained, modified)))


def reordered(old: Any, new: Any) -> bool:
    """Equal but for the order of merged lists, which nobody owns."""
    return sorted_lists(old) == sorted_lists(new)


def sorted_lists(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: sorted_lists(item, key) for key, item in value.items()}
    if isinstance(value, list) and name in ("containers", "env", "finalizers"):
        return sorted((sorted_lists(item) for item in value), key=lambda item: orjson.dumps(item))
    return value


def act(live: Json | None, step: tuple[str, bool, Json], now: int) -> Json:
    manager, applying, body = step
    if applying:
        return apply(live, body, POD, manager=manager, api_version="v1", force=True, now=f"{now:03}")
    new = decode(body, POD)
    after_update(live, new, POD, manager=manager, api_version="v1", now=f"{now:03}")
    return new


STEPS = st.lists(st.tuples(MANAGERS, st.booleans(), BODIES), min_size=1, max_size=5)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_ownership_is_never_lost(steps: list[tuple[str, bool, Json]]) -> None:
    """After any writes: entries name only fields that exist, every merged leaf that was applied last is owned by its
    applier, and the entries are in the form that a client could send back."""
    live: Json | None = None
    for now, step in enumerate(steps):
        live = act(live, step, now)
    assert live is not None
    entries = live["metadata"].get("managedFields", [])
    there = union(fields_of(live, NODE), changes(NODE.empty, live, NODE)[0])
    for entry in entries:
        assert orjson.dumps(parse(entry["fieldsV1"])) == orjson.dumps(entry["fieldsV1"])
        gone = {path for path in paths(difference(entry["fieldsV1"], there)) if not is_container(path, entry)}
        assert not gone
    manager, applying, body = steps[-1]
    if applying:
        mine = next((entry["fieldsV1"] for entry in entries if is_applier(entry, manager)), {})
        assert mine == difference(fields_of(body, NODE), STRIPPED) or set(paths(mine)) == set(
            paths(difference(fields_of(body, NODE), STRIPPED))
        )


def is_applier(entry: Json, manager: str) -> bool:
    return bool(entry["manager"] == manager and entry["operation"] == "Apply")


def is_container(path: tuple[str, ...], entry: Json) -> bool:
    """An owned map or list whose content went with another manager's apply: the real server keeps such a path."""
    return path[-1] in ("f:labels", "f:finalizers", "f:containers", "f:env", "f:spec", "f:securityContext")


@settings(max_examples=150, deadline=None)
@given(STEPS, MANAGERS, BODIES)
def test_apply_is_idempotent_and_holds(steps: list[tuple[str, bool, Json]], manager: str, body: Json) -> None:
    live: Json | None = None
    for now, step in enumerate(steps):
        live = act(live, step, now)
    once = act(live, (manager, True, body), 50)
    assert act(once, (manager, True, body), 60) == once
    gained, lost = changes(once, body, NODE)
    mentioned = fields_of(body, NODE)
    stripped = from_paths(path for path in paths(mentioned) if path[0] != "f:apiVersion")
    assert not intersection(gained, stripped), "every applied leaf has its applied value"
    assert not intersection(lost, stripped)
