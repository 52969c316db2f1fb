"""`python -m tests.index.killed_build STAGE COUNT FOLDER INDEX [force]`: dies at the COUNT-th report of a stage.

With `database` for a stage it dies at the COUNT-th thing that the database does, be it in the middle of a statement,
and says how many there are when it gets to the end.
"""

import itertools
import os
import signal
import sys
from pathlib import Path

from hub.index import builder, index_file, segments
from tests.index.samples import Watching

STAGE, COUNT = sys.argv[1], int(sys.argv[2])
_STEPS = 300
"""Of SQLite's machine, after which it has done a thing."""


class Killed(Watching):
    def progress(self, current, total=None, unit="", message="", detail=None) -> None:
        super().progress(current, total, unit, message, detail)
        here = [report for report in self.reports if report[0] == STAGE]
        if here and len(here) == COUNT:
            os.kill(os.getpid(), signal.SIGKILL)


things = itertools.count(1)


def count(*_) -> int:
    if next(things) == COUNT:
        os.kill(os.getpid(), signal.SIGKILL)
    return 0


def counted(path, opened=index_file._opened):
    database = opened(path)
    database.set_trace_callback(count)
    database.set_progress_handler(count, _STEPS)
    return database


if __name__ == "__main__":
    builder.BATCH_FILES = 5
    segments._FEW = 1
    if STAGE == "database":
        index_file._opened = counted
    builder.build(Path(sys.argv[4]), Path(sys.argv[3]), Killed(), workers=2, force="force" in sys.argv[5:])
    print(next(things))
