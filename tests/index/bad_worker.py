"""A worker whose parsers crash at the word CRASH and hang at HANG; DEAD ends it whatever is done with the text."""

import os
import signal
import time

from hub.index import analysis, guards, worker
from hub.index.symbols import symbols


def bad_symbols(lang, text):
    if b"CRASH" in text:
        os.kill(os.getpid(), signal.SIGSEGV)
    while b"HANG" in text:
        time.sleep(1)
    return symbols(lang, text)


def bad_text(lang, text):
    if b"DEAD" in text:
        os.kill(os.getpid(), signal.SIGSEGV)
    return guards.generated_text(lang, text)


class BadGuards:
    MOST_BYTES = guards.MOST_BYTES
    generated_text = staticmethod(bad_text)


analysis.symbols = bad_symbols
analysis.guards = BadGuards

if __name__ == "__main__":
    worker.main()
