"""The process that searches: `python -m hub.index.search_process`. A JSON object a line in, one a line out.

A question has `op` (search or state), `places`, `deadline_s` and the parameters of the API. Whatever a regex does, it
does it here: an alarm ends it at the deadline, and whoever started this kills it when that does not help.
"""

import json
import os
import signal
import sys
import time
import warnings
from types import FrameType
from typing import Any

from hub.core.errors import HubError
from hub.index import requests
from hub.index.answers import TimeUp
from hub.index.search import search
from hub.index.shelf import Shelf
from hub.index.state import state

MOST_BYTES = 1024**3
"""Of memory."""


def main() -> None:
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    _limit_memory()
    signal.signal(signal.SIGALRM, _ring)
    warnings.simplefilter("ignore")  # about strangers' regexes
    shelf = Shelf()
    for line in incoming:
        answer = json.dumps(_answer(shelf, json.loads(line)), separators=(",", ":"))
        view = memoryview(answer.encode() + b"\n")
        while view:
            view = view[outgoing.write(view) :]


def _answer(shelf: Shelf, asked: dict[str, Any]) -> dict[str, Any]:
    started = time.monotonic()
    seconds = float(asked["deadline_s"])
    # The regex engine looks for signals, too. Rings again, should the first fall where it is swallowed.
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.05)
    try:
        places = requests.places(asked["places"])
        if asked["op"] == "state":
            answer = state(places[0], asked)
        else:
            answer = search(shelf, places, requests.parse(asked), started + seconds).to_wire()
    except HubError as exc:
        answer = {**exc.to_wire(), "kind": type(exc).__name__}
    except TimeUp:
        answer = {"error": {"code": "search_timeout", "message": "The search took too long."}, "kind": "TimeUp"}
    except MemoryError:
        shelf.clear()
        answer = {"error": {"code": "search_memory", "message": "The search took too much memory."}, "kind": "Memory"}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return answer | {"took_ms": round((time.monotonic() - started) * 1000, 1)}


def _ring(number: int, frame: FrameType | None) -> None:
    raise TimeUp


def _limit_memory() -> None:
    if sys.platform == "linux":
        import resource  # noqa: PLC0415 - not there on every platform

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        most = MOST_BYTES if hard == resource.RLIM_INFINITY else min(hard, MOST_BYTES)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


if __name__ == "__main__":
    main()
