"""`progress-hub run`: a command as a job. The command comes first: whatever the hub does, it runs as it would have."""

import argparse
import contextlib
import logging
import os
import re
import resource
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath

from hub.cli import credentials, masking
from hub.cli.narrator import Narrator
from hub.cli.wrapped import BY_SIGNAL, NotRunnable, Wrapped
from hub.client import Client, Job, State
from hub.client.words import KIND, THE_HUBS_OWN, JobWords, checked
from hub.core.ids import slug
from hub.core.redaction import SHORTEST, Redactor
from hub.settings import SettingsError

log = logging.getLogger(__name__)

SILENCE_S = 30.0
"""After so long, a run that was killed is known to be. Also sets how soon a cancel gets through: 2.5 s."""
STOP_S = 0.5
"""Longest wait, when somebody stops it (Ctrl-Z), for a hub that is to be told so."""
FLUSH_S, FLUSH_AWAY_S = 5.0, 1.0
"""Longest wait at the end for a hub that answers, and for one that does not."""
GRACE_S = 10.0
LONGEST_COMMAND = 500

EXAMPLES = """\
Runs the command as if it were called by itself: its output passes through unchanged, in a terminal it has a terminal,
standard input, signals and job control are its own. What it prints is read on the way: git, curl, wget, pip, rsync,
tqdm, docker, apt, cargo, ninja, cmake, pytest and others are known; of all the rest, percents and counts that grow as
progress does. Lines go to the hub's log, at most 20 a second.

Without a hub the command runs all the same, and a hub that comes later is told. A cancel on the hub ends the command
(SIGTERM, and after --grace SIGKILL). The hub shows the command; passwords and tokens in it are masked where they can
be told by their form or the option's name, and for certain with --secret-env.

examples:
  progress-hub run -- git clone --progress https://example.org/repo.git
  progress-hub run --project site --name deploy -- make deploy
  progress-hub run --secret-env TOKEN -- sh -c 'curl -O "https://example.org/big?key=$TOKEN"'
  HUB_URL=http://hub:8470 progress-hub run -- python train.py

exit codes: the command's own; when a signal ended it, the same signal (in a shell: 128 and its number); 126 when it
cannot be run, 127 when there is no such command, and 2 for wrong usage, when nothing was run"""


def add_options(command: argparse.ArgumentParser) -> None:
    """The options of the command, but for where the hub is."""
    command.add_argument("--project", metavar="P", help="the project (default: the name of the present folder)")
    command.add_argument(
        "--name", "--kind", dest="kind", metavar="N", help="what kind of job it is (default: the command's name)"
    )
    command.add_argument("--job", metavar="ID", help="the job's id, unique on the hub (default: a fresh one)")
    command.add_argument("--no-log", action="store_true", help="send progress alone, and nothing of what it prints")
    command.add_argument(
        "--secret-env", action="append", default=[], metavar="NAME",
        help="mask the value of this environment variable in all that is sent; may be repeated",
    )  # fmt: skip
    command.add_argument(
        "--grace", type=_seconds, default=GRACE_S, metavar="S",
        help=f"seconds between SIGTERM and SIGKILL when it is cancelled (default {GRACE_S:g})",
    )  # fmt: skip
    command.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="-- CMD ...", help="the command and its arguments"
    )


def run(options: argparse.Namespace) -> int:
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        raise SettingsError("run: there is no command. Put it behind two dashes: progress-hub run -- make all")
    redactor = Redactor()
    redactor.add(_secret(name) for name in options.secret_env)
    shown = [redactor.text(word) for word in command]  # before its words are quoted
    given: JobWords = {
        "project": options.project or _project(),
        "params": {"command": shlex.join(masking.arguments(shown))},
        "silence_s": SILENCE_S,
        "raises": False,
    }
    if options.job:
        given["id"] = options.job
    kind = options.kind or _kind(command)
    try:
        checked(kind, given)
    except ValueError as exc:
        raise SettingsError(f"run: {exc}") from exc
    logging.getLogger("hub.client").setLevel(logging.CRITICAL)  # what a user should know is said here
    running = Run(options, command, lambda text: masking.printed(redactor.text(text)))
    code = running.run(kind, given)
    if running.killed_by is not None:
        _die_of(running.killed_by)
    return code


class Run:
    """One command, its job, and what is said about both."""

    def __init__(self, options: argparse.Namespace, command: Sequence[str], clean: Callable[[str], str]) -> None:
        """Raises WrongUrl, WrongToken, SettingsError."""
        self._client = Client(options.hub, token=credentials.hub_token(options), flush_s=FLUSH_S)
        self._client.publisher.on_link = self._link
        self._command = command
        self._clean = clean
        self._logs = not options.no_log
        self._grace_s = options.grace
        self._narrator: Narrator | None = None
        self.killed_by: int | None = None
        """The signal that the command has died of."""
        self._is_away = self._is_warned = self._is_mute = False

    def run(self, kind: str, given: JobWords) -> int:
        """The exit code."""
        # The command first: threads, the client's among them, must be made with its signals blocked.
        try:
            wrapped = Wrapped(self._command, self._out, self._err)
        except NotRunnable as exc:
            self._say(str(exc))
            job = self._client.job(kind, **given).begin()
            job.end(State.FAILED, {"code": f"exit_{exc.code}", "message": self._clean(f"{exc}.")})
            return self._close(job, exc.code)
        job = self._client.job(kind, **given)
        self._narrator = narrator = Narrator(job, self._command, logs=self._logs, clean=self._clean)
        job.begin()
        # A thread, because it takes as long as the command takes to end, and the one that calls carries the heartbeats.
        stopping = threading.Thread(target=wrapped.terminate, args=(self._grace_s,), daemon=True)
        job.on_cancel(stopping.start)
        wrapped.on_stop, wrapped.on_continue = lambda: _stand_still(job), job.resume
        wrapped.on_late_end = lambda: os._exit(wrapped.code)  # nobody wants to wait for the hub, or a slow reader
        code = wrapped.run(lambda: self._narrate(narrator.quiet))
        self.killed_by = wrapped.killed_by
        last: list[str] = []
        self._narrate(lambda: last.extend(narrator.end()))
        if wrapped.failure is not None:
            self._say(f"its output could not be passed on: {wrapped.failure}")
            last = [f"Its output could not be passed on: {wrapped.failure}.", *last]
        self._end(job, code, wrapped.ended_by, last)
        return self._close(job, code)

    def _end(self, job: Job, code: int, ended_by: signal.Signals | None, last: Sequence[str]) -> None:
        if code == 0:
            job.end(State.SUCCEEDED)
        elif job.cancelled:
            job.end(State.CANCELLED)
        elif ended_by is not None:
            job.end(State.CANCELLED, {"code": ended_by.name.lower(), "message": f"It was ended by {ended_by.name}."})
        else:
            name = PurePath(self._command[0]).name
            how = f"ended with exit code {code}"
            if code > BY_SIGNAL and code - BY_SIGNAL in set(signal.Signals):
                how = f"was ended by {signal.Signals(code - BY_SIGNAL).name}"
            message = "\n".join([self._clean(f"{name} {how}."), *(last if self._logs else ())])
            job.end(State.FAILED, {"code": f"exit_{code}", "message": message, "retry": True})

    def _close(self, job: Job, code: int) -> int:
        if not job.flush(FLUSH_AWAY_S if self._is_away else FLUSH_S):
            self._say(f"the hub was not told how the command ended ({job.error or 'it does not answer'})")
        self._is_warned = True  # too late for more words about it
        self._client.publisher.flush_s = 0.0  # that was the waiting
        self._client.publisher.close()
        return code

    def _link(self, why: str | None) -> None:
        self._is_away = why is not None
        if why is not None and not self._is_warned:
            self._is_warned = True
            self._say(f"{why} The command runs all the same, and a hub that comes later is told.")

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError):  # where nobody reads
            sys.stderr.write(f"progress-hub: {text}\n")
            sys.stderr.flush()

    def _out(self, data: bytes) -> None:
        if (narrator := self._narrator) is not None:
            self._narrate(lambda: narrator.out(data))

    def _err(self, data: bytes) -> None:
        if (narrator := self._narrator) is not None:
            self._narrate(lambda: narrator.err(data))

    def _narrate(self, tell: Callable[[], object]) -> None:
        """Whatever goes wrong in reading what the command prints is no reason for it to end."""
        if self._is_mute:
            return
        try:
            tell()
        except Exception as exc:
            self._is_mute = True
            log.exception("Reading the output failed")
            self._say(f"what the command prints is not read any more ({type(exc).__name__}: {exc})")


def _stand_still(job: Job) -> None:
    """Tell the hub that nothing will be heard for long, and wait for a moment until it has been told."""
    job.pause()
    deadline = time.monotonic() + STOP_S
    while len(job.outbox) and time.monotonic() < deadline:
        time.sleep(0.01)


def _project() -> str:
    """The present folder's name; the folder itself may be gone."""
    try:
        return slug(Path.cwd().name)
    except FileNotFoundError:
        return slug(PurePath(os.environ.get("PWD", "")).name)


def _die_of(number: int) -> None:
    """As the command did: a shell's loop that Ctrl-C is to end looks at that. Returns where that is not possible."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the command has left its own
    with contextlib.suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)


def _kind(command: Sequence[str]) -> str:
    """The command's name, made to fit."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", PurePath(command[0]).name).strip("-._")[:60]
    return name if KIND.fullmatch(name) and name not in THE_HUBS_OWN else f"run-{name}".rstrip("-")


def _secret(name: str) -> str:
    secret = os.environ.get(name, "")
    if not secret:
        raise SettingsError(f"--secret-env: the environment variable {name} is not set")
    if len(secret) < SHORTEST:
        raise SettingsError(f"--secret-env: the value of {name} is too short to be masked (at least {SHORTEST} needed)")
    return secret


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 3600")
    return value
