"""`python -m tests.index.killed_build STAGE COUNT FOLDER INDEX`: dies at the COUNT-th report of a stage."""

import os
import signal
import sys
from pathlib import Path

from hub.index import builder, segments
from tests.index.samples import Watching


class Killed(Watching):
    def progress(self, current, total=None, unit="", message="", detail=None) -> None:
        super().progress(current, total, unit, message, detail)
        here = [report for report in self.reports if report[0] == sys.argv[1]]
        if len(here) == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    builder.BATCH_FILES = 5
    segments._FEW = 1
    builder.build(Path(sys.argv[4]), Path(sys.argv[3]), Killed(), workers=2)
