"""How a device's capacity may be shared (KEP-5075): the amounts that requests are rounded up to."""

from __future__ import annotations

from itertools import pairwise

from apiserver.field import FieldError, forbidden, invalid, required
from apiserver.kinds.device_rules import items
from apiserver.kinds.kind import Object
from miniplane.apimachinery.quantity import Quantity

OPTIONS = 10


def request_policy(capacity: Object, path: str, several: bool) -> list[FieldError]:
    """The rules of a DeviceCapacity's `requestPolicy`; `several`: the device may be allocated more than once."""
    policy = capacity.get("requestPolicy")
    if policy is None:
        return []
    if not several:
        return [forbidden(path, "allowMultipleAllocations must be true")]
    values, bounds = policy.get("validValues") or [], policy.get("validRange")
    if values and bounds is not None:
        why = 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'
        return [forbidden(path, why)]
    default, whole = policy.get("default"), Quantity.parse(capacity.get("value", 0))
    if values:
        if default is None:
            return [required(f"{path}.default", "required when validValues is defined")]
        return _values(Quantity.parse(default), whole, [*map(Quantity.parse, values)], f"{path}.validValues")
    if bounds is None:
        return []
    if default is None:
        return [required(f"{path}.default", "required when validRange is defined")]
    return _range(Quantity.parse(default), whole, bounds, f"{path}.validRange")


def _values(default: Quantity, whole: Quantity, values: list[Quantity], path: str) -> list[FieldError]:
    found = []
    for index, (one, following) in enumerate(pairwise(values)):
        if following < one:
            why = "values must be sorted in ascending order"
            found.append(invalid(f"{path}[{index + 1}]", following.canonical(), why))

    def option(value: Quantity, at: str) -> list[FieldError]:
        if not whole < value:
            return []
        return [invalid(at, value.canonical(), f"option is larger than capacity value: {whole.canonical()}")]

    found += items(values, path, OPTIONS, option, lambda value: str(value.value()))
    if default not in values or len(values) > OPTIONS:
        found.append(invalid(path, default.canonical(), "default value is not valid according to the requestPolicy"))
    return found


def _range(default: Quantity, whole: Quantity, bounds: Object, path: str) -> list[FieldError]:
    if bounds.get("min") is None:
        return [required(f"{path}.min", "required when validRange is defined")]
    least, found = Quantity.parse(bounds["min"]), list[FieldError]()

    def say(name: str, value: Quantity, why: str) -> None:
        found.append(invalid(f"{path}.{name}", value.canonical(), why))

    if whole < least:
        say("min", least, f"min is larger than capacity value: {whole.canonical()}")
    if default < least:
        say("min", default, f"default is less than min: {least.canonical()}")
    most = Quantity.parse(bounds["max"]) if bounds.get("max") is not None else None
    if most is not None:
        if most < least:
            say("max", least, f"min is larger than max: {most.canonical()}")
        if whole < most:
            say("max", most, f"max is larger than capacity value: {whole.canonical()}")
        if most < default:
            say("max", default, f"default is more than max: {most.canonical()}")
    if bounds.get("step") is not None:
        step = Quantity.parse(bounds["step"])
        if whole < least + step:
            why = f"one step {(least + step).canonical()} is larger than capacity value: {whole.canonical()}"
            say("step", step, why)
        for value in (default, *([most] if most is not None else [])):
            if step.value() and (value.value() - least.value()) % step.value():
                why = f"value is not a multiple of a given step ({step.canonical()}) from ({least.canonical()})"
                say("step", value, why)
    return found
