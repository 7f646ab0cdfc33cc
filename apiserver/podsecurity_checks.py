"""The checks of the Pod Security Standards: what a pod does that its level forbids, in the real server's words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from apiserver.field import quote
from apiserver.kinds.kind import Object

Annotations = dict[str, str]


class Finding(NamedTuple):
    """One violation: why, and what exactly."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


Check = Callable[[Annotations, Object], Finding | None]


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _containers(spec: Object) -> Iterator[Object]:
    for group in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(group) or ()


def _security(holder: Object) -> Object:
    found: Object = holder.get("securityContext") or {}
    return found


def _named(spec: Object, bad: Callable[[Object], bool]) -> list[str]:
    """The containers whose security context is bad."""
    return [container["name"] for container in _containers(spec) if bad(_security(container))]


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _several(what: str, names: Iterable[str]) -> str:
    shown = list(names)
    return f"{what}{'' if len(shown) == 1 else 's'} {_quoted(shown)}"


def _setters(pod: bool, names: list[str]) -> str:
    """Who sets something: the pod, containers, or both."""
    return " and ".join((["pod"] if pod else []) + ([_several("container", names)] if names else []))


def _both(spec: Object, bad: Callable[[Object], bool]) -> str:
    return _setters(bad(_security(spec)), _named(spec, bad))


def on_linux(check: Check) -> Check:
    """Windows pods cannot set these fields at all."""

    def checked(notes: Annotations, spec: Object) -> Finding | None:
        return None if (spec.get("os") or {}).get("name") == "windows" else check(notes, spec)

    return checked


def in_host_users(check: Check) -> Check:
    """Pods in a user namespace of their own are free to (KEP-127)."""

    def checked(notes: Annotations, spec: Object) -> Finding | None:
        return None if spec.get("hostUsers") is False else check(notes, spec)

    return checked


def escalation(notes: Annotations, spec: Object) -> Finding | None:
    names = _named(spec, lambda security: security.get("allowPrivilegeEscalation") is not False)
    if not names:
        return None
    detail = f"{_several('container', names)} must set securityContext.allowPrivilegeEscalation=false"
    return Finding("allowPrivilegeEscalation != false", detail)


_PROFILES = ("RuntimeDefault", "Localhost")
_APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"


def app_armor(notes: Annotations, spec: Object) -> Finding | None:
    def kind(security: Object) -> Any:
        return (security.get("appArmorProfile") or {}).get("type", _PROFILES[0])

    values = {kind(_security(holder)) for holder in (spec, *_containers(spec))} - set(_PROFILES)
    setters = _both(spec, lambda security: kind(security) not in _PROFILES)
    bad = {key: value for key, value in notes.items() if key.startswith(_APP_ARMOR) and not _usual(value)}
    shown = [*sorted(values), *sorted(f"{key}={quote(value)}" for key, value in bad.items())]
    if not shown:
        return None
    who = " and ".join(filter(None, (setters, f"annotation{'' if len(bad) == 1 else 's'}" if bad else "")))
    reason = f"forbidden AppArmor profile{'' if len(shown) == 1 else 's'}"
    return Finding(reason, f"{who} must not set AppArmor profile type to {_quoted(shown)}")


def _usual(profile: str) -> bool:
    return not profile or profile == "runtime/default" or profile.startswith("localhost/")


_CAPABILITIES = words(
    "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT"
)


def _adding(spec: Object, allowed: Iterable[str]) -> str:
    def extra(security: Object) -> set[str]:
        return set((security.get("capabilities") or {}).get("add") or ()) - set(allowed)

    names = _named(spec, lambda security: bool(extra(security)))
    if not names:
        return ""
    added = sorted(set().union(*(extra(_security(container)) for container in _containers(spec))))
    return f"{_several('container', names)} must not include {_quoted(added)} in securityContext.capabilities.add"


def capabilities(notes: Annotations, spec: Object) -> Finding | None:
    detail = _adding(spec, _CAPABILITIES)
    return Finding("non-default capabilities", detail) if detail else None


def restricted_capabilities(notes: Annotations, spec: Object) -> Finding | None:
    kept = _named(spec, lambda security: "ALL" not in ((security.get("capabilities") or {}).get("drop") or ()))
    details = [f'{_several("container", kept)} must set securityContext.capabilities.drop=["ALL"]'] if kept else []
    details += filter(None, (_adding(spec, ("NET_BIND_SERVICE",)),))
    return Finding("unrestricted capabilities", "; ".join(details)) if details else None


def host_namespaces(notes: Annotations, spec: Object) -> Finding | None:
    found = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    return Finding("host namespaces", ", ".join(found)) if found else None


def host_paths(notes: Annotations, spec: Object) -> Finding | None:
    names = [volume["name"] for volume in spec.get("volumes") or () if volume.get("hostPath") is not None]
    return Finding("hostPath volumes", _several("volume", names)) if names else None


def host_ports(notes: Annotations, spec: Object) -> Finding | None:
    used = {
        container["name"]: {str(port["hostPort"]) for port in container.get("ports") or () if port.get("hostPort")}
        for container in _containers(spec)
    }
    names = [name for name, ports in used.items() if ports]
    ports = sorted(set().union(*used.values()))
    if not names:
        return None
    verb, noun = "uses" if len(names) == 1 else "use", f"hostPort{'' if len(ports) == 1 else 's'}"
    return Finding("hostPort", f"{_several('container', names)} {verb} {noun} {', '.join(ports)}")


def probe_hosts(notes: Annotations, spec: Object) -> Finding | None:
    used = {container["name"]: set(_hosts(container)) for container in _containers(spec)}
    names = sorted(name for name, hosts in used.items() if hosts)
    if not names:
        return None
    verb, hosts = "uses" if len(names) == 1 else "use", sorted(set().union(*used.values()))
    what = "probe or lifecycle host"
    return Finding(what, f"{_several('container', names)} {verb} {_several(what, hosts)}")


def _hosts(container: Object) -> Iterator[str]:
    hooks = container.get("lifecycle") or {}
    handlers = [container.get(name) for name in ("livenessProbe", "readinessProbe", "startupProbe")]
    for handler in (*handlers, hooks.get("postStart"), hooks.get("preStop")):
        for action in ("httpGet", "tcpSocket"):
            host = ((handler or {}).get(action) or {}).get("host")
            if host:
                yield host


def privileged(notes: Annotations, spec: Object) -> Finding | None:
    names = _named(spec, lambda security: bool(security.get("privileged")))
    detail = f"{_several('container', names)} must not set securityContext.privileged=true"
    return Finding("privileged", detail) if names else None


def proc_mount(notes: Annotations, spec: Object) -> Finding | None:
    names = _named(spec, lambda security: security.get("procMount") not in (None, "Default"))
    kinds = {_security(container).get("procMount") or "Default" for container in _containers(spec)} - {"Default"}
    if not names:
        return None
    detail = f"{_several('container', names)} must not set securityContext.procMount to {_quoted(sorted(kinds))}"
    return Finding("procMount", detail)


_VOLUMES = words("configMap csi downwardAPI emptyDir ephemeral image persistentVolumeClaim projected secret")


def volume_types(notes: Annotations, spec: Object) -> Finding | None:
    bad = {
        volume["name"]: next((key for key in volume if key != "name" and volume[key] is not None), "unknown")
        for volume in spec.get("volumes") or ()
        if not any(volume.get(source) is not None for source in _VOLUMES)
    }
    if not bad:
        return None
    verb, kinds = "uses" if len(bad) == 1 else "use", sorted(set(bad.values()))
    detail = f"{_several('volume', bad)} {verb} {_several('restricted volume type', kinds)}"
    return Finding("restricted volume types", detail)


def run_as_non_root(notes: Annotations, spec: Object) -> Finding | None:
    reason = "runAsNonRoot != true"
    setters = _both(spec, lambda security: security.get("runAsNonRoot") is False)
    if setters:
        return Finding(reason, f"{setters} must not set securityContext.runAsNonRoot=false")
    unset = _named(spec, lambda security: security.get("runAsNonRoot") is None)
    if _security(spec).get("runAsNonRoot") or not unset:
        return None
    return Finding(reason, f"pod or {_several('container', unset)} must set securityContext.runAsNonRoot=true")


def run_as_user(notes: Annotations, spec: Object) -> Finding | None:
    setters = _both(spec, lambda security: security.get("runAsUser") == 0)
    return Finding("runAsUser=0", f"{setters} must not set runAsUser=0") if setters else None


def selinux(*types: str) -> Check:
    """The check with the types that a version allows."""

    def faults(security: Object) -> dict[str, str]:
        options = security.get("seLinuxOptions") or {}
        bad = {name: "" for name in ("user", "role") if options.get(name)}
        return bad | ({"type": options["type"]} if options.get("type", "") not in ("", *types) else {})

    def check(notes: Annotations, spec: Object) -> Finding | None:
        setters = _both(spec, lambda security: bool(faults(security)))
        found = [faults(_security(holder)) for holder in (spec, *_containers(spec))]
        bad = sorted({item["type"] for item in found if "type" in item})
        details = [_several("type", bad)] if bad else []
        details += [f"{name} may not be set" for name in ("user", "role") if any(name in item for item in found)]
        what = f"{setters} set forbidden securityContext.seLinuxOptions: {'; '.join(details)}"
        return Finding("seLinuxOptions", what) if setters else None

    return check


_SECCOMP = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"


def seccomp_annotations(notes: Annotations, spec: Object) -> Finding | None:
    keys = (_SECCOMP, *(f"{_SECCOMP_CONTAINER}{container['name']}" for container in _containers(spec)))
    bad = sorted(
        f"{key}={quote(notes[key])}"
        for key in keys
        if key in notes and notes[key] != "docker/default" and (not notes[key] or not _usual(notes[key]))
    )
    detail = f"forbidden annotation{'' if len(bad) == 1 else 's'} {', '.join(bad)}"
    return Finding("seccompProfile", detail) if bad else None


def seccomp(notes: Annotations, spec: Object) -> Finding | None:
    def kind(security: Object) -> Any:
        return (security.get("seccompProfile") or {}).get("type", _PROFILES[0])

    setters = _both(spec, lambda security: kind(security) not in _PROFILES)
    values = sorted({kind(_security(holder)) for holder in (spec, *_containers(spec))} - set(_PROFILES))
    detail = f"{setters} must not set securityContext.seccompProfile.type to {_quoted(values)}"
    return Finding("seccompProfile", detail) if setters else None


def restricted_seccomp(notes: Annotations, spec: Object) -> Finding | None:
    found = seccomp(notes, spec)
    unset = _named(spec, lambda security: security.get("seccompProfile") is None)
    if found is not None or _security(spec).get("seccompProfile") is not None or not unset:
        return found
    wanted = 'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Finding("seccompProfile", f"pod or {_several('container', unset)} must set {wanted}")


def sysctls(safe: frozenset[str]) -> Check:
    """The check with the sysctls that a version calls safe."""

    def check(notes: Annotations, spec: Object) -> Finding | None:
        names = [item.get("name", "") for item in _security(spec).get("sysctls") or ()]
        bad = [name for name in names if name not in safe]
        return Finding("forbidden sysctls", ", ".join(bad)) if bad else None

    return check


def host_process(notes: Annotations, spec: Object) -> Finding | None:
    setters = _both(spec, lambda security: bool((security.get("windowsOptions") or {}).get("hostProcess")))
    detail = f"{setters} must not set securityContext.windowsOptions.hostProcess=true"
    return Finding("hostProcess", detail) if setters else None
