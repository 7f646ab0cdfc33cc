"""Which checks the levels and versions of the Pod Security Standards have (KEP-2579)."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

from apiserver import podsecurity_checks as checks
from apiserver.kinds.namespaces import LEVELS
from apiserver.podsecurity_checks import Check, in_host_users, on_linux, words


class _Standard(NamedTuple):
    """A check's versions, by the minor version of Kubernetes that brought them; `replaces` a baseline check."""

    level: str
    versions: tuple[tuple[int, Check], ...]
    replaces: str = ""

    def at(self, minor: int) -> Check | None:
        return next((check for since, check in reversed(self.versions) if since <= minor), None)


def _baseline(*versions: tuple[int, Check]) -> _Standard:
    return _Standard("baseline", versions)


def _restricted(*versions: tuple[int, Check], replaces: str = "") -> _Standard:
    return _Standard("restricted", versions, replaces)


_SAFE = words(
    "kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.tcp_syncookies net.ipv4.ping_group_range "
    "net.ipv4.ip_unprivileged_port_start"
)
_SAFE_27 = _SAFE | words("net.ipv4.ip_local_reserved_ports")
_SAFE_29 = _SAFE_27 | words(
    "net.ipv4.tcp_keepalive_time net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl net.ipv4.tcp_keepalive_probes"
)
_SAFE_32 = _SAFE_29 | words("net.ipv4.tcp_rmem net.ipv4.tcp_wmem")
_TYPES = ("container_t", "container_init_t", "container_kvm_t")

# In the order of the findings: baseline first, each level by name.
STANDARDS: dict[str, _Standard] = {
    "appArmorProfile": _baseline((0, checks.app_armor)),
    "capabilities_baseline": _baseline((0, checks.capabilities)),
    "hostNamespaces": _baseline((0, checks.host_namespaces)),
    "hostPathVolumes": _baseline((0, checks.host_paths)),
    "hostPorts": _baseline((0, checks.host_ports)),
    "hostProbesAndHostLifecycle": _baseline((34, checks.probe_hosts)),
    "privileged": _baseline((0, checks.privileged)),
    "procMount": _baseline((0, checks.proc_mount), (35, in_host_users(checks.proc_mount))),
    "seLinuxOptions": _baseline((0, checks.selinux(*_TYPES)), (31, checks.selinux(*_TYPES, "container_engine_t"))),
    "seccompProfile_baseline": _baseline((0, checks.seccomp_annotations), (19, checks.seccomp)),
    "sysctls": _baseline(
        (0, checks.sysctls(_SAFE)), (27, checks.sysctls(_SAFE_27)), (29, checks.sysctls(_SAFE_29)),
        (32, checks.sysctls(_SAFE_32)),
    ),
    "windowsHostProcess": _baseline((0, checks.host_process)),
    "allowPrivilegeEscalation": _restricted((8, checks.escalation), (25, on_linux(checks.escalation))),
    "capabilities_restricted": _restricted(
        (22, checks.restricted_capabilities), (25, on_linux(checks.restricted_capabilities)),
        replaces="capabilities_baseline",
    ),
    "procMount_restricted": _restricted((35, checks.proc_mount), replaces="procMount"),
    "restrictedVolumes": _restricted((0, checks.volume_types), replaces="hostPathVolumes"),
    "runAsNonRoot": _restricted((0, checks.run_as_non_root), (35, in_host_users(checks.run_as_non_root))),
    "runAsUser": _restricted((23, checks.run_as_user), (35, in_host_users(checks.run_as_user))),
    "seccompProfile_restricted": _restricted(
        (19, checks.restricted_seccomp), (25, on_linux(checks.restricted_seccomp)), replaces="seccompProfile_baseline",
    ),
}  # fmt: skip


@functools.lru_cache(maxsize=256)
def checks_of(level: str, minor: int) -> tuple[Check, ...]:
    """In the order of their findings; minor versions that do not exist yet have the newest."""
    return tuple(_selected(level, minor))


def _selected(level: str, minor: int) -> Iterator[Check]:
    wanted = LEVELS[1 : LEVELS.index(level) + 1]
    active = {name: check for name, one in STANDARDS.items() if one.level in wanted and (check := one.at(minor))}
    replaced = {STANDARDS[name].replaces for name in active}
    yield from (check for name, check in active.items() if name not in replaced)
