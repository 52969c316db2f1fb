"""The command line: `progress-hub`."""

from hub.cli.main import main

__all__ = ["main"]
