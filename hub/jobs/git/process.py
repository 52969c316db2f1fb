"""One run of the git command, read as it talks and stopped when the job is."""

import codecs
import contextlib
import os
import selectors
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hub.core.report import Report
from hub.jobs.git.failures import failed
from hub.jobs.git.lines import Splitter
from hub.jobs.patience import Patience

POLL_S = 0.1
GRACE_S = 0.5
"""How long git may take to end its own children and remove its temporary files."""
MOST_OUTPUT_BYTES = 64 * 1024**2
"""Of standard output: some 500,000 refs in a list of them."""


class GitError(Exception):
    """git ended with an exit code; `words` is what it wrote to standard error, without progress meters."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


def run(
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    report: Report,
    on_line: Callable[[str], bool],
    silence_s: Callable[[], float | None] = lambda: None,
) -> str:
    """Run git to its end and return its standard output.

    What is not UTF-8 in the output is lone surrogates in the text, and may be given back so in `arguments`.
    `on_line` is handed each line of standard error and returns whether it understood it; the others are kept for
    GitError. Raises JobFailed `timeout` when git has said nothing for what `silence_s` then returns (None: no limit),
    and Cancelled. However this ends, git has ended, and has been told to end what it started.
    """
    process = subprocess.Popen(
        ["git", *(argument.encode(errors="surrogateescape") for argument in arguments)],
        env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        output, words = _read(process, report, on_line, silence_s)
        if process.wait():
            raise GitError("\n".join(words) or f"git ended with exit code {process.returncode}")
        return output
    finally:
        _stop(process)


def _read(
    process: "subprocess.Popen[bytes]",
    report: Report,
    on_line: Callable[[str], bool],
    silence_s: Callable[[], float | None],
) -> tuple[str, list[str]]:
    assert process.stdout is not None
    assert process.stderr is not None
    output = bytearray()
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    words: list[str] = []
    splitter = Splitter()
    patience = Patience()

    def keep(lines: list[str]) -> None:
        words.extend(line for line in lines if not on_line(line))
        del words[:-200]

    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        selector.register(process.stderr, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select(POLL_S):
                chunk = os.read(key.fd, 65536)
                patience.heard()
                if not chunk:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stdout:
                    output += chunk
                    if len(output) > MOST_OUTPUT_BYTES:
                        raise failed("too_large", f"The server lists more than {MOST_OUTPUT_BYTES:,} bytes of refs.")
                else:
                    keep(splitter.feed(decoder.decode(chunk)))
            report.check()
            limit_s, waited_s = silence_s(), patience.waited_s()
            if limit_s is not None and waited_s > limit_s:
                raise failed("timeout", f"The server said nothing for {limit_s:g} seconds.")
    keep(splitter.close())
    return output.decode(errors="surrogateescape"), words


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End git and everything it started, if it has not ended by itself."""
    with process:  # closes the pipes
        if process.poll() is not None:
            return
        if os.getpgrp() == os.getpid():
            # A job's own process group holds nothing but this process and git's. (A git in a group of its own would
            # be out of reach for whoever kills the job's.)
            before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.killpg(0, signal.SIGTERM)
            signal.signal(signal.SIGTERM, before)
        else:
            process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
        process.kill()
