"""What becomes of a custom resource between the versions of its definition, and between one schema and the next."""

from __future__ import annotations

from collections.abc import Mapping

from apiserver.kinds.kind import Object
from apiserver.schema.custom import CustomSchema


class Versions:
    """The schemas of a definition by apiVersion, and the apiVersion that objects are stored in."""

    def __init__(self, schemas: Mapping[str, CustomSchema], stored: str) -> None:
        self._schemas, self._stored = schemas, stored

    def convert(self, obj: Object, target: str) -> Object:
        """Conversion strategy None: the apiVersion changes, and what the target's schema does not know is dropped.
        What is stored has the defaults of its version."""
        if obj["apiVersion"] == target:
            return obj
        changed = {**obj, "apiVersion": target}
        before, after = self._schemas.get(obj["apiVersion"]), self._schemas.get(target)
        if after is None or (before is not None and before.schema == after.schema):
            return changed
        if target == self._stored:
            return self.complete(changed)
        return {**after.pruned(changed, stored=True), "metadata": obj["metadata"]}

    def complete(self, obj: Object) -> Object:
        """An object that may have been stored under another schema, as the present one of its version shows it."""
        schema = self._schemas.get(obj["apiVersion"])
        return obj if schema is None else {**schema.defaulted(obj, stored=True), "metadata": obj["metadata"]}
