"""`progress-hub run`: the command is as it would be by itself, and the hub sees it."""

import http.server
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from hub.client import Client, State
from hub.demo.repository import make_repository
from tests.client.commands import DEADLINE_S, ROOT, done, environment, in_a_terminal, is_alive, logs, the_job
from tests.conftest import missing
from tests.processes import HubProcess
from tests.servers import package_index

# -- as by itself ------------------------------------------------------------------------------------------------------


def test_output_and_exit_code_are_the_commands_own_byte_for_byte(hub, program, project):
    script = """
import sys
sys.stdout.buffer.write(bytes(range(256)) * 99)
sys.stderr.buffer.write(b'\\xff\\r\\x1b[1m')
sys.exit(3)
"""
    ran = done(program, sys.executable, "-c", script)
    assert (ran.stdout, ran.stderr, ran.returncode) == (bytes(range(256)) * 99, b"\xff\r\x1b[1m", 3)
    job = the_job(hub, project)
    assert (job.state, job.error.code) == (State.FAILED, "exit_3")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 42"], 42),
        (["sh", "-c", "kill -TERM $$"], -15),
        (["sh", "-c", "kill -KILL $$"], -9),
        (["sh", "-c", "exit 143"], 143),
        ([""], 127),
        (["no-such-command-anywhere"], 127),
        (["/etc/passwd"], 126),
        (["/"], 126),
    ],
)
def test_exit_codes_are_as_shells_have_them(hub, program, project, command, code):
    ran = done(program, *command)
    assert ran.returncode == code
    job = the_job(hub, project)
    assert job.state is (State.FAILED if code else State.SUCCEEDED)
    assert code == 0 or job.error.code == f"exit_{code if code > 0 else 128 - code}"


def test_standard_input_is_the_commands(program):
    assert done(program, "cat", stdin=b"one\ntwo\x00").stdout == b"one\ntwo\x00"


def test_dashes_of_the_command_stay_its_own(program):
    ran = done(program, "printf", "%s|", "--", "--project", "-x", "--help")
    assert ran.stdout == b"--|--project|-x|--help|"


def test_output_comes_at_once(program):
    script = "import time; print('first', flush=True); time.sleep(30)"
    with subprocess.Popen(
        [*program, "--", sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=ROOT, env=environment()
    ) as running:
        began = time.monotonic()
        assert running.stdout.readline() == b"first\n"
        assert time.monotonic() - began < 15
        running.send_signal(signal.SIGTERM)
        assert running.wait(DEADLINE_S) == -signal.SIGTERM


def test_a_reader_that_has_seen_enough_ends_the_command_as_it_would_have(program):
    with subprocess.Popen([*program, "--", "yes"], stdout=subprocess.PIPE, cwd=ROOT, env=environment()) as running:
        assert running.stdout.read(4) == b"y\ny\n"
        running.stdout.close()
        assert running.wait(DEADLINE_S) == -signal.SIGPIPE


def test_a_gigabyte_without_a_line_passes_in_bounded_memory(program):
    command = " ".join(map(str, program)) + " -- head -c 1000000000 /dev/zero | wc -c"
    script = f"""
import resource, sys, subprocess
subprocess.run({command!r}, shell=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
"""
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, cwd=ROOT, env=environment(), timeout=60, check=True,
    )  # fmt: skip
    assert ran.stdout.strip() == b"1000000000"
    assert int(ran.stderr.split()[-1]) < 150_000  # KB


def test_without_any_output_the_command_does_its_work(program, tmp_path):
    command = [*program, "--", "sh", "-c", f"echo out; echo err >&2; echo done > {tmp_path}/done; exit 6"]
    ran = subprocess.run(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command],
        cwd=ROOT,
        env=environment(),
        timeout=DEADLINE_S,
        check=False,
    )
    assert ran.returncode == 6
    assert (tmp_path / "done").read_text() == "done\n"


def test_what_a_command_leaves_running_does_not_hold_it_up(program):
    with subprocess.Popen(
        [*program, "--", "sh", "-c", "sleep 60 & echo $!"], stdout=subprocess.PIPE, cwd=ROOT, env=environment()
    ) as running:
        sleeping = int(running.stdout.readline())
        assert running.wait(DEADLINE_S) == 0
        assert is_alive(sleeping)
        os.kill(sleeping, signal.SIGTERM)


def shell(program, script):
    """Run `script` by bash, with the words before a command as `$RUN`; its output."""
    return subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=DEADLINE_S,
        env=environment(RUN=" ".join(program)), check=False,
    )  # fmt: skip


def test_files_that_the_caller_has_opened_are_the_commands(program):
    assert shell(program, "$RUN -- cat <(echo one)").stdout == "one\n"
    assert shell(program, "$RUN -- sh -c 'cat <&7' 7< <(echo seven)").stdout == "seven\n"


def test_what_goes_to_one_place_keeps_its_order(program, tmp_path):
    script = "for i in 1 2 3 4 5 6; do echo out $i; echo err $i >&2; done"
    expected = "".join(f"out {n}\nerr {n}\n" for n in range(1, 7))
    assert shell(program, f"$RUN -- sh -c '{script}' 2>&1").stdout == expected
    shell(program, f"$RUN -- sh -c '{script}' >{tmp_path}/log 2>&1")
    assert (tmp_path / "log").read_text() == expected


def test_the_environment_is_the_commands_own_also_where_it_names_no_locale(program):
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    ran = subprocess.run([*program, "--", "env"], capture_output=True, text=True, cwd=ROOT, env=bare, check=True)
    assert dict(line.split("=", 1) for line in ran.stdout.splitlines()) == bare


def test_it_runs_in_a_folder_that_is_gone(program, tmp_path):
    ran = shell(program[:6], f"mkdir {tmp_path}/gone; cd {tmp_path}/gone; rmdir {tmp_path}/gone; $RUN -- echo here")
    assert ran.stdout == "here\n"


def test_a_script_without_a_first_line_is_run_by_the_shell(program, tmp_path):
    (tmp_path / "old").write_text("echo old $1\n")
    (tmp_path / "old").chmod(0o755)
    assert done(program, str(tmp_path / "old"), "style").stdout == b"old style\n"


def test_what_a_command_leaves_running_goes_on_writing(program, tmp_path):
    later = f"(while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; echo later; echo went on >{tmp_path}/on) & echo now"
    with subprocess.Popen(
        [*program, "--", "sh", "-c", later], stdout=subprocess.PIPE, cwd=ROOT, env=environment()
    ) as running:
        assert running.stdout.readline() == b"now\n"
        assert running.wait(DEADLINE_S) == 0
        (tmp_path / "go").touch()
        assert running.stdout.read() == b"later\n"
    assert (tmp_path / "on").read_text() == "went on\n"


def test_a_slow_reader_gets_all_of_what_a_command_has_written(program):
    assert shell(program, "$RUN -- seq 200000 | (sleep 2; tail -n 1)").stdout == "200000\n"


def test_a_reader_that_reads_nothing_does_not_keep_a_command_from_being_ended(hub, program, project):
    with subprocess.Popen([*program, "--", "yes"], stdout=subprocess.PIPE, cwd=ROOT, env=environment()) as running:
        hub.cancel(the_job(hub, project, lambda job: job.state is State.RUNNING).id)
        assert running.wait(DEADLINE_S) == -signal.SIGTERM
    assert the_job(hub, project).state is State.CANCELLED


def test_a_full_disk_is_named(hub, program, project):
    ran = shell(program, "$RUN -- yes >/dev/full")
    assert ran.returncode == 128 + signal.SIGPIPE
    assert "could not be passed on: No space left on device" in ran.stderr
    assert "No space left on device" in the_job(hub, project).error.message


def test_to_kill_a_run_is_to_kill_its_command(program):
    script = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    with subprocess.Popen(
        [*program, "--", sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=ROOT, env=environment()
    ) as running:
        child = int(running.stdout.readline())
        running.kill()
    deadline = time.monotonic() + DEADLINE_S
    while is_alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_fault_in_reading_the_output_leaves_the_command_alone(hub, program, project):
    broken = (
        "from hub.cli.narrator import Narrator\n"
        "def fail(*_): raise ZeroDivisionError('a fault')\n"
        "Narrator.out = fail\n"
        "from hub.cli import main; raise SystemExit(main())"
    )
    ran = done([sys.executable, "-c", broken, *program[3:]], "sh", "-c", "echo one; sleep 0.1; echo two; exit 3")
    assert (ran.returncode, ran.stdout) == (3, b"one\ntwo\n")
    assert ran.stderr.count(b"is not read any more (ZeroDivisionError: a fault)") == 1
    assert the_job(hub, project).error.code == "exit_3"


# -- what the hub sees -------------------------------------------------------------------------------------------------


def test_lines_are_the_jobs_log_and_the_last_ones_are_in_its_error(hub, program, project):
    script = "echo one; echo warning: two >&2; sleep 0.1; echo 'fatal: three' >&2; exit 9"
    done(program, "sh", "-c", script)
    job = the_job(hub, project)
    assert sorted(logs(hub, job)) == [("error", "fatal: three"), ("info", "one"), ("warning", "warning: two")]
    assert job.error.message.splitlines()[0] == "sh ended with exit code 9."
    assert job.error.message.splitlines()[-1] == "fatal: three"
    assert job.params == {
        "command": f"sh -c '{script.replace(chr(39), chr(39) + chr(34) + chr(39) + chr(34) + chr(39))}'"
    }


def test_no_log_sends_no_lines(hub, program, project):
    done(program, "sh", "-c", "echo private; exit 1", options=["--no-log"])
    job = the_job(hub, project)
    assert logs(hub, job) == []
    assert job.error.message == "sh ended with exit code 1."


def test_a_secret_is_masked_in_all_that_is_sent_and_passes_through_unchanged(hub, program, project, process):
    script = """
echo key s3cr3t-value
printf 's3cr3t-value 10%%\\rs3cr3t-value 20%%\\rs3cr3t-value 30%%\\r'
echo s3cr3t-value >&2
exit 1
"""
    ran = done(program, "sh", "-c", script, options=["--secret-env", "KEY"], KEY="s3cr3t-value")
    assert ran.stdout.startswith(b"key s3cr3t-value\n")
    job = the_job(hub, project)
    assert ("info", "key [redacted]") in logs(hub, job)
    everything = str(job.to_row()) + str(logs(hub, job))
    assert "s3cr3t-value" not in everything
    assert "[redacted]" in job.params["command"]


def test_a_secret_leaves_no_traces_in_titles_either(hub, program, project):
    done(program, "sh", "-c", "for n in 1 2 3 4 5 6; do echo $KEY part $n/9; done", options=["--secret-env", "KEY"],
         KEY="ab12cd34ef")  # fmt: skip
    job = the_job(hub, project)
    assert [stage.title for stage in job.stages] == ["[redacted] part"]


def test_a_secret_that_cannot_be_masked_is_refused(program):
    ran = done(program, "touch", "/nonexistent/x", options=["--secret-env", "PIN"], PIN="123")
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert b"too short to be masked" in ran.stderr


def test_what_looks_like_a_secret_in_the_command_or_its_output_is_not_shown(hub, program, project):
    command = ["sh", "-c", "echo cloning https://ann:hunter2@example.org/x; exit 1", "--token", "abcdef"]
    done(program, *command)
    job = the_job(hub, project)
    everything = str(job.to_row()) + str(logs(hub, job))
    assert "hunter2" not in everything
    assert "abcdef" not in everything
    assert "example.org/x" in job.params["command"]


def test_many_lines_are_counted_rather_than_sent(hub, program, project):
    ran = done(program, "sh", "-c", "seq 1 100000; echo last")
    assert ran.stdout.endswith(b"100000\nlast\n")
    said = [message for _, message in logs(hub, the_job(hub, project))]
    assert said[:3] == ["1", "2", "3"]
    left_out = sum(int(message.split()[0]) for message in said if message.endswith("left out"))
    assert left_out + len([message for message in said if not message.endswith("left out")]) == 100_001


def test_a_cancel_on_the_hub_ends_the_command_and_what_it_has_started(hub, program, project):
    script = "sleep 300 & echo $!; sleep 300"
    with subprocess.Popen(
        [*program, "--", "sh", "-c", script], stdout=subprocess.PIPE, cwd=ROOT, env=environment()
    ) as running:
        child = int(running.stdout.readline())
        hub.cancel(the_job(hub, project, lambda job: job.state is State.RUNNING).id)
        assert running.wait(DEADLINE_S) == -signal.SIGTERM
    job = the_job(hub, project)
    assert (job.state, job.error) == (State.CANCELLED, None)
    assert not is_alive(child)


def test_a_command_that_does_not_listen_is_killed(hub, program, project):
    script = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(300)"
    with subprocess.Popen(
        [*program, "--grace", "0.5", "--", sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=ROOT,
        env=environment(),
    ) as running:  # fmt: skip
        running.stdout.readline()
        hub.cancel(the_job(hub, project, lambda job: job.state is State.RUNNING).id)
        assert running.wait(DEADLINE_S) == -signal.SIGKILL
    assert the_job(hub, project).state is State.CANCELLED


def test_a_run_that_is_killed_is_noticed_by_the_hub(hub, program, project, monkeypatch):
    script = "from hub.cli import run; run.SILENCE_S = 3.0; from hub.cli import main; raise SystemExit(main())"
    command = [sys.executable, "-c", script, *program[3:], "--", "sleep", "60"]
    with subprocess.Popen(command, cwd=ROOT, env=environment()) as running:
        the_job(hub, project, lambda job: job.state is State.RUNNING)
        running.kill()
    assert the_job(hub, project).error.code == "publisher_silent"


def test_without_a_hub_the_command_runs_all_the_same_and_one_sentence_says_so():
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    program = [sys.executable, "-m", "hub", "run", "--hub", url, "--project", "x"]
    ran = done(program, "sh", "-c", "echo out; sleep 0.5; exit 4")
    assert (ran.stdout, ran.returncode) == (b"out\n", 4)
    said = ran.stderr.decode().splitlines()
    assert len(said) == 2
    assert "The command runs all the same" in said[0]
    assert "was not told how the command ended" in said[1]


def test_a_hub_that_comes_later_is_told(tmp_path, project):
    process = HubProcess(tmp_path, "--drain-s", "0.1")
    process.stop()
    program = [sys.executable, "-m", "hub", "run", "--hub", process.url, "--project", "x"]
    try:
        with subprocess.Popen(
            [*program, "--", "sh", "-c", "echo early; cat; echo late"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, cwd=ROOT, env=environment(),
        ) as running:  # fmt: skip
            assert running.stdout.readline() == b"early\n"
            assert b"runs all the same" in running.stderr.readline()
            process.start()
            with Client.sync(process.url) as hub:
                the_job(hub, "x", lambda job: job.state is State.RUNNING)
                running.stdin.close()
                assert running.wait(DEADLINE_S) == 0
                job = the_job(hub, "x")
                assert job.state is State.SUCCEEDED
                assert logs(hub, job) == [("info", "early"), ("info", "late")]
    finally:
        process.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "there is no command"),
        (["--"], "there is no command"),
        (["--kind", "clone", "--", "true"], "kind of the hub's own"),
        (["--kind", "a b", "--", "true"], "cannot be a kind"),
        (["--project", "My Site", "--", "true"], "cannot be a project"),
        (["--job", "a b", "--", "true"], "cannot be a job's id"),
        (["--secret-env", "NOT_SET_ANYWHERE", "--", "true"], "NOT_SET_ANYWHERE is not set"),
        (["--grace", "x", "--", "true"], "not a number of seconds"),
        (["--hub", "ftp://x", "--", "true"], "not the URL of a hub"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_nothing_runs(arguments, said):
    ran = subprocess.run(
        [sys.executable, "-m", "hub", "run", *arguments], capture_output=True, text=True, cwd=ROOT, env=environment(),
        check=False,
    )  # fmt: skip
    assert ran.returncode == 2
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_help_teaches_the_dashes_and_the_exit_codes():
    ran = subprocess.run(
        [sys.executable, "-m", "hub", "run", "--help"], capture_output=True, text=True, cwd=ROOT, env=environment(),
        check=True,
    )  # fmt: skip
    for word in ("run -- git clone", "126", "127", "--secret-env", "--no-log", "SIGKILL"):
        assert word in ran.stdout


# -- real programs -----------------------------------------------------------------------------------------------------


@pytest.mark.git
def test_a_git_clone_has_gits_phases_as_stages(hub, program, project, tmp_path):
    if shutil.which("git") is None:
        missing("git")
    make_repository(tmp_path / "harbour.git")
    ran = done(program, "git", "clone", "--progress", f"file://{tmp_path}/harbour.git", str(tmp_path / "copy"))
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "copy" / ".git").is_dir()
    job = the_job(hub, project)
    stages = {stage.title: stage for stage in job.stages}
    receiving = stages["Receiving objects"]
    assert (receiving.state, receiving.unit) == ("done", "objects")
    assert receiving.current == receiving.total > 1000
    assert list(stages)[:2] == ["Counting objects", "Compressing objects"]
    assert ("info", f"Cloning into '{tmp_path}/copy'...") in logs(hub, job)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def index(tmp_path):
    """A package index with one wheel."""
    with package_index(tmp_path / "index", 3_000_000, Quiet) as url:
        yield url


def test_a_pip_download_shows_its_bytes_in_a_terminal(hub, program, project, index, tmp_path):
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
        missing("pip")
    command = [
        *pip,
        "download",
        "--no-cache-dir",
        "--disable-pip-version-check",
        "--index-url",
        index,
        "-d",
        str(tmp_path),
    ]
    more = {"PIP_CONFIG_FILE": os.devnull}
    with in_a_terminal([*program, "--", *command, "payload"], **more) as screen:
        assert screen.code() == 0, screen.seen
    assert (tmp_path / "payload-1.0-py3-none-any.whl").is_file()
    job = the_job(hub, project)
    assert [(stage.title, stage.unit, stage.current, stage.total) for stage in job.stages] == [
        ("Downloading", "bytes", 3_000_000, 3_000_000)
    ]


def test_a_script_with_tqdm_is_followed(hub, program, project, tmp_path):
    pytest.importorskip("tqdm")
    (tmp_path / "train.py").write_text(
        "import time\nfrom tqdm import tqdm\nfor _ in tqdm(range(300), desc='train', unit='row'): time.sleep(0.005)\n"
    )
    with subprocess.Popen(
        [*program, "--name", "train", "--", sys.executable, str(tmp_path / "train.py")], stderr=subprocess.PIPE,
        cwd=ROOT, env=environment(),
    ) as running:  # fmt: skip
        under_way = the_job(hub, project, lambda job: 0 < job.percent < 100 or job.state.is_end)
        assert running.wait(DEADLINE_S) == 0
        running.stderr.read()
    assert under_way.state is State.RUNNING
    job = the_job(hub, project)
    assert (job.kind, job.progress.current, job.progress.total, job.progress.unit) == ("train", 300, 300, "row")
