"""`python -m miniplane.child COMMAND ...`: a miniplane command that ends with the process which started it."""

from __future__ import annotations

import sys

from miniplane.parent import follow_parent


def main() -> None:
    """Follow the parent, then run the command."""
    if sys.argv[1:] == ["worker"]:
        from miniplane.workers import main as worker

        sys.exit(worker())
    follow_parent()
    from miniplane.cli import main as command

    sys.exit(command(sys.argv[1:]))


if __name__ == "__main__":
    main()
