"""The `miniplane` command: one function per command, no logic. Heavy imports happen in the command that needs them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from miniplane import __version__

DESCRIPTION = """\
A Kubernetes control plane in one process family: API server, controllers, simulated nodes. No Go, no Docker, no etcd.

  miniplane up                         start everything; prints the KUBECONFIG to export
  miniplane up --ephemeral --port 0    a throw-away one, for tests
  miniplane up --nodes 0               no simulated kubelet: pods stay as clients leave them
"""
EPILOG = """\
State is kept in --data (default: $XDG_DATA_HOME/miniplane, that is ~/.local/share/miniplane): database, certificates,
admin token and kubeconfig. Remove the directory to begin anew. `miniplane COMMAND --help` explains a command.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. 2 means that the arguments or the surroundings do not allow it."""
    arguments, rest = _parser().parse_known_args(argv)
    if rest and arguments.run not in (controllers, kubelet):
        _parser().error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.rest = rest
    from miniplane.settings import Refused

    try:
        code: int = arguments.run(arguments)
        return code
    except Refused as refused:
        if str(refused):  # otherwise a process of ours has said it
            print(f"miniplane: {refused}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def up(arguments: argparse.Namespace) -> int:
    """API server, controllers and simulated nodes."""
    from miniplane.up import up as run

    return run(arguments)


def apiserver(arguments: argparse.Namespace) -> int:
    """The API server alone."""
    from miniplane.up import apiserver as run

    return run(arguments)


def controllers(arguments: argparse.Namespace) -> int:
    """The controllers alone, against any API server."""
    from controllers.__main__ import main as run

    return run(arguments.rest) or 0


def kubelet(arguments: argparse.Namespace) -> int:
    """Simulated nodes and pod lifecycle alone, against any API server."""
    from miniplane.agents.kubelet.main import main as run

    return run(arguments.rest)


def kubeconfig(arguments: argparse.Namespace) -> int:
    """Print the kubeconfig of a data directory, or one for another user."""
    from pathlib import Path

    from miniplane.kubeconfig import for_user
    from miniplane.settings import Refused, default_data

    directory = Path(arguments.data) if arguments.data else default_data()
    try:
        admins = (directory / "kubeconfig").read_text()
        print(for_user(directory, arguments.user, arguments.group) if arguments.user else admins, end="")
    except OSError as error:
        raise Refused(f"{error.filename}: {error.strerror}; `miniplane up` writes it") from error
    except ValueError as error:
        raise Refused(f"--user {arguments.user}: {error}") from error
    return 0


def credentials(arguments: argparse.Namespace) -> int:
    """Make the CA, the keys and the token that replicas share, before the first of them starts."""
    from pathlib import Path

    from miniplane.kubeconfig import ensure_shared
    from miniplane.settings import data_directory, default_data

    directory = data_directory(Path(arguments.data) if arguments.data else default_data())
    ensure_shared(directory)
    print(f"{directory}: pki/ca.crt, pki/ca.key, pki/sa.key, admin.token")
    return 0


def backup(arguments: argparse.Namespace) -> int:
    """Copy a control plane, running or not, into one file: objects, certificates, admin token."""
    from miniplane.archive import backup as run

    return run(arguments)


def restore(arguments: argparse.Namespace) -> int:
    """Fill a new data directory, or an empty database, from a backup."""
    from miniplane.archive import restore as run

    return run(arguments)


def version(_: argparse.Namespace) -> int:
    """Print our version."""
    print(f"miniplane {__version__}")
    return 0


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("miniplane", description=DESCRIPTION, epilog=EPILOG, formatter_class=raw)
    parser.add_argument("--version", action="version", version=f"miniplane {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(run: Callable[[argparse.Namespace], int], **settings: bool) -> argparse.ArgumentParser:
        found = commands.add_parser(run.__name__, help=run.__doc__, description=run.__doc__, **settings)  # type: ignore[arg-type]
        found.set_defaults(run=run)
        return found

    _plane_arguments(_server_arguments(add(up)))
    _server_arguments(add(apiserver))
    add(controllers, add_help=False)
    add(kubelet, add_help=False)
    _kubeconfig_arguments(add(kubeconfig))
    add(credentials).add_argument("--data", metavar="DIR", help="data directory (default: ~/.local/share/miniplane)")
    _archive_arguments(add(backup))
    _archive_arguments(add(restore))
    add(version)
    return parser


def _kubeconfig_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="DIR", help="data directory (default: ~/.local/share/miniplane)")
    parser.add_argument("--user", metavar="NAME", help="with a new client certificate for this user")
    parser.add_argument("--group", metavar="NAME", action="append", default=[], help="the user's group; repeatable")


def _archive_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the backup, a compressed tar archive; it holds secrets")
    parser.add_argument("--data", metavar="DIR", help="data directory (default: ~/.local/share/miniplane)")
    parser.add_argument("--database-url", metavar="URL", help="the database, where it is not in the data directory")


def _server_arguments(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    _storage_arguments(parser)
    _access_arguments(parser)
    _limit_arguments(parser)
    _log_arguments(parser)
    group = parser.add_argument_group("what it serves")
    group.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="API server processes on the same port and data, one for each core to use (default: 1)",
    )
    group.add_argument("--kubernetes-version", default="1.36", metavar="1.N", help="1.25 to 1.37 (default: 1.36)")
    group.add_argument(
        "--service-cluster-ip-range",
        "--service-cidr",
        dest="service_cidr",
        default="10.96.0.0/12",
        metavar="CIDR[,CIDR]",
        help="addresses of Services; one range, or one of each IP family for dual stack (default: 10.96.0.0/12)",
    )
    group.add_argument("--service-node-port-range", default="30000-32767", metavar="A-B", help="default: 30000-32767")
    group.add_argument("--admission", action="append", metavar="PLUGIN", help="turn admission plugins on (a,b)")
    group.add_argument("--no-admission", action="append", metavar="PLUGIN", help="turn admission plugins off (a,b)")
    return parser


def _storage_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where state is kept")
    where = group.add_mutually_exclusive_group()
    where.add_argument("--data", metavar="DIR", help="data directory (default: ~/.local/share/miniplane)")
    where.add_argument("--ephemeral", action="store_true", help="keep everything in memory; nothing is left behind")
    group.add_argument(
        "--database-url", metavar="URL", help="another database: postgresql+psycopg://user:password@host/name"
    )
    group.add_argument(
        "--watch-history",
        default="1h,20000,16M",
        metavar="LIMITS",
        help="how far back watches can resume: age, events, size; whichever is met first (default: 1h,20000,16M)",
    )


def _access_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("who may reach it")
    group.add_argument("--bind", default="127.0.0.1", metavar="IP", help="address to listen on (default: 127.0.0.1)")
    group.add_argument("--port", type=int, default=6443, metavar="N", help="default: 6443; 0 takes a free one")
    group.add_argument("--insecure-port", type=int, metavar="N", help="plain HTTP beside it, on 127.0.0.1 only")
    group.add_argument("--advertise-address", default="", metavar="IP", help="published as Service kubernetes")
    group.add_argument("--kubeconfig", metavar="FILE", help="where to write it (default: in the data directory)")
    group.add_argument("--token", metavar="T", help="the admin's token (default: a random one, loopback only)")
    group.add_argument("--token-auth-file", metavar="CSV", help='lines of token,user,uid,"group1,group2"')
    group.add_argument(
        "--client-ca-file", metavar="PEM", help="authorities of client certificates (default: our own CA)"
    )
    group.add_argument("--no-anonymous-auth", action="store_true", help="answer 401 to requests without credentials")


def _limit_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what clients may use up")
    group.add_argument(
        "--max-requests-inflight", type=int, default=400, metavar="N", help="reads at a time (default: 400)"
    )
    group.add_argument(
        "--max-mutating-requests-inflight", type=int, default=200, metavar="N", help="writes at a time (default: 200)"
    )
    group.add_argument("--request-timeout", default="60s", metavar="D", help="for a request's body (default: 60s)")
    group.add_argument(
        "--shutdown-delay-duration",
        default="0s",
        metavar="D",
        help="between SIGTERM, when /readyz fails, and the end (default: 0s)",
    )


def _log_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what it tells")
    group.add_argument(
        "--audit-log",
        "--audit-log-path",
        default="",
        metavar="FILE",
        help="a line for every request (audit.k8s.io/v1, level Metadata); - for standard output",
    )
    group.add_argument("--logging-format", default="text", choices=("text", "json"), help="default: text")
    group.add_argument("-v", "--v", type=int, default=0, metavar="N", help="3: a line for every request (default: 0)")


def _plane_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what runs beside it")
    group.add_argument("--nodes", type=int, default=2, metavar="N", help="simulated nodes, at most 254 (default: 2)")
    group.add_argument("--no-controllers", action="store_true", help="no endpoints and other controllers")


if __name__ == "__main__":
    sys.exit(main())
