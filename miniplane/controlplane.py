"""A control plane inside a Python program, for tests: up in half a second, emptied in milliseconds, many at once.

    with ControlPlane() as plane:
        subprocess.run(["kubectl", "--kubeconfig", plane.kubeconfig, "get", "svc"])
        plane.reset()

The API server runs on a thread of its own with its own event loop and keeps everything in memory. Controllers and
simulated nodes, where asked for, are child processes.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from miniplane import kubeconfig
from miniplane.supervisor import Supervisor

if TYPE_CHECKING:
    from apiserver.options import Options
    from apiserver.server import App

START_TIMEOUT = 60.0
T = TypeVar("T")


class ControlPlane:
    """One control plane. `url`, `token`, `ca` and `kubeconfig` (files' paths) are there once it has started.

    nodes: simulated nodes. controllers: endpoints and the other controllers.
    `start` raises ValueError for what the API server's Options refuse.
    """

    def __init__(
        self,
        *,
        nodes: int = 0,
        controllers: bool = False,
        port: int = 0,
        kubernetes_version: str = "1.36",
        token: str = "admin",
        service_cidr: str = "10.96.0.0/12",
        admission: Sequence[str] = (),
        no_admission: Sequence[str] = (),
    ) -> None:
        self.nodes, self.controllers, self.port = nodes, controllers, port
        self.kubernetes_version, self.token, self.service_cidr = kubernetes_version, token, service_cidr
        self.admission, self.no_admission = tuple(admission), tuple(no_admission)
        self.url = self.ca = self.kubeconfig = ""
        self._directory = ""
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._app: App | None = None
        self._failure: BaseException | None = None
        self._supervisor = Supervisor(lambda text: None)

    def start(self) -> Self:
        """Start, and return when everything answers."""
        if self._thread is not None:
            raise RuntimeError("this control plane has been started")
        self._directory = tempfile.mkdtemp(prefix="miniplane-")
        up = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(up,), name="miniplane", daemon=True)
        self._thread.start()
        up.wait(START_TIMEOUT)
        if self._app is None:
            failure = self._failure or TimeoutError("the API server does not answer")
            self.stop()
            raise failure
        self._supervisor.wait_ready()
        self._app.store.mark_baseline()
        return self

    def stop(self) -> None:
        """Stop everything and forget it. Stopping twice is allowed."""
        self._supervisor.stop()
        if self._loop is not None and self._stopping is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)
        if self._thread is not None:
            self._thread.join()
        shutil.rmtree(self._directory, ignore_errors=True)

    def reset(self) -> None:
        """Back to what was there when `start` returned; watchers see it happen."""
        app = self._running()
        self.call(app.store.reset())

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the server's event loop and wait for its result."""
        self._running()
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _running(self) -> App:
        if self._app is None or self._thread is None or not self._thread.is_alive():
            raise RuntimeError("this control plane does not run")
        return self._app

    def _run(self, up: threading.Event) -> None:
        import uvloop

        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                self._loop = runner.get_loop()
                runner.run(self._serve(up))
        except BaseException as error:
            self._failure = error
        finally:
            up.set()

    async def _serve(self, up: threading.Event) -> None:
        from apiserver.auth.authentication import TokenEntry
        from apiserver.main import listeners, serve
        from apiserver.options import Options
        from miniplane.settings import service_cidrs

        self._stopping = asyncio.Event()
        directory = Path(self._directory)
        options = Options(
            port=self.port,
            tokens=[TokenEntry(self.token, "kubernetes-admin", "", ("system:masters",))],
            service_cidrs=service_cidrs(self.service_cidr),
            kubernetes_minor=int(self.kubernetes_version.removeprefix("1.")),
            admission=self.admission,
            no_admission=self.no_admission,
        )
        names = kubeconfig.server_names(options.bind, "", options.service_cidrs)
        files = kubeconfig.ensure_certificates(directory / "pki", names)
        options.tls_cert_file, options.tls_key_file = str(files.certificate), str(files.key)
        options.client_ca_file = str(files.ca)
        sockets = listeners(options)[0]
        self.port, self.url, self.ca = options.port, kubeconfig.url_of(options.bind, options.port), str(files.ca)
        self.kubeconfig = str(directory / "kubeconfig")
        kubeconfig.write(Path(self.kubeconfig), self.url, files.ca.read_bytes(), self.token)
        self._start_children(options)

        def ready(app: App) -> None:
            self._app = app
            up.set()

        await serve(options, ready=ready, stopping=self._stopping, sockets=sockets)

    def _start_children(self, options: Options) -> None:
        from miniplane.settings import kubelet_families, signing_authority

        if self.controllers:
            signing = signing_authority(Path(self._directory) / "pki")
            self._supervisor.start("controllers", ["controllers", "--kubeconfig", self.kubeconfig, *signing])
        if self.nodes:
            words = ["kubelet", "--kubeconfig", self.kubeconfig, "--nodes", str(self.nodes)]
            self._supervisor.start("kubelet", [*words, *kubelet_families(options.service_cidrs)])

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)
