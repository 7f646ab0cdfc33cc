"""Command-line arguments -> the API server's Options and where things are kept; what a person can mend is Refused."""

from __future__ import annotations

import ipaddress
import os
import re
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apiserver.auth.authentication import TokenEntry
    from apiserver.options import Options
    from apiserver.storage.log import WatchHistory

MINORS = range(25, 38)
"""The Kubernetes minors whose schemas kubernetes-validate brings."""
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
SMALLEST_RANGE, SHORTEST_IPV6_PREFIX = 4, 64
DATABASE = "miniplane.db"
ADMIN = "kubernetes-admin"
MASTERS = "system:masters"


class Refused(Exception):
    """We cannot start, and one line says why; the exit code is 2."""


def default_data() -> Path:
    """Where state is kept unless told otherwise (XDG base directories)."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "miniplane"


def data_directory(path: Path) -> Path:
    """The directory, made where it is missing. Raises Refused where it cannot be written."""
    path = path.expanduser().absolute()
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = path / f".probe.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise Refused(f"the data directory {path} cannot be written: {error.strerror}") from error
    return path


def database_url(given: str | None, directory: Path) -> str:
    """The database that was asked for, or that of the data directory."""
    return given or f"sqlite:///{directory / DATABASE}"


def lock(directory: Path) -> int:
    """Hold the directory for this process; the descriptor is closed to let go. Raises Refused where another has it."""
    import fcntl

    handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(handle, 32).decode().strip()
        os.close(handle)
        raise Refused(f"the data directory {directory} is in use by another miniplane (process {holder})") from error
    os.ftruncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n".encode())
    return handle


def service_cidrs(text: str) -> tuple[str, ...]:
    """Checks --service-cluster-ip-range: one network, or one of each family. Raises Refused."""
    option = f"--service-cluster-ip-range {text}"
    try:
        networks = [ipaddress.ip_network(part.strip()) for part in text.split(",")]
    except ValueError as error:
        raise Refused(f"{option}: {error}") from error
    if len(networks) > 2 or len({network.version for network in networks}) < len(networks):
        raise Refused(f"{option}: want one range, or one of IPv4 and one of IPv6")
    for network in networks:
        if network.num_addresses < SMALLEST_RANGE:
            raise Refused(f"{option}: it must hold at least {SMALLEST_RANGE} addresses")
        if network.version == 6 and network.prefixlen < SHORTEST_IPV6_PREFIX:
            raise Refused(f"{option}: the shortest prefix of an IPv6 range is /{SHORTEST_IPV6_PREFIX}")
    return tuple(map(str, networks))


def kubelet_families(cidrs: tuple[str, ...]) -> list[str]:
    """What tells simulated nodes to have the IP families of the Services."""
    return ["--ip-families", ",".join("IPv6" if ":" in cidr else "IPv4" for cidr in cidrs)]


def node_port_range(text: str) -> tuple[int, int]:
    """Checks --service-node-port-range ("30000-32767"). Raises Refused."""
    first, separator, last = text.partition("-")
    if not (separator and first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last) <= 65535):
        raise Refused(f"--service-node-port-range {text}: want FIRST-LAST between 1 and 65535, such as 30000-32767")
    return int(first), int(last)


def kubernetes_minor(text: str) -> int:
    """ "1.36" -> 36. Raises Refused."""
    matched = re.fullmatch(r"v?1\.(\d+)(\.\d+)?", text)
    if matched is None or int(matched[1]) not in MINORS:
        raise Refused(f"--kubernetes-version {text}: want one of 1.{MINORS[0]} to 1.{MINORS[-1]}")
    return int(matched[1])


def watch_history(text: str) -> WatchHistory:
    """ "1h,20000,16M": how long, how many events and how many bytes of history watches can resume from (any of them; a
    plain number counts events). Raises Refused."""
    from dataclasses import replace

    from apiserver.storage.log import WatchHistory

    found = WatchHistory()
    for part in filter(None, text.split(",")):
        matched = re.fullmatch(r"(\d+)([smhdKMG]?)", part.strip())
        if matched is None:
            raise Refused(f"--watch-history {text}: want durations, event counts or sizes, such as 1h,20000,16M")
        number, unit = int(matched[1]), matched[2]
        if unit == "":
            found = replace(found, events=number)
        elif unit in SIZES:
            found = replace(found, bytes=number * SIZES[unit])
        else:
            found = replace(found, seconds=number * UNITS[unit])
    return found


def at_least_one(flag: str, value: int) -> int:
    """Raises Refused."""
    if value < 1:
        raise Refused(f"{flag} {value}: want 1 or more")
    return value


def duration(flag: str, text: str) -> float:
    """ "1m0s", "500ms", "2s" or plain seconds, as Go writes durations: seconds. Raises Refused."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|[smh]|$)", text)
    if not text or "".join(number + unit for number, unit in parts) != text:
        raise Refused(f"{flag} {text}: want a duration, such as 60s or 1m30s")
    return sum(float(number) * (0.001 if unit == "ms" else UNITS[unit]) for number, unit in parts)


def is_loopback(bind: str) -> bool:
    """Raises Refused for what is no address."""
    if bind == "localhost":
        return True
    try:
        return ipaddress.ip_address(bind).is_loopback
    except ValueError as error:
        raise Refused(f"--bind {bind}: want an IP address") from error


def given_tokens(arguments: Namespace) -> list[TokenEntry]:
    """The credentials of --token and --token-auth-file. Raises Refused for a bad file, and where a server that others
    can reach has none."""
    from apiserver.auth.authentication import TokenEntry, read_token_file

    found: list[TokenEntry] = []
    if arguments.token is not None:
        if not arguments.token or any(character.isspace() for character in arguments.token):
            raise Refused("--token: want a token without spaces")
        found.append(TokenEntry(arguments.token, ADMIN, "", (MASTERS,)))
    if arguments.token_auth_file:
        try:
            found += read_token_file(arguments.token_auth_file)
        except OSError as error:
            raise Refused(f"--token-auth-file {arguments.token_auth_file}: {error.strerror}") from error
        except ValueError as error:
            raise Refused(f"--token-auth-file: {error}") from error
    if not found and not is_loopback(arguments.bind):
        raise Refused(f"--bind {arguments.bind} is open to others: say --token or --token-auth-file")
    return found


def signing_authority(pki: Path) -> list[str]:
    """What tells the controllers to sign certificates with the CA of a `pki` directory."""
    return ["--cluster-signing-cert-file", str(pki / "ca.crt"), "--cluster-signing-key-file", str(pki / "ca.key")]


def client_ca(given: str | None, own: Path) -> str:
    """The file of authorities that vouch for client certificates. Raises Refused where it holds none."""
    import ssl

    if not given:
        return str(own)
    try:
        ssl.create_default_context(cafile=given)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror if not isinstance(error, ssl.SSLError) else "want certificates in PEM form"
        raise Refused(f"--client-ca-file {given}: {reason}") from error
    return given


def admin_token(tokens: list[TokenEntry]) -> str:
    """The first token that may do everything; "" where there is none."""
    return next((entry.token for entry in tokens if MASTERS in entry.groups), "")


def _names(values: list[str] | None) -> tuple[str, ...]:
    return tuple(name for value in values or () for name in value.split(",") if name)


def options_of(arguments: Namespace) -> Options:
    """The Options that the arguments ask for; storage, certificates and tokens come later. Raises Refused."""
    from apiserver.options import Options

    if not 0 <= arguments.port <= 65535:
        raise Refused(f"--port {arguments.port}: want 0 (any free one) to 65535")
    bind = "127.0.0.1" if arguments.bind == "localhost" else arguments.bind
    is_loopback(bind)
    return Options(
        bind=bind,
        port=arguments.port,
        advertise_address=arguments.advertise_address,
        insecure_port=arguments.insecure_port,
        anonymous_auth=not arguments.no_anonymous_auth,
        service_cidrs=service_cidrs(arguments.service_cidr),
        node_port_range=node_port_range(arguments.service_node_port_range),
        kubernetes_minor=kubernetes_minor(arguments.kubernetes_version),
        admission=_names(arguments.admission),
        no_admission=_names(arguments.no_admission),
        max_requests_inflight=at_least_one("--max-requests-inflight", arguments.max_requests_inflight),
        max_mutating_requests_inflight=at_least_one(
            "--max-mutating-requests-inflight", arguments.max_mutating_requests_inflight
        ),
        request_timeout=duration("--request-timeout", arguments.request_timeout),
        shutdown_delay=duration("--shutdown-delay-duration", arguments.shutdown_delay_duration),
        audit_log=arguments.audit_log,
        watch_history=watch_history(arguments.watch_history),
        tokens=given_tokens(arguments),
    )
