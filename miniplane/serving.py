"""One API server on an event loop of its own, until a signal comes."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from miniplane.settings import Refused

if TYPE_CHECKING:
    from apiserver.options import Options
    from apiserver.server import App


def run(
    options: Options, sockets: Sequence[socket.socket], ready: Callable[[], None], ending: Callable[[], None]
) -> None:
    """Serve. `ready` and `ending` are called in threads: once requests are answered, and before the server stops.

    Raises Refused for what a person can mend.
    """
    import asyncio

    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_stopped(options, sockets, ready, ending))


async def _until_stopped(
    options: Options, sockets: Sequence[socket.socket], ready: Callable[[], None], ending: Callable[[], None]
) -> None:
    import asyncio

    from apiserver.main import serve, stop_on_signals
    from miniplane import memory

    asked, stopping = asyncio.Event(), asyncio.Event()
    stop_on_signals(asked)
    background: list[asyncio.Task[None]] = []

    def answering(app: App) -> None:
        memory.settle()
        background.append(asyncio.create_task(asyncio.to_thread(ready)))
        background.append(asyncio.create_task(memory.give_back()))

    server = asyncio.create_task(serve(options, ready=answering, stopping=stopping, sockets=sockets))
    await asyncio.wait([server, asyncio.create_task(asked.wait())], return_when=asyncio.FIRST_COMPLETED)
    await asyncio.to_thread(ending)
    stopping.set()
    try:
        await server
    except Exception as error:
        refusal = _refusal(error, options)
        if refusal is None:
            raise
        raise refusal from error


def _refusal(error: Exception, options: Options) -> Refused | None:
    """What a person can do about a server that does not start."""
    from sqlalchemy.exc import SQLAlchemyError

    from apiserver.storage.migrate import NewerDatabase
    from apiserver.storage.types import Unavailable

    if isinstance(error, NewerDatabase):
        return Refused(str(error))
    if isinstance(error, SQLAlchemyError | Unavailable | ImportError):
        reason = str(getattr(error, "orig", None) or error).strip().split("\n")[0]
        return Refused(f"the database {_without_password(options.database_url)} cannot be used: {reason}")
    if isinstance(error, OSError) and error.filename:
        return Refused(f"{error.filename} cannot be opened: {error.strerror}")
    return Refused(str(error)) if isinstance(error, ValueError) else None


def _without_password(url: str) -> str:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "given"
