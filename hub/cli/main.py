"""From arguments to an exit code."""

import os
import sys
from collections.abc import Sequence

from hub.cli import codes
from hub.cli.options import parser
from hub.client import HubRefused, HubUnreachable
from hub.core.errors import HubError
from hub.settings import SettingsError


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        return codes.LEFT
    except BrokenPipeError:
        # Whoever read the output has gone; keep the interpreter from failing once more as it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return codes.FAILED
    except HubUnreachable as exc:
        advice = "Start one with `progress-hub serve`, or name it with --hub or HUB_URL."
        return _told(f"{exc.message} {advice}", codes.UNREACHABLE)
    except (HubRefused, SettingsError) as exc:
        return _told(str(exc), codes.USAGE)
    except (HubError, OSError) as exc:
        return _told(str(exc), codes.FAILED)


def _told(message: str, code: int) -> int:
    sys.stderr.write(f"progress-hub: {message}\n")
    return code
