"""`python -m controllers --kubeconfig FILE`."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import sys
from collections.abc import Sequence

from controllers.manager import Options, serve

logger = logging.getLogger("controllers")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(prog="controllers", description="The control loops of miniplane.")
    found.add_argument("--kubeconfig", required=True, help="where the API server is, and who we are")
    found.add_argument("--only", default="", help="names of the controllers to run, separated by commas")
    found.add_argument(
        "--concurrent", action="append", default=[], metavar="NAME=N", help="number of workers of a controller"
    )
    found.add_argument("--no-leader-elect", action="store_true", help="run without a lease")
    found.add_argument("--leader-elect-lease-duration", type=float, default=15.0, metavar="SECONDS")
    found.add_argument("--leader-elect-renew-deadline", type=float, default=10.0, metavar="SECONDS")
    found.add_argument("--leader-elect-retry-period", type=float, default=2.0, metavar="SECONDS")
    found.add_argument("--cluster-signing-cert-file", default="", metavar="PEM", help="the CA that signs requests")
    found.add_argument("--cluster-signing-key-file", default="", metavar="PEM", help="its key; without it none is")
    found.add_argument("-v", "--verbose", action="store_true")
    return found


def _workers(given: Sequence[str]) -> dict[str, int]:
    """`NAME=N` -> workers. Raises ValueError."""
    found = {}
    for item in given:
        name, _, number = item.partition("=")
        found[name] = int(number)
    return found


def options(arguments: argparse.Namespace) -> Options:
    """Raises ValueError."""
    return Options(
        kubeconfig=arguments.kubeconfig,
        only=[name for name in arguments.only.split(",") if name],
        workers=_workers(arguments.concurrent),
        leader_elect=not arguments.no_leader_elect,
        lease_duration=arguments.leader_elect_lease_duration,
        renew_deadline=arguments.leader_elect_renew_deadline,
        retry_period=arguments.leader_elect_retry_period,
        cluster_signing_cert_file=arguments.cluster_signing_cert_file,
        cluster_signing_key_file=arguments.cluster_signing_key_file,
    )


def ready() -> None:
    """What scripts wait for; the objects of start-up stay, so the collector need not look at them again."""
    gc.freeze()
    print("controllers ready", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    logging.basicConfig(level=logging.DEBUG if arguments.verbose else logging.WARNING, stream=sys.stderr)
    try:
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    except ImportError:  # not on Windows; asyncio's own loop does
        pass
    try:
        asyncio.run(serve(options(arguments), ready))
    except (OSError, ValueError) as error:
        print(f"controllers: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
