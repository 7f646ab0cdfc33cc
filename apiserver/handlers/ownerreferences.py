"""Owner references that a client sends twice: kept once, and told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apiserver.kinds.kind import Object
    from apiserver.request import Request

_WHEN = {False: "", True: " after mutating admission happens"}


def keep_one_of_each(request: Request, metadata: Object, *, admitted: bool) -> None:
    """Drop repeated owner references from `metadata`, with a Warning header that names their uids.

    The real server looks before and after admission; a patch only afterwards (endpoints/handlers, "dedup").
    """
    references = metadata.get("ownerReferences")
    if not references or len(references) < 2:
        return
    kept: list[Object] = []
    repeated: list[str] = []
    for reference in references:
        if reference in kept:
            repeated.append(str(reference.get("uid", "")))
        else:
            kept.append(reference)
    if not repeated:
        return
    metadata["ownerReferences"] = kept
    request.warnings.append(
        f".metadata.ownerReferences contains duplicate entries{_WHEN[admitted]}; API server dedups owner references in "
        "1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: "
        + ", ".join(repeated)
    )
