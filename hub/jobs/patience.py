"""How long a run has waited for somebody, by a clock that a pause does not set ahead."""

import threading
import time
from collections.abc import Callable

LONGEST_STEP_S = 1.0


class Patience:
    """Seconds of waiting since something was last heard.

    To be asked often, several times a second: what lies between two questions counts as LONGEST_STEP_S at most. More
    than that, and this process was stopped meanwhile, by a pause of the job, and could not have heard anything. (The
    system's own clocks go on, and at the end of a pause every limit would be over.) May be used from several threads.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._asked_at = clock()
        self._waited_s = 0.0

    def heard(self) -> None:
        with self._lock:
            self._asked_at = self._clock()
            self._waited_s = 0.0

    def waited_s(self) -> float:
        with self._lock:
            now = self._clock()
            self._waited_s += min(now - self._asked_at, LONGEST_STEP_S)
            self._asked_at = now
            return self._waited_s
