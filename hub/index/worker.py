"""The process that looks at documents: `python -m hub.index.worker SOURCE MARKER`.

Anything may happen in here: a parser may crash, hang or take all memory. MARKER is a file in which stands the number of
the document at work, so that whoever started this knows which one it was. It ends when its input does.
"""

import os
import struct
import sys
from pathlib import Path

from hub.index import analysis, frames, processes
from hub.index.analysis import Analyst, Wanted
from hub.index.errors import SourceGone
from hub.index.source import open_source


def main() -> None:
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # whatever prints, prints no frames
    processes.set_bounds()
    try:
        analyst = Analyst(open_source(Path(os.fsdecode(bytes.fromhex(sys.argv[1])))))
    except SourceGone as exc:
        sys.exit(exc.message)
    marker, count = int(sys.argv[2]), 0
    while frame := frames.read(incoming):
        wanted = [Wanted.from_wire(one) for one in frame[0]]

        def begin(place: int) -> None:
            nonlocal count
            count += 1
            os.pwrite(marker, MARK.pack(place, count), 0)

        frames.write(outgoing, *analysis.to_wire(analyst.analyse(wanted, begin)))


MARK = struct.Struct("<II")
"""The place in the batch, and a number that only grows: a worker whose number stands still hangs."""


if __name__ == "__main__":
    main()
