"""clusterIPs, ipFamilies and ipFamilyPolicy of a Service: validation, and completion (KEP-563)."""

from __future__ import annotations

from apiserver import validation as rules
from apiserver.field import FieldError, duplicate, invalid, not_supported, required
from apiserver.kinds.kind import Object
from apiserver.kinds.service_ranges import family_of
from apiserver.kinds.service_types import WITH_ADDRESS, headless, needs_address

FAMILIES = ("IPv4", "IPv6")
SINGLE, PREFER, REQUIRE = "SingleStack", "PreferDualStack", "RequireDualStack"
ADDRESSES, ONE, POLICY, FAMILY = "spec.clusterIPs", "spec.clusterIP", "spec.ipFamilyPolicy", "spec.ipFamilies"
UNCHANGEABLE = "may not change once set"


def address_faults(spec: Object, before: Object | None) -> list[FieldError]:
    """ValidateServiceClusterIPsRelatedFields. Addresses that were there before are not looked at again."""
    if not needs_address(spec):
        return []
    addresses: list[str] = spec.get("clusterIPs") or []
    found = _in_step(spec.get("clusterIP", ""), addresses) + _family_faults(spec.get("ipFamilies") or [])
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in (SINGLE, PREFER, REQUIRE):
        found.append(not_supported(POLICY, policy, (PREFER, REQUIRE, SINGLE)))
    malformed = _malformed(addresses, (before or {}).get("clusterIPs") or [])
    found += malformed
    if len(addresses) > 2:
        found.append(invalid(ADDRESSES, addresses, "may only hold up to 2 values"))
    if malformed:
        return found
    if len(addresses) > 1 and len({family_of(address) for address in addresses}) < len(addresses):
        found.append(invalid(ADDRESSES, addresses, "may specify no more than one IP for each IP family"))
    return found if headless(spec) else found + _mismatched(addresses, spec.get("ipFamilies") or [])


def _in_step(one: str, several: list[str]) -> list[FieldError]:
    if not one:
        why = "must be empty when `clusterIP` is not specified"
        return [invalid(ADDRESSES, several, why)] if several else []
    if not several:
        return [required(ADDRESSES)]
    return [] if several[0] == one else [invalid(ADDRESSES, several, "first value must match `clusterIP`")]


def _family_faults(families: list[str]) -> list[FieldError]:
    found: list[FieldError] = []
    for index, family in enumerate(families):
        if family not in FAMILIES:
            found.append(not_supported(f"{FAMILY}[{index}]", family, FAMILIES))
        if family in families[:index]:
            found.append(duplicate(f"{FAMILY}[{index}]", family))
    return found


def _malformed(addresses: list[str], known: list[str]) -> list[FieldError]:
    found: list[FieldError] = []
    for index, address in enumerate(addresses):
        if index == 0 and address == "None":
            if len(addresses) > 1:
                found.append(invalid(ADDRESSES, addresses, "'None' must be the first and only value"))
        elif address not in known:
            found += [invalid(f"{ADDRESSES}[{index}]", address, text) for text in rules.legacy_ip(address)]
    return found


def _mismatched(addresses: list[str], families: list[str]) -> list[FieldError]:
    found: list[FieldError] = []
    for index, (address, family) in enumerate(zip(addresses, families, strict=False)):
        if family in FAMILIES and family_of(address) != family:
            why = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            found.append(invalid(f"{ADDRESSES}[{index}]", address, why))
    return found


def changed_addresses(spec: Object, before: Object) -> list[FieldError]:
    """Causes of an update that changes what stays for the Service's life, unless it is or was an ExternalName."""
    if not (needs_address(spec) and needs_address(before)):
        return []
    found: list[FieldError] = []
    if not (headless(spec) and headless(before)):
        found += _changed("clusterIPs", spec, before, each=True)
    if not headless(spec) and not headless(before):
        found += _changed("ipFamilies", spec, before, each=False)
    return found


_RELEASED = {"clusterIPs": ("clusterIP", "clusterIP"), "ipFamilies": ("ipFamily", "ipFamily")}


def _changed(name: str, spec: Object, before: Object, *, each: bool) -> list[FieldError]:
    """The first value never changes; a second may come, and may go under SingleStack. `each`: with the same number of
    values, the path names the one that changed rather than the first."""
    new, old = spec.get(name) or [], before.get(name) or []
    path, what = f"spec.{name}", _RELEASED[name][0]
    if len(new) == len(old):
        places = [index for index, value in enumerate(old) if value != new[index]]
        return [invalid(f"{path}[{index if each else 0}]", new, UNCHANGEABLE) for index in places]
    found: list[FieldError] = []
    if not new:
        found.append(invalid(f"{path}[0]", None, f"primary {what} can not be unset"))
    elif old and new[0] != old[0]:
        found.append(invalid(f"{path}[0]", new, UNCHANGEABLE))
    if len(new) == 1 and len(old) > 1 and spec.get("ipFamilyPolicy") != SINGLE:
        why = f"must be set to 'SingleStack' when releasing the secondary {what}"
        found.append(invalid(POLICY, spec.get("ipFamilyPolicy"), why))
    return found


def complete_families(spec: Object, before: Object | None, own: list[str]) -> list[FieldError]:
    """Fill in ipFamilies and ipFamilyPolicy on a cluster whose families are `own`, the default one first; answers
    causes, and then `spec` is of no use. Headless Services without a selector may have families that the cluster does
    not."""
    if not needs_address(spec) or _settled_preference(spec, before):
        return []
    if spec.get("ipFamilyPolicy") is None:
        spec["ipFamilyPolicy"] = _default_policy(spec, before)
    faults = address_faults(spec, before)
    if faults:
        return faults
    faults = _policy_faults(spec, before) + _infer_families(spec, own)
    if faults:
        return faults
    if spec.get("clusterIP") == "None" and not spec.get("selector"):
        _add_second_family(spec, own[0])
        return []
    faults = _unavailable(spec, own)
    if len(own) == 2:
        _add_second_family(spec, own[0])
    elif not spec.get("ipFamilies"):
        spec["ipFamilies"] = own[:1]
    return faults


def _add_second_family(spec: Object, default: str) -> None:
    """Every policy but SingleStack wants both families."""
    families = spec.get("ipFamilies") or [default]
    if len(families) == 1 and spec["ipFamilyPolicy"] != SINGLE:
        families = [families[0], "IPv6" if families[0] == "IPv4" else "IPv4"]
    spec["ipFamilies"] = families


def _settled_preference(spec: Object, before: Object | None) -> bool:
    """PreferDualStack that stays as it is neither gains nor loses an address when the cluster's families change."""
    if before is None or spec.get("ipFamilyPolicy") != PREFER or before.get("ipFamilyPolicy") not in (PREFER, None):
        return False
    same = all((spec.get(name) or []) == (before.get(name) or []) for name in ("clusterIPs", "ipFamilies"))
    return same and spec.get("type") == before.get("type") and spec.get("type") in WITH_ADDRESS


def _default_policy(spec: Object, before: Object | None) -> str:
    if before is not None and before.get("ipFamilyPolicy") is not None:
        return str(before["ipFamilyPolicy"])
    return REQUIRE if spec.get("clusterIP") == "None" and not spec.get("selector") else SINGLE


def _policy_faults(spec: Object, before: Object | None) -> list[FieldError]:
    """Whether the policy allows as many addresses and families as there are, and giving up the second ones."""
    found: list[FieldError] = []
    policy = spec["ipFamilyPolicy"]
    for name, given_up, several in (
        ("clusterIPs", "cluster IP", "cluster IPs"),
        ("ipFamilies", "IP family", "IP families"),
    ):
        values, old = spec.get(name) or [], (before or {}).get(name) or []
        if policy != SINGLE:
            if values and len(values) < len(old):
                found.append(invalid(POLICY, policy, f"must be 'SingleStack' to release the secondary {given_up}"))
            continue
        if len(values) > 1 and values == old:  # the policy alone says that the second one may go
            values = spec[name] = values[:1]
        if len(values) == 2:
            why = f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {several} are specified"
            found.append(invalid(POLICY, policy, why))
    return found


def _infer_families(spec: Object, own: list[str]) -> list[FieldError]:
    """Explicit addresses say their families."""
    found: list[FieldError] = []
    addresses, families = spec.get("clusterIPs") or [], list(spec.get("ipFamilies") or [])
    for index, address in enumerate(addresses):
        if address == "None":
            break
        if index < len(families):
            continue
        if family_of(address) in own:
            families.append(family_of(address))
        else:
            why = f"{family_of(address)} is not configured on this cluster"
            found.append(invalid(f"{ADDRESSES}[{index}]", addresses, why))
    if families:
        spec["ipFamilies"] = families
    return found


def _unavailable(spec: Object, own: list[str]) -> list[FieldError]:
    found: list[FieldError] = []
    if spec["ipFamilyPolicy"] == REQUIRE and len(own) < 2:
        found.append(invalid(POLICY, REQUIRE, "this cluster is not configured for dual-stack services"))
    for index, family in enumerate(spec.get("ipFamilies") or ()):
        if family not in own:
            found.append(invalid(f"{FAMILY}[{index}]", family, "not configured on this cluster"))
    return found
