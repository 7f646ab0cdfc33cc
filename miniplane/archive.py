"""`miniplane backup` and `miniplane restore`: one file with the database and the credentials of a control plane."""

from __future__ import annotations

import contextlib
import os
import sys
import tarfile
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

from miniplane import settings
from miniplane.settings import Refused

DATABASE = "backup.db"
CREDENTIALS = ("admin.token", "pki")
"""What clients trust and are trusted by: with them, kubeconfigs and tokens are good for the restored plane too."""


def backup(arguments: Namespace) -> int:
    """Write the archive beside its final name first: who finds it finds it whole. Raises Refused."""
    directory = _directory(arguments)
    url = settings.database_url(arguments.database_url, directory)
    if not arguments.database_url and not (directory / settings.DATABASE).exists():
        raise Refused(f"{directory} has no database; say --data DIR or --database-url URL")
    file = Path(arguments.file).expanduser().absolute()
    if file.exists():
        raise Refused(f"{file} exists; say another name")
    with _workplace(file.parent) as work:
        count = _guarded(lambda: _dump(url, work / DATABASE), f"the database cannot be copied to {file}")
        partial = work / file.name
        _pack(partial, work / DATABASE, directory)
        os.replace(partial, file)
    print(f"{file}: {count} objects")
    return 0


def restore(arguments: Namespace) -> int:
    """Fill a new data directory (or an empty database) from an archive. Raises Refused."""
    directory = settings.data_directory(_directory(arguments))
    held = settings.lock(directory)
    try:
        with _workplace(directory) as work:
            _unpack(Path(arguments.file).expanduser(), work)
            url = settings.database_url(arguments.database_url, directory)
            count = _guarded(lambda: _fill(work / DATABASE, url), f"{arguments.file} cannot be restored")
            for name in CREDENTIALS:
                if (work / name).exists() and not (directory / name).exists():
                    os.replace(work / name, directory / name)
    finally:
        os.close(held)
    print(f"{count} objects restored; start it with: miniplane up{_again(arguments)}")
    return 0


def _directory(arguments: Namespace) -> Path:
    return Path(arguments.data).expanduser().absolute() if arguments.data else settings.default_data()


def _again(arguments: Namespace) -> str:
    data = f" --data {arguments.data}" if arguments.data else ""
    return data + (" --database-url ..." if arguments.database_url else "")


@contextlib.contextmanager
def _workplace(beside: Path) -> Iterator[Path]:
    """A private directory beside the destination (a rename must not cross file systems), gone afterwards."""
    try:
        held = tempfile.TemporaryDirectory(prefix=".miniplane-", dir=beside)
    except OSError as error:
        raise Refused(f"{beside} cannot be written: {error.strerror}") from error
    with held as path:
        yield Path(path)


def _guarded(run: Callable[[], int], what: str) -> int:
    """`run`, with what a person can mend said in one line."""
    from sqlalchemy.exc import SQLAlchemyError

    from apiserver.storage.backup import NotABackup, NotEmpty

    try:
        return run()
    except (NotABackup, NotEmpty) as error:
        raise Refused(f"{what}: {error}") from error
    except (SQLAlchemyError, OSError) as error:
        raise Refused(f"{what}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """The first line of what the operating system or the database says."""
    said = getattr(error, "strerror", None) or getattr(error, "orig", None) or error
    return str(said).strip().split("\n")[0]


def _dump(url: str, file: Path) -> int:
    from apiserver.storage.backup import backup as run

    return run(url, file, _progress)


def _fill(file: Path, url: str) -> int:
    from apiserver.storage.backup import restore as run

    return run(file, url, _progress)


def _progress(done: int) -> None:
    """Only people watch: scripts get the last line."""
    if sys.stderr.isatty():
        print(f"\r{done} objects", end="\r", file=sys.stderr, flush=True)


def _pack(archive: Path, database: Path, directory: Path) -> None:
    """Secrets are inside: nobody else may read the archive."""
    handle = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream, tarfile.open(fileobj=stream, mode="w:gz", compresslevel=1) as tar:
        tar.add(database, DATABASE)
        for name in CREDENTIALS:
            if (directory / name).exists():
                tar.add(directory / name, name)
        tar.close()
        stream.flush()
        os.fsync(stream.fileno())


def _unpack(archive: Path, work: Path) -> None:
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(work, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise Refused(f"{archive} cannot be read: {_reason(error)}") from error
    if not (work / DATABASE).exists():
        raise Refused(f"{archive} is no backup of miniplane")
