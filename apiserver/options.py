"""Every setting of the API server, with its default."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apiserver.auth.authentication import TokenEntry
from apiserver.flowcontrol import MUTATING_SEATS, READ_ONLY_SEATS
from apiserver.storage.log import WatchHistory
from apiserver.storage.peers import PeerGroup

if TYPE_CHECKING:
    from apiserver.admission import Plugin


@dataclass(slots=True)
class Options:
    """`port` 0 takes a free one. `kubernetes_minor` 36 serves Kubernetes 1.36. Admission plugins are named as
    kube-apiserver names them; `admission` adds to the defaults, `no_admission` takes away.
    `request_timeout` and `shutdown_delay` are in seconds."""

    database_url: str = "sqlite://"
    bind: str = "127.0.0.1"
    port: int = 6443
    advertise_address: str = ""
    insecure_port: int | None = None
    tls_cert_file: str = ""
    tls_key_file: str = ""
    client_ca_file: str = ""
    tokens: list[TokenEntry] = field(default_factory=list)
    anonymous_auth: bool = True
    service_account_key: bytes = b""
    service_cidrs: tuple[str, ...] = ("10.96.0.0/12",)
    node_port_range: tuple[int, int] = (30000, 32767)
    kubernetes_minor: int = 36
    admission: tuple[str, ...] = ()
    no_admission: tuple[str, ...] = ()
    max_requests_inflight: int = READ_ONLY_SEATS
    max_mutating_requests_inflight: int = MUTATING_SEATS
    request_timeout: float = 60.0
    shutdown_delay: float = 0.0
    audit_log: str = ""
    watch_history: WatchHistory = field(default_factory=WatchHistory)
    peers: PeerGroup | None = None

    def admission_plugins(self) -> list[Plugin]:
        """The enabled plugins in their order. Raises ValueError for a name that we do not know."""
        from apiserver.admission import OFF_BY_DEFAULT, plugins

        known = plugins()
        names = {plugin.name for plugin in known}
        for name in (*self.admission, *self.no_admission):
            if name not in names:
                raise ValueError(f"unknown admission plugin {name!r}; there are {', '.join(sorted(names))}")
        off = (set(OFF_BY_DEFAULT) | set(self.no_admission)) - set(self.admission)
        return [plugin for plugin in known if plugin.name not in off]
