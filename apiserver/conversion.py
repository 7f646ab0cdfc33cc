"""Conversion of custom resources by webhook (KEP-0598, `spec.conversion` of a definition).

A webhook answers later than code that shows or stores an object can wait. So what is going to be shown or stored is
prepared first (`prepare`, `prepare_records`), and `convert` finds it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson

from apiserver import errors
from apiserver.encoding import decode
from apiserver.kinds.kind import Object
from apiserver.storage.types import Record
from apiserver.webhookclient import CallFailed

if TYPE_CHECKING:
    from apiserver.webhookclient import WebhookClient

TIMEOUT = 30.0
KEPT = 10_000
"""Converted objects that are kept beyond those of the last request."""
VERSIONS = ("v1", "v1beta1")
FREE_METADATA = ("labels", "annotations")
"""All that a conversion may change of the metadata."""
_Key = tuple[str, bytes]


class WebhookConversion:
    """The conversion of one definition's objects; shared by the kinds of all its versions."""

    def __init__(self, client: WebhookClient, stated: Object, storage: str) -> None:
        webhook = stated["webhook"]
        self._client, self._config, self.storage = client, webhook["clientConfig"], storage
        stated_versions = webhook.get("conversionReviewVersions") or ()
        self._version = next((one for one in stated_versions if one in VERSIONS), "v1")
        self._converted: dict[_Key, Object] = {}

    def convert(self, obj: Object, target: str) -> Object:
        """The object in another version; it must have been prepared. Raises 503 where it is not (any more)."""
        if obj["apiVersion"] == target:
            return obj
        found = self._converted.get(_key(obj, target))
        if found is None:
            raise errors.unavailable("the object changed while it was being converted; try again")
        return _with_version(found, obj)

    async def prepare_records(self, records: Iterable[Record], target: str) -> None:
        """Make `convert` ready for stored objects. Raises 500 where the webhook does not convert them."""
        await self.prepare([decode(record) for record in records], target)

    async def prepare(self, objects: Iterable[Object], target: str) -> None:
        """Make `convert` ready for these objects: one call of the webhook for all that are new to it."""
        wanted = {_key(obj, target): obj for obj in objects if obj["apiVersion"] != target}
        missing = {key: obj for key, obj in wanted.items() if key not in self._converted}
        while len(self._converted) > KEPT:
            del self._converted[next(iter(self._converted))]
        if missing:
            found = await self._ask(list(missing.values()), target)
            self._converted.update(zip(missing, found, strict=True))
        for key in wanted:  # the last used are the last to go
            self._converted[key] = self._converted.pop(key)

    async def _ask(self, objects: Sequence[Object], target: str) -> list[Object]:
        first = objects[0]
        what = f"conversion webhook for {first['apiVersion']}, Kind={first['kind']}"
        uid = str(uuid.uuid4())
        request = {"uid": uid, "desiredAPIVersion": target, "objects": list(objects)}
        api_version = f"apiextensions.k8s.io/{self._version}"
        review = {"kind": "ConversionReview", "apiVersion": api_version, "request": request}
        try:
            answer = await self._client.post(self._config, review, TIMEOUT)
            converted = _converted_objects(answer, api_version, uid)
        except CallFailed as error:
            raise errors.plain_internal(f"{what} failed: {error}") from None
        except ValueError as error:
            raise errors.plain_internal(f"{what} failed: {error}") from None
        if len(converted) != len(objects):
            count = f"{len(converted)} objects, expected {len(objects)}"
            raise errors.plain_internal(f"{what} returned {count}")
        for index, (old, new) in enumerate(zip(objects, converted, strict=True)):
            why = _unfit(old, new, target)
            if why:
                raise errors.plain_internal(f"{what} returned invalid converted object at index {index}: {why}")
        return [_with_metadata(old, new) for old, new in zip(objects, converted, strict=True)]


def _key(obj: Object, target: str) -> _Key:
    """An object's content, whatever its resourceVersion."""
    metadata = {name: value for name, value in obj["metadata"].items() if name != "resourceVersion"}
    data = orjson.dumps({**obj, "metadata": metadata}, option=orjson.OPT_SORT_KEYS)
    return target, blake2b(data, digest_size=20).digest()


def _with_version(converted: Object, original: Object) -> Object:
    """A copy of what was converted with the resourceVersion of now."""
    found: Object = orjson.loads(orjson.dumps(converted))
    found["metadata"].pop("resourceVersion", None)
    if "resourceVersion" in original["metadata"]:
        found["metadata"]["resourceVersion"] = original["metadata"]["resourceVersion"]
    return found


def _converted_objects(answer: Any, api_version: str, uid: str) -> list[Any]:
    """The objects of a ConversionReview's response. Raises ValueError."""
    if not isinstance(answer, dict) or not isinstance(answer.get("response"), dict):
        raise ValueError("no response provided")
    if (answer.get("apiVersion"), answer.get("kind")) != (api_version, "ConversionReview"):
        want = f"{api_version}, Kind=ConversionReview"
        got = f"{answer.get('apiVersion', '')}, Kind={answer.get('kind', '')}"
        raise ValueError(f"expected webhook response of {want}, got {got}")
    response = answer["response"]
    if response.get("uid") != uid:
        raise ValueError(f'expected response.uid="{uid}", got "{response.get("uid", "")}"')
    result = response.get("result") or {}
    if result.get("status") != "Success":
        raise ValueError(result.get("message") or "failed for unknown reason")
    return list(response.get("convertedObjects") or ())


def _unfit(old: Object, new: Any, target: str) -> str:
    """Why an object is not the converted form of another one."""
    if not isinstance(new, dict) or not isinstance(new.get("metadata"), dict):
        return "it is no object with metadata"
    if new.get("apiVersion") != target:
        return f"invalid groupVersion (expected {target}, received {new.get('apiVersion', '')})"
    if new.get("kind") != old["kind"]:
        return f"invalid kind (expected {old['kind']}, received {new.get('kind', '')})"
    for name, shown in (("name", "name"), ("namespace", "namespace"), ("uid", "UID")):
        before, after = old["metadata"].get(name, ""), new["metadata"].get(name, "")
        if before != after:
            return f"invalid metadata: must have the same {shown}: {before} != {after}"
    return ""


def _with_metadata(old: Object, new: Object) -> Object:
    """Of the metadata the webhook decides on labels and annotations only."""
    metadata = {name: value for name, value in old["metadata"].items() if name not in FREE_METADATA}
    for name in FREE_METADATA:
        if new["metadata"].get(name):
            metadata[name] = new["metadata"][name]
    return {**new, "metadata": metadata}
