"""The command line: `progress-hub`."""

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its exit code. `argv` None: what this process was called with."""
    try:
        # Here and not above: it takes long enough for a Ctrl-C to fall into it.
        from hub.cli.command import run  # noqa: PLC0415

        return run(argv)
    except KeyboardInterrupt:
        from hub.cli.codes import LEFT  # noqa: PLC0415

        return LEFT
