"""The process that searches: `python -m hub.index.search_process`. A JSON object a line in, one a line out.

A question has `op` (search or state), `places`, `deadline_s` and the parameters of the API. Whatever a regex does, it
does it here: an alarm ends it at the deadline, and whoever started this kills it when that does not help.
"""

import json
import os
import signal
import sqlite3
import time
import warnings
from types import FrameType
from typing import Any

from hub.core.errors import HubError
from hub.index import processes, requests
from hub.index.answers import TimeUp
from hub.index.errors import IndexBroken
from hub.index.search import search
from hub.index.shelf import Shelf
from hub.index.state import state

_AGAIN_S = 0.4
_TOO_LATE = {"error": {"code": "search_timeout", "message": "The search took too long."}, "kind": "TimeUp"}


def main() -> None:
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    processes.set_bounds()
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
    try:
        answer = _answer_within(shelf, asked, seconds, started)
    except TimeUp:  # it rang again, after the answer
        answer = _TOO_LATE
    return answer | {"took_ms": round((time.monotonic() - started) * 1000, 1)}


def _answer_within(shelf: Shelf, asked: dict[str, Any], seconds: float, started: float) -> dict[str, Any]:
    # The regex engine looks for signals, too. Rings again, should the first fall where it is swallowed; and not soon,
    # for what was found by then has to be put together.
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_S)
    try:
        places = requests.places(asked["places"])
        if asked["op"] == "state":
            return state(places[0], asked)
        return search(shelf, places, requests.parse(asked), started + seconds).to_wire()
    except HubError as exc:
        return {**exc.to_wire(), "kind": type(exc).__name__}
    except sqlite3.Error:
        return {**IndexBroken().to_wire(), "kind": IndexBroken.__name__}
    except TimeUp:
        return _TOO_LATE
    except MemoryError:
        shelf.clear()
        return {"error": {"code": "search_memory", "message": "The search took too much memory."}, "kind": "Memory"}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _ring(number: int, frame: FrameType | None) -> None:
    raise TimeUp


if __name__ == "__main__":
    main()
