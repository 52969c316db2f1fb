"""Signals, terminals and job control under `progress-hub run`: as without it."""

import shlex
import signal
import socket
import subprocess
import sys
import time

import pytest

from hub.client import State
from tests.client.commands import DEADLINE_S, ROOT, environment, in_a_terminal, the_job

pytestmark = pytest.mark.alone


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_reaches_the_command_and_the_job_was_cancelled(hub, program, project, number):
    script = "import time; print('ready', flush=True); time.sleep(30)"
    command = [*program, "--", sys.executable, "-c", script]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=environment(), process_group=0
    ) as running:
        running.stdout.readline()
        running.send_signal(number)
        assert running.wait(DEADLINE_S) == -number
    job = the_job(hub, project)
    assert (job.state, job.error.code) == (State.CANCELLED, number.name.lower())


def test_a_command_that_takes_a_signal_and_ends_well_succeeds(hub, program, project):
    script = "trap 'exit 0' USR1; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen(
        [*program, "--", "sh", "-c", script], stdout=subprocess.PIPE, cwd=ROOT, env=environment()
    ) as running:
        running.stdout.readline()
        running.send_signal(signal.SIGUSR1)
        assert running.wait(DEADLINE_S) == 0
    assert the_job(hub, project).state is State.SUCCEEDED


def test_in_a_terminal_the_command_has_one_of_the_same_size_and_passes_through_unchanged(hub, program, project):
    script = """
import os
print(os.isatty(0), os.isatty(1), os.isatty(2), os.get_terminal_size().columns)
print('a\\tb\\x1b[0m')
"""
    with in_a_terminal([*program, "--", sys.executable, "-c", script], columns=77) as screen:
        assert screen.code() == 0
    assert screen.seen == b"True True True 77\r\na\tb\x1b[0m\r\n"
    assert the_job(hub, project).state is State.SUCCEEDED


def test_a_window_that_is_resized_is_resized_for_the_command(program):
    script = """
import os, signal, time
sizes = []
signal.signal(signal.SIGWINCH, lambda *_: sizes.append(os.get_terminal_size(1).columns))
print("ready", flush=True)
while 55 not in sizes: time.sleep(0.01)
print("resized", flush=True)
"""
    with in_a_terminal([*program, "--", sys.executable, "-c", script]) as screen:
        screen.until(b"ready")
        screen.resize(55)
        screen.until(b"resized")
        assert screen.code() == 0


def test_ctrl_c_reaches_the_command_once_and_cancels_the_job(hub, program, project):
    script = """
import signal, time
count = []
signal.signal(signal.SIGINT, lambda *_: count.append(1))
print("ready", flush=True)
while not count: time.sleep(0.01)
time.sleep(0.3)
print("interrupts:", len(count), flush=True)
raise SystemExit(130)
"""
    with in_a_terminal([*program, "--", sys.executable, "-c", script]) as screen:
        screen.until(b"ready")
        screen.type(b"\x03")
        assert screen.code() == 130
    assert b"interrupts: 1\r\n" in screen.seen
    assert the_job(hub, project).state is State.CANCELLED


def test_what_is_typed_is_the_commands(program):
    with in_a_terminal([*program, "--", "sh", "-c", "echo ready; read name; echo hello $name"]) as screen:
        screen.until(b"ready")
        screen.type(b"ann\n")
        screen.until(b"hello ann")
        assert screen.code() == 0


def test_ctrl_z_stops_it_and_the_job_and_fg_goes_on(hub, program, project):
    command = [*program, "--", "sh", "-c", "echo ready; sleep 1; echo after; sleep 1; exit 5"]
    # A shell with job control, as a person has it.
    with in_a_terminal(["bash", "--norc", "--noprofile", "-i"], PS1="$ ") as screen:
        screen.until(b"$ ")
        screen.type(" ".join(f"'{word}'" for word in command).encode() + b"\n")
        screen.until(b"ready\r\n")
        the_job(hub, project, lambda job: job.state is State.RUNNING)
        screen.type(b"\x1a")
        screen.until(b"Stopped")
        assert the_job(hub, project, lambda job: job.state is State.PAUSED)
        screen.type(b"fg\n")
        screen.until(b"after\r\n")
        screen.type(b"echo code $?\n")
        screen.until(b"code 5\r\n")
    assert the_job(hub, project).error.code == "exit_5"


def test_ctrl_z_where_nobody_could_continue_it_is_without_effect_as_without_us(program):
    script = "echo ready; sleep 1; echo after"
    # The first process of a session has no shell above it.
    with in_a_terminal([*program, "--", "sh", "-c", script]) as screen:
        screen.until(b"ready")
        screen.type(b"\x1a")
        screen.until(b"after")
        assert screen.code() == 0


def test_in_the_background_it_stops_to_read_and_goes_on_in_the_foreground(hub, program, project):
    with in_a_terminal(["bash", "--norc", "--noprofile", "-b", "-i"], PS1="$ ") as screen:
        screen.until(b"$ ")
        words = [*program, "--", "sh", "-c", "read name; echo hello $name"]
        screen.type(" ".join(f"'{word}'" for word in words).encode() + b" &\n")
        the_job(hub, project, lambda job: job.state is State.PAUSED)
        screen.until(b"Stopped")
        screen.type(b"fg\n")
        the_job(hub, project, lambda job: job.state is State.RUNNING)
        screen.type(b"ann\n")
        screen.until(b"hello ann")
        screen.type(b"echo code $?\n")
        screen.until(b"code 0")
    assert the_job(hub, project).state is State.SUCCEEDED


def test_a_ctrl_c_heard_only_after_the_command_has_died_of_it_is_no_second_one(hub, program, project):
    """Else we would leave at once, as those do who will not wait for the hub: by an exit, and with the end untold."""
    late = (
        "import signal, sys, time; take = signal.sigwaitinfo\n"
        "def late(wanted):\n info = take(wanted); time.sleep(info.si_signo == signal.SIGINT); return info\n"
        "signal.sigwaitinfo = late; from hub.cli import main; sys.exit(main())"
    )
    words = " ".join(shlex.quote(word) for word in [program[0], "-c", late, *program[3:]])
    with in_a_terminal(["bash", "-c", f"for n in 1 2; do {words} -- sh -c 'echo ready; sleep 20'; done"]) as screen:
        screen.until(b"ready")
        screen.type(b"\x03")
        assert screen.code() == -signal.SIGINT
    assert screen.seen.count(b"ready") == 1
    job = the_job(hub, project)
    assert (job.state, job.error.code) == (State.CANCELLED, "sigint")


def test_a_shells_loop_ends_with_ctrl_c(program):
    words = " ".join(f"'{word}'" for word in program)
    loop = f"for n in 1 2 3; do {words} -- sh -c 'echo ready; sleep 20'; done; echo not reached"
    with in_a_terminal(["bash", "-c", loop]) as screen:
        screen.until(b"ready")
        screen.type(b"\x03")
        assert screen.code() != 0
    assert screen.seen.count(b"ready") == 1
    assert b"not reached\r\n" not in screen.seen


def test_a_program_that_draws_the_whole_screen_reads_single_keys(program):
    script = """
import curses
def main(screen):
    screen.addstr("press a key"); screen.refresh()
    return screen.getch()
print("it was", curses.wrapper(main))
"""
    with in_a_terminal([*program, "--", sys.executable, "-c", script]) as screen:
        screen.until(b"press a key")
        screen.type(b"q")
        screen.until(b"it was 113")
        assert screen.code() == 0


def test_what_the_caller_ignores_ends_nothing(hub, program, project):
    """As `nohup` has it."""
    script = "trap '' HUP; exec \"$@\""
    with subprocess.Popen(
        ["sh", "-c", script, "sh", *program, "--", "sh", "-c", "echo ready; cat; exit 3"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, cwd=ROOT, env=environment(),
    ) as running:  # fmt: skip
        running.stdout.readline()
        running.send_signal(signal.SIGHUP)
        running.stdin.close()
        assert running.wait(DEADLINE_S) == 3
    assert the_job(hub, project).state is State.FAILED  # and not cancelled


def test_a_signal_that_a_command_sends_to_its_own_group_reaches_it_once(program):
    script = """
import os, signal, time
count = []
signal.signal(signal.SIGTERM, lambda *_: count.append(1))
os.kill(0, signal.SIGTERM)
time.sleep(0.5)
print(len(count))
"""
    with subprocess.Popen(
        [*program, "--", sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=ROOT, env=environment(),
        process_group=0,
    ) as running:  # fmt: skip
        assert running.stdout.read() == b"1\n"
        assert running.wait(DEADLINE_S) == 0


def test_ctrl_c_after_the_end_does_not_wait_for_a_hub_that_hangs():
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes connections, and says nothing
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        program = [sys.executable, "-m", "hub", "run", "--hub", url, "--project", "x"]
        with in_a_terminal([*program, "--", "sh", "-c", "echo ready; exit 4"]) as screen:
            screen.until(b"ready")
            time.sleep(1)  # it waits for the hub, for five seconds
            began = time.monotonic()
            screen.type(b"\x03")
            assert screen.code() == 4
            assert time.monotonic() - began < 3
