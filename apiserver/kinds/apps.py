"""apps/v1: the workloads, put together, and ControllerRevision."""

from __future__ import annotations

from apiserver.field import FieldError, immutable, required
from apiserver.kinds import daemonsets, deployments, replicasets, statefulsets
from apiserver.kinds.kind import Column, Context, Kind, Object
from apiserver.kinds.pods.checks import not_negative
from apiserver.kinds.strategies import Free
from apiserver.kinds.workload_columns import count
from apiserver.table import AGE


class RevisionStrategy(Free):
    """ControllerRevision: a numbered copy that never changes; the number does, when a rollback makes it the newest."""

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        found = not_negative("revision", obj.get("revision"))
        return found + ([required("data", "data is mandatory")] if obj.get("data") is None else [])

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        """The real server compares the text of the data, which a patch writes anew: whoever created the object with
        spaces in between cannot patch its number. What was between is not kept here, so no patch changes a number."""
        request = context.options.get("request")
        names = ("data", "revision") if request is not None and request.info.verb == "patch" else ("data",)
        changed = any(obj.get(name) != old.get(name) for name in names)
        return self.validate(obj, context) + ([immutable("data", obj.get("data"))] if changed else [])


def _controller(obj: Object) -> str:
    owner = next((o for o in obj["metadata"].get("ownerReferences") or () if o.get("controller")), None)
    if owner is None:
        return "<none>"
    group = owner["apiVersion"].rpartition("/")[0]
    kind = owner["kind"].lower()
    return f"{kind}.{group}/{owner['name']}" if group else f"{kind}/{owner['name']}"


KINDS: tuple[Kind, ...] = (
    *daemonsets.KINDS,
    *deployments.KINDS,
    *replicasets.KINDS,
    *statefulsets.KINDS,
    Kind(
        "apps",
        "v1",
        "ControllerRevision",
        "controllerrevisions",
        True,
        RevisionStrategy(),
        columns=(Column("Controller", _controller), Column("Revision", count("revision")), AGE),
    ),
)
