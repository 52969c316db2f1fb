"""From arguments to an exit code."""

import sys
from collections.abc import Sequence

from hub.cli import codes, output
from hub.cli.options import parser
from hub.client import HubRefused, HubUnreachable, WrongToken, WrongUrl
from hub.core.errors import HubError
from hub.settings import SettingsError

_GIVE = "Put a token into HUB_TOKEN, or into a file and name that with --token-file."
CLOSED = {
    "unauthorised": _GIVE,
    "closed_4500": _GIVE,
    "forbidden": "Another token may do it: HUB_TOKEN, or --token-file.",
    "closed_4501": "Another token may do it: HUB_TOKEN, or --token-file.",
}
"""By the refusal's code, what to do about it."""


def run(argv: Sequence[str] | None) -> int:
    output.ensure()
    try:
        try:
            return _told(argv)
        finally:
            sys.stdout.flush()  # here, where a failure can still be told from success
    except OSError as exc:
        output.silence()
        return codes.UNREAD if isinstance(exc, BrokenPipeError) else _tell(f"standard output: {exc}", codes.FAILED)


def _told(argv: Sequence[str] | None) -> int:
    try:
        options = parser().parse_args(argv)
        return int(options.run(options))
    except BrokenPipeError:
        raise
    except HubUnreachable as exc:
        advice = "Start one with `progress-hub serve`, or name it with --hub or HUB_URL."
        return _tell(f"{exc.message} {advice}", codes.UNREACHABLE)
    except HubRefused as exc:
        if exc.narrow_code in CLOSED:
            return _tell(f"{exc.message} {CLOSED[exc.narrow_code]}", codes.CLOSED)
        return _tell(str(exc), codes.USAGE)
    except (SettingsError, WrongToken, WrongUrl) as exc:
        return _tell(str(exc), codes.USAGE)
    except HubError as exc:
        return _tell(str(exc), codes.FAILED)
    except OSError as exc:
        return _tell(f"{exc.filename}: {exc.strerror}" if exc.filename and exc.strerror else str(exc), codes.FAILED)


def _tell(message: str, code: int) -> int:
    sys.stderr.write(f"progress-hub: {message}\n")
    return code
