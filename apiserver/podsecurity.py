"""Pod Security Standards: what a pod does beyond the baseline or restricted level, in the real server's words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from apiserver.kinds.kind import Object

BASELINE_CAPABILITIES = frozenset(
    "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID "
    "SYS_CHROOT".split()
)
RESTRICTED_VOLUMES = frozenset(
    "name configMap csi downwardAPI emptyDir ephemeral persistentVolumeClaim projected secret image".split()
)
SELINUX_TYPES = frozenset({"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
SAFE_SYSCTLS = frozenset(
    "kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.ip_unprivileged_port_start net.ipv4.tcp_syncookies "
    "net.ipv4.ping_group_range net.ipv4.ip_local_reserved_ports net.ipv4.tcp_keepalive_time net.ipv4.tcp_fin_timeout "
    "net.ipv4.tcp_keepalive_intvl net.ipv4.tcp_keepalive_probes net.ipv4.tcp_rmem net.ipv4.tcp_wmem".split()
)

Check = Callable[[Object], Iterator[str]]


def violations(pod: Object, level: str) -> list[str]:
    """Every way in which a pod exceeds a level; none for privileged and levels that we do not know."""
    checks: tuple[Check, ...] = ()
    if level in ("baseline", "restricted"):
        checks += BASELINE
    if level == "restricted":
        checks = tuple(check for check in checks if check not in REPLACED) + RESTRICTED
    return [text for check in sorted(checks, key=lambda check: ORDER.index(check)) for text in check(pod["spec"])]


def _containers(spec: Object) -> list[Any]:
    return [c for group in ("initContainers", "containers", "ephemeralContainers") for c in spec.get(group) or ()]


def _security(container: Object) -> Object:
    found: Object = container.get("securityContext") or {}
    return found


def _plural(names: list[str], what: str = "container") -> str:
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"{what}{'s' if len(names) > 1 else ''} {quoted}"


def _named(spec: Object, bad: Callable[[Object], bool]) -> list[str]:
    return [container["name"] for container in _containers(spec) if bad(container)]


def escalation(spec: Object) -> Iterator[str]:
    names = _named(spec, lambda c: _security(c).get("allowPrivilegeEscalation") is not False)
    if names and (spec.get("os") or {}).get("name") != "windows":
        wanted = "securityContext.allowPrivilegeEscalation=false"
        yield f"allowPrivilegeEscalation != false ({_plural(names)} must set {wanted})"


def app_armor(spec: Object) -> Iterator[str]:
    def bad(security: Object) -> bool:
        return (security.get("appArmorProfile") or {}).get("type") == "Unconfined"

    names = _named(spec, lambda c: bad(_security(c)))
    if names:
        yield f'forbidden AppArmor profile ({_plural(names)} must not set AppArmor profile type to "Unconfined")'
    elif bad(spec.get("securityContext") or {}):
        yield 'forbidden AppArmor profile (pod must not set AppArmor profile type to "Unconfined")'


def capabilities(spec: Object) -> Iterator[str]:
    names, added = [], set()
    for container in _containers(spec):
        extra = set((_security(container).get("capabilities") or {}).get("add") or ()) - BASELINE_CAPABILITIES
        if extra:
            names.append(container["name"])
            added |= extra
    if names:
        shown = ", ".join(f'"{name}"' for name in sorted(added))
        where = "securityContext.capabilities.add"
        yield f"non-default capabilities ({_plural(names)} must not include {shown} in {where})"


def restricted_capabilities(spec: Object) -> Iterator[str]:
    undropped, adding, added = [], [], set()
    for container in _containers(spec):
        found = _security(container).get("capabilities") or {}
        if "ALL" not in (found.get("drop") or ()):
            undropped.append(container["name"])
        extra = set(found.get("add") or ()) - {"NET_BIND_SERVICE"}
        if extra:
            adding.append(container["name"])
            added |= extra
    details = []
    if undropped:
        details.append(f'{_plural(undropped)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        shown = ", ".join(f'"{name}"' for name in sorted(added))
        details.append(f"{_plural(adding)} must not include {shown} in securityContext.capabilities.add")
    if details:
        yield f"unrestricted capabilities ({'; '.join(details)})"


def host_namespaces(spec: Object) -> Iterator[str]:
    found = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    if found:
        yield f"host namespaces ({', '.join(found)})"


def host_paths(spec: Object) -> Iterator[str]:
    names = [volume["name"] for volume in spec.get("volumes") or () if volume.get("hostPath") is not None]
    if names:
        yield f"hostPath volumes ({_plural(names, 'volume')})"


def host_ports(spec: Object) -> Iterator[str]:
    names, ports = [], set()
    for container in _containers(spec):
        used = {port["hostPort"] for port in container.get("ports") or () if port.get("hostPort")}
        if used:
            names.append(container["name"])
            ports |= used
    if names:
        shown = ", ".join(str(port) for port in sorted(ports))
        verb, noun = "use" if len(names) > 1 else "uses", "hostPorts" if len(ports) > 1 else "hostPort"
        yield f"hostPort ({_plural(names)} {verb} {noun} {shown})"


def privileged(spec: Object) -> Iterator[str]:
    names = _named(spec, lambda c: bool(_security(c).get("privileged")))
    if names:
        yield f"privileged ({_plural(names)} must not set securityContext.privileged=true)"


def proc_mount(spec: Object) -> Iterator[str]:
    names = _named(spec, lambda c: _security(c).get("procMount") not in (None, "Default"))
    if names:
        yield f'procMount ({_plural(names)} must not set securityContext.procMount to "Unmasked")'


def volume_types(spec: Object) -> Iterator[str]:
    names, kinds = [], set()
    for volume in spec.get("volumes") or ():
        foreign = set(volume) - RESTRICTED_VOLUMES
        if foreign:
            names.append(volume["name"])
            kinds |= foreign
    if names:
        shown = ", ".join(f'"{kind}"' for kind in sorted(kinds))
        verb = "use" if len(names) > 1 else "uses"
        noun = "restricted volume types" if len(kinds) > 1 else "restricted volume type"
        yield f"restricted volume types ({_plural(names, 'volume')} {verb} {noun} {shown})"


def run_as_non_root(spec: Object) -> Iterator[str]:
    pod = (spec.get("securityContext") or {}).get("runAsNonRoot")
    explicit = _named(spec, lambda c: _security(c).get("runAsNonRoot") is False)
    implicit = _named(spec, lambda c: _security(c).get("runAsNonRoot") is None)
    if explicit:
        yield f"runAsNonRoot != true ({_plural(explicit)} must not set securityContext.runAsNonRoot=false)"
    elif pod is not True and implicit:
        yield f"runAsNonRoot != true (pod or {_plural(implicit)} must set securityContext.runAsNonRoot=true)"


def run_as_user(spec: Object) -> Iterator[str]:
    names = _named(spec, lambda c: _security(c).get("runAsUser") == 0)
    pod = (spec.get("securityContext") or {}).get("runAsUser") == 0
    if pod or names:
        who = " and ".join((["pod"] if pod else []) + ([_plural(names)] if names else []))
        yield f"runAsUser=0 ({who} must not set runAsUser=0)"


def _bad_profile(security: Object, needed: bool) -> bool:
    kind = (security.get("seccompProfile") or {}).get("type")
    return kind == "Unconfined" or (needed and kind is None)


def seccomp(spec: Object) -> Iterator[str]:
    names = _named(spec, lambda c: _bad_profile(_security(c), False))
    pod = _bad_profile(spec.get("securityContext") or {}, False)
    if pod or names:
        who = " and ".join((["pod"] if pod else []) + ([_plural(names)] if names else []))
        yield f'seccompProfile ({who} must not set securityContext.seccompProfile.type to "Unconfined")'


def restricted_seccomp(spec: Object) -> Iterator[str]:
    pod = (spec.get("securityContext") or {}).get("seccompProfile")
    unconfined = _named(spec, lambda c: _bad_profile(_security(c), False))
    unset = _named(spec, lambda c: _security(c).get("seccompProfile") is None)
    wanted = 'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    if unconfined:
        yield f'seccompProfile ({_plural(unconfined)} must not set securityContext.seccompProfile.type to "Unconfined")'
    elif pod is None and unset:
        yield f"seccompProfile (pod or {_plural(unset)} must set {wanted})"
    elif pod is not None and pod.get("type") == "Unconfined" and unset:
        yield 'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")'


def selinux(spec: Object) -> Iterator[str]:
    for security in (spec.get("securityContext") or {}, *map(_security, _containers(spec))):
        options = security.get("seLinuxOptions") or {}
        if options.get("type", "") not in SELINUX_TYPES or options.get("user") or options.get("role"):
            yield "seLinuxOptions (pod or containers set forbidden securityContext.seLinuxOptions)"
            return


def sysctls(spec: Object) -> Iterator[str]:
    names = [item["name"] for item in (spec.get("securityContext") or {}).get("sysctls") or ()]
    bad = sorted(set(names) - SAFE_SYSCTLS)
    if bad:
        yield f"forbidden sysctls ({', '.join(bad)})"


BASELINE: tuple[Check, ...] = (
    app_armor,
    capabilities,
    host_namespaces,
    host_paths,
    host_ports,
    privileged,
    proc_mount,
    seccomp,
    selinux,
    sysctls,
)
RESTRICTED: tuple[Check, ...] = (
    escalation,
    restricted_capabilities,
    volume_types,
    run_as_non_root,
    run_as_user,
    restricted_seccomp,
)
REPLACED: frozenset[Check] = frozenset({capabilities, seccomp})
ORDER: tuple[Check, ...] = (
    escalation,
    app_armor,
    capabilities,
    restricted_capabilities,
    host_namespaces,
    host_paths,
    host_ports,
    privileged,
    proc_mount,
    volume_types,
    run_as_non_root,
    run_as_user,
    seccomp,
    restricted_seccomp,
    selinux,
    sysctls,
)
