"""Starts the controllers: shared caches, leader election, one task per loop; ends them quickly."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from controllers import identity
from controllers.controller import Controller, Loop
from miniplane.client.api import Client
from miniplane.client.events import EventRecorder
from miniplane.client.informer import Informers
from miniplane.client.leaderelection import Election, LeaderElector

USER_AGENT = "kube-controller-manager/v1.36.2 (linux/amd64) kubernetes/miniplane"
"""The part before the slash is the field manager of our writes; users see the one they know."""


@dataclass(slots=True)
class Options:
    """`only` empty means all; `workers` overrides a controller's number of workers by its name."""

    kubeconfig: str
    only: Sequence[str] = ()
    workers: Mapping[str, int] = field(default_factory=dict)
    leader_elect: bool = True
    lease_duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0
    cluster_signing_cert_file: str = ""
    cluster_signing_key_file: str = ""


def chosen(options: Options) -> list[Controller]:
    """The controllers that the options ask for; the one that signs needs an authority. Raises ValueError for an unknown
    name."""
    from controllers import certificatesigning
    from controllers.catalog import CONTROLLERS

    known = list(CONTROLLERS)
    if options.cluster_signing_key_file:
        files = options.cluster_signing_cert_file, options.cluster_signing_key_file
        known.append(certificatesigning.controller(*files))
    names = [controller.name for controller in known]
    for name in options.only:
        if name not in names:
            raise ValueError(f"unknown controller {name!r}; there are {', '.join(names)}")
    return [controller for controller in known if not options.only or controller.name in options.only]


class Manager:
    """The controllers over one client."""

    def __init__(
        self, client: Client, controllers: Sequence[Controller], workers: Mapping[str, int] | None = None
    ) -> None:
        self.client, self.controllers, self.workers = client, controllers, workers or {}
        self.loops: list[Loop] = []

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Until cancelled; `ready` is called when all caches are filled."""
        informers, recorder = Informers(self.client), EventRecorder(self.client)
        self.loops = [Loop(controller, self.client, informers, recorder) for controller in self.controllers]
        recording = asyncio.create_task(recorder.run())
        informers.start()
        try:
            await informers.wait_synced()
            ready()
            await asyncio.gather(*(loop.run(self.workers.get(loop.controller.name)) for loop in self.loops))
        finally:
            recording.cancel()
            for loop in self.loops:
                loop.queue.close()
            await informers.stop()


async def serve(options: Options, ready: Callable[[], None]) -> None:
    """Run until SIGTERM or SIGINT. Raises OSError and ValueError for a bad kubeconfig or controller name."""
    controllers = chosen(options)
    client = Client.from_kubeconfig(options.kubeconfig, user_agent=USER_AGENT)
    manager = Manager(client, controllers, options.workers)
    running = asyncio.create_task(_lead(options, client, manager, ready))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running
    client.close()


async def _lead(options: Options, client: Client, manager: Manager, ready: Callable[[], None]) -> None:
    if not options.leader_elect:
        return await manager.run(ready)
    election = Election(
        name="kube-controller-manager",
        identity=identity.own(),
        lease_duration=options.lease_duration,
        renew_deadline=options.renew_deadline,
        retry_period=options.retry_period,
        is_dead=identity.is_dead,
    )
    while True:  # a lost lease is waited for again, with fresh caches
        await LeaderElector(client, election).run(lambda: manager.run(ready))
