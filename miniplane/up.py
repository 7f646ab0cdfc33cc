"""The commands that serve: `miniplane up` (API server, controllers and simulated kubelet) and `miniplane apiserver`.

The order makes the start quick: the socket listens and the kubeconfig is written before anything heavy is imported, so
the children come up while the API server does, and their first requests wait in the backlog.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from miniplane import kubeconfig, serving, settings
from miniplane.agents.kubelet import MOST_NODES
from miniplane.settings import Refused
from miniplane.supervisor import Supervisor

if TYPE_CHECKING:
    import socket

    from apiserver.options import Options

ELECTION = (
    "--leader-elect-lease-duration=4",
    "--leader-elect-renew-deadline=3",
    "--leader-elect-retry-period=1",
)
"""Controllers that were killed leave a Lease behind; the next ones wait this long for it, not client-go's 15 s: our API
server is on the same machine."""


@dataclass(slots=True)
class Installation:
    """Everything settled before the server is imported."""

    options: Options
    sockets: list[list[socket.socket]]
    directory: Path
    url: str
    ca: bytes
    kubeconfig: Path

    def component_kubeconfig(self, name: str) -> Path:
        """Credentials of a component that we start, good for this run only."""
        from apiserver.auth.authentication import TokenEntry

        token = secrets.token_urlsafe(32)
        self.options.tokens.append(TokenEntry(token, f"system:{name}", "", (settings.MASTERS,)))
        path = self.directory / f"{name}.kubeconfig"
        kubeconfig.write(path, self.url, self.ca, token, f"system:{name}")
        return path


def say(text: str) -> None:
    """One line for the person, on standard error: standard output is for what scripts read."""
    print(f"miniplane: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _directory(arguments: Namespace) -> Iterator[Path]:
    """The data directory, locked; for --ephemeral one that goes away with us."""
    if arguments.ephemeral:
        path = Path(tempfile.mkdtemp(prefix="miniplane-"))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
        return
    path = settings.data_directory(Path(arguments.data) if arguments.data else settings.default_data())
    held = settings.lock(path)
    try:
        yield path
    finally:
        os.close(held)


def _listeners(options: Options, workers: int) -> list[list[socket.socket]]:
    """The sockets of each worker."""
    from apiserver.main import listeners

    try:
        return listeners(options, workers)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Refused(f"{error.filename} is in use: say --port N, or --port 0 for any free one") from error
        raise Refused(f"cannot listen on {error.filename}: {error.strerror}") from error


def _install(arguments: Namespace, directory: Path) -> Installation:
    """Check every argument, listen, and write certificates and kubeconfig. Raises Refused."""
    from apiserver.auth.authentication import TokenEntry

    options = settings.options_of(arguments)
    if settings.at_least_one("--workers", arguments.workers) > 1 and options.audit_log == "-":
        raise Refused("--audit-log -: several workers write to a file only")
    kept = "sqlite://" if arguments.ephemeral and arguments.workers == 1 else ""
    options.database_url = settings.database_url(arguments.database_url or kept, directory)
    token = settings.admin_token(options.tokens)
    if not options.tokens:
        token = kubeconfig.ensure_token(directory / "admin.token")
        options.tokens.append(TokenEntry(token, settings.ADMIN, "", (settings.MASTERS,)))
    sockets = _listeners(options, arguments.workers)
    names = kubeconfig.server_names(options.bind, options.advertise_address, options.service_cidrs)
    certificates = kubeconfig.ensure_certificates(directory / "pki", names)
    options.tls_cert_file, options.tls_key_file = str(certificates.certificate), str(certificates.key)
    options.client_ca_file = settings.client_ca(arguments.client_ca_file, certificates.ca)
    options.service_account_key = kubeconfig.ensure_signing_key(directory / "pki" / "sa.key")
    url = kubeconfig.url_of(options.bind, options.port)
    ca = certificates.ca.read_bytes()
    path = Path(arguments.kubeconfig).expanduser().absolute() if arguments.kubeconfig else directory / "kubeconfig"
    try:
        kubeconfig.write(path, url, ca, token or options.tokens[0].token)
    except OSError as error:
        raise Refused(f"the kubeconfig {path} cannot be written: {error.strerror}") from error
    return Installation(options, sockets, directory, url, ca, path)


def up(arguments: Namespace) -> int:
    """API server, controllers and simulated kubelet until a signal comes."""
    return _serve(arguments, _start_children)


def apiserver(arguments: Namespace) -> int:
    """The API server alone until a signal comes."""
    return _serve(arguments, lambda *_: None)


Starter = Callable[[Namespace, Installation, Supervisor], None]


def _start_children(arguments: Namespace, installed: Installation, supervisor: Supervisor) -> None:
    if not 0 <= arguments.nodes <= MOST_NODES:
        raise Refused(f"--nodes {arguments.nodes}: want 0 to {MOST_NODES}")
    if not arguments.no_controllers:
        path = installed.component_kubeconfig("kube-controller-manager")
        signing = settings.signing_authority(installed.directory / "pki")
        supervisor.start("controllers", ["controllers", "--kubeconfig", str(path), *ELECTION, *signing])
    if arguments.nodes:
        path = installed.component_kubeconfig("kubelet")
        words = ["kubelet", "--kubeconfig", str(path), "--nodes", str(arguments.nodes)]
        supervisor.start("kubelet", [*words, *settings.kubelet_families(installed.options.service_cidrs)])


def _serve(arguments: Namespace, start_children: Starter) -> int:
    from apiserver.logs import configure

    began = time.monotonic()
    configure(arguments.logging_format, arguments.v)
    supervisor = Supervisor(say)
    signal.signal(signal.SIGTERM, _interrupt)  # until the loop runs, both signals just end us
    try:
        with _directory(arguments) as directory:
            installed = _install(arguments, directory)
            try:
                start_children(arguments, installed, supervisor)
                _run(arguments, installed, supervisor, lambda: _announce(installed, supervisor, began))
            finally:
                supervisor.stop()
    except KeyboardInterrupt:
        return 130
    return 0


def _run(arguments: Namespace, installed: Installation, supervisor: Supervisor, ready: Callable[[], None]) -> None:
    if arguments.workers == 1:
        serving.run(installed.options, installed.sockets[0], ready, supervisor.stop)
        return
    from miniplane import workers

    logs = (arguments.logging_format, arguments.v)
    orders = workers.orders(installed.options, installed.sockets, installed.directory, logs)
    workers.Workers(arguments.workers, say, installed.options.shutdown_delay).run(orders, ready, supervisor.stop)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _announce(installed: Installation, supervisor: Supervisor, began: float) -> None:
    """Say where we are, and once everything answers the line that scripts wait for."""
    supervisor.wait_ready()
    if any(child.stopping.is_set() for child in supervisor.children):
        return
    options = installed.options
    plain = f"\n  curl http://127.0.0.1:{options.insecure_port}/api/v1/services" if options.insecure_port else ""
    print(
        f"Kubernetes 1.{options.kubernetes_minor} at {installed.url}; in another terminal:\n"
        f"  export KUBECONFIG={installed.kubeconfig}\n"
        f"  kubectl get svc{plain}\n"
        f"miniplane ready {installed.url} ({time.monotonic() - began:.1f} s)",
        flush=True,
    )
