"""The command line against a real hub: what it says, and the exit codes that scripts rely on."""

import contextlib
import http.server
import io
import json
import os
import re
import shlex
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from pathlib import Path

import pygit2
import pytest

from hub import __version__
from hub.cli import codes, credentials, main
from hub.cli.jobs import repository_url, table
from hub.cli.options import parser
from hub.cli.screen import JsonScreen, PlainScreen, TerminalScreen, has_unicode
from hub.client import Link
from hub.core.events import State
from hub.settings import SettingsError
from tests.servers import serving
from tests.test_terminal import JOB, PROGRESS, ended, replace, with_progress

ROOT = Path(__file__).parents[1]
DEADLINE_S = 30


class Served:
    """`progress-hub serve` in a process of its own."""

    def __init__(self, folder, *flags, port=0):
        self.command = [*COMMAND, "serve", "--data-dir", str(folder), "--drain-s", "0.1", *flags]
        self.process = None
        self.port = port

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        command = [*self.command, "--port", str(self.port)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        assert found, f"the hub did not start: {line!r}"
        self.url, self.port = found[0], int(found[1])

    def stop(self, how=signal.SIGINT):
        self.process.send_signal(how)
        with self.process:
            return self.process.wait(DEADLINE_S)


COMMAND = [sys.executable, "-m", "hub"]


@pytest.fixture(autouse=True)
def logs(monkeypatch):
    monkeypatch.setattr("hub.web.logs.configure", lambda *_: None)  # this process's logs are pytest's


@pytest.fixture(scope="module")
def repositories(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repositories")
    repository = pygit2.init_repository(folder / "small", initial_head="main")
    (folder / "small" / "a.txt").write_text("a\n")
    repository.index.add_all()
    who = pygit2.Signature("A", "a@example.org", 0, 0)
    repository.create_commit("HEAD", who, who, "First", repository.index.write_tree(), [])
    return folder


@pytest.fixture(scope="module")
def served(tmp_path_factory, repositories):
    flags = ("--roots", str(repositories), "--allow-networks", "127.0.0.0/8")
    with Served(tmp_path_factory.mktemp("hub"), *flags) as served:
        yield served


@pytest.fixture
def hub(served, monkeypatch):
    monkeypatch.setenv("HUB_URL", served.url)
    return served


@pytest.fixture
def silent_url():
    """Of a server that takes connections and never answers: a clone of it runs until it is stopped."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/silent-{server.getsockname()[1]}.git"


@pytest.fixture
def locked_url():
    """Of a server that no credentials open, and the ones that it was given."""
    given = []

    class Locked(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if "Authorization" in self.headers:
                given.append(self.headers["Authorization"])
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="locked"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with serving(Locked) as port:
        yield f"http://127.0.0.1:{port}/locked-{port}.git", given


def run(capsys, *arguments):
    code = main(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


@contextlib.contextmanager
def running(*arguments, **environment):
    """The command in a process of its own, when it has said its first line."""
    with subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    ) as process:
        process.first = process.stdout.readline()
        yield process
        if process.poll() is None:
            process.kill()


def test_a_clone_is_watched_to_its_end_and_again_is_an_update(hub, repositories, capsys):
    url = (repositories / "small").as_uri()
    code, out, _ = run(capsys, "clone", url)
    assert code == codes.SUCCEEDED
    assert "small: clone succeeded" in out
    assert "main at " in out
    assert out.isascii() == (not has_unicode(sys.stdout))
    assert run(capsys, "clone", url)[0] == codes.SUCCEEDED


def test_json_is_every_message_on_a_line_from_the_snapshot_to_the_end(hub, repositories, capsys):
    code, out, _ = run(capsys, "clone", "--json", "--id", "as-json", str(repositories / "small") + "/.git")
    messages = [json.loads(line) for line in out.splitlines()]
    assert code == codes.SUCCEEDED
    assert messages[0]["type"] == "snapshot"
    assert messages[-1]["type"] in {"job", "snapshot"}
    job = messages[-1]["jobs"][-1] if messages[-1]["type"] == "snapshot" else messages[-1]
    assert job["state"] == "succeeded"


def test_a_job_that_has_ended_can_be_watched_listed_and_run_again(hub, repositories, capsys):
    assert run(capsys, "clone", "--name", "Again", (repositories / "small").as_uri() + "/.git/")[0] == 0
    project = run(capsys, "jobs", "--limit", "1")[1].splitlines()[1].split()[1]
    code, out, _ = run(capsys, "watch", project)
    assert (code, "clone succeeded" in out) == (codes.SUCCEEDED, True)
    assert run(capsys, "retry", project)[0] == codes.SUCCEEDED
    listed = [json.loads(line) for line in run(capsys, "jobs", "--json", "--project", project)[1].splitlines()]
    assert [job["state"] for job in listed][:2] == ["succeeded", "succeeded"]
    assert listed[0]["attempt"] == listed[1]["attempt"] + 1


def test_a_failure_says_what_to_do_and_is_exit_code_1(hub, repositories, capsys):
    code, out, _ = run(capsys, "clone", (repositories / "nothing").as_uri())
    assert code == codes.FAILED
    assert "nothing: clone failed" in out
    assert "What to do: " in out
    assert "progress-hub retry " in out


def test_detached_it_prints_the_job_and_leaves_and_the_job_can_be_cancelled(hub, silent_url, capsys):
    code, out, _ = run(capsys, "clone", "--detach", silent_url)
    job = out.strip()
    assert code == codes.SUCCEEDED
    with running("watch", job) as watching:
        assert "progress-hub" not in watching.first
        code, out, _ = run(capsys, "cancel", job)
        assert (code, out.startswith(job)) == (codes.SUCCEEDED, True)
        out, _ = watching.communicate(timeout=DEADLINE_S)
    assert "was cancelled" in out
    assert watching.returncode == codes.CANCELLED
    code, _, err = run(capsys, "cancel", job)
    assert code == codes.USAGE
    assert "already" in err


def test_a_job_can_be_paused_and_let_go_on(hub, silent_url, capsys):
    job = run(capsys, "clone", "--detach", silent_url)[1].strip()
    deadline = time.monotonic() + DEADLINE_S
    while json.loads(run(capsys, "jobs", "--json", "--limit", "1")[1])["state"] != "running":
        assert time.monotonic() < deadline
    assert run(capsys, "pause", job)[:2] == (codes.SUCCEEDED, f"{job} is paused\n")
    code, _, err = run(capsys, "pause", job)
    assert (code, "paused" in err) == (codes.USAGE, True)
    code, out, _ = run(capsys, "resume", "--json", job)
    assert (code, json.loads(out)["state"]) == (codes.SUCCEEDED, "running")
    run(capsys, "cancel", job)


def test_the_same_clone_twice_is_one_job(hub, silent_url, capsys):
    job = run(capsys, "clone", "--detach", silent_url)[1].strip()
    code, out, err = run(capsys, "clone", "--detach", silent_url)
    assert (code, out.strip()) == (codes.SUCCEEDED, job)
    assert "already" in err
    run(capsys, "cancel", job)


def test_ctrl_c_leaves_the_job_running_and_says_how_to_come_back(hub, silent_url, capsys):
    with running("clone", silent_url) as watching:
        assert watching.first
        watching.send_signal(signal.SIGINT)
        out, err = watching.communicate(timeout=DEADLINE_S)
    assert watching.returncode == codes.LEFT
    assert "Traceback" not in err
    job = re.search(r"The job goes on\. Watch it again: progress-hub watch (\S+)", out)[1]
    listed = json.loads(run(capsys, "jobs", "--json", "--limit", "1")[1])
    assert (listed["id"], listed["state"]) == (job, "running")
    run(capsys, "cancel", job)


def test_a_job_whose_hub_is_killed_is_interrupted_and_exit_code_4(tmp_path, silent_url):
    hub = Served(tmp_path, "--allow-networks", "127.0.0.0/8")
    with hub, running("clone", silent_url, HUB_URL=hub.url) as watching:
        assert watching.first
        hub.stop(signal.SIGKILL)
        hub.start()
        out, _ = watching.communicate(timeout=DEADLINE_S)
    assert "interrupted" in out
    assert watching.returncode == codes.INTERRUPTED


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["watch", "no-such-project"], "no-such-project"),
        (["watch", "01900000-0000-7000-8000-000000000000"], "01900000"),
        (["clone", "http://10.0.0.1/a.git"], "network"),
        (["clone", "https://me:secret@example.org/a.git"], "password"),
        (["clone", "--token-env", "NOT_SET_ANYWHERE", "https://example.org/a.git"], "NOT_SET_ANYWHERE"),
        (["clone", "--ssh-key", "/no/such/key", "git@example.org:a.git"], "/no/such/key"),
    ],
)
def test_what_cannot_be_is_exit_code_2_and_a_sentence(hub, arguments, said, capsys):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (codes.USAGE, "")
    assert err.startswith("progress-hub: ")
    assert said in err
    assert "secret" not in err


@pytest.mark.parametrize(
    "arguments", [["clone"], ["clone", "--depth", "0", "u"], ["clone", "--token", "t", "u"], ["dance"], []]
)
def test_wrong_usage_is_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == codes.USAGE


@pytest.mark.parametrize("command", [["jobs"], ["watch", "a"], ["clone", "https://example.org/a.git"]])
def test_no_hub_is_exit_code_5_and_says_how_to_get_one(command, capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    code, _, err = run(capsys, *command, "--hub", f"http://127.0.0.1:{free}")
    assert code == codes.UNREACHABLE
    assert "progress-hub serve" in err


def test_a_token_reaches_the_server_but_no_argument_and_no_output(hub, locked_url, capsys, monkeypatch):
    url, given = locked_url
    monkeypatch.setenv("MY_TOKEN", "sesame-open-up")
    code, out, err = run(capsys, "clone", "--token-env", "MY_TOKEN", url)
    assert code == codes.FAILED
    assert given
    assert "sesame" not in out + err
    monkeypatch.setattr(sys, "stdin", io.StringIO("sesame-open-up\n"))
    count = len(given)
    assert run(capsys, "clone", "--token-stdin", url)[0] == codes.FAILED
    assert len(given) > count


def test_a_person_at_a_terminal_is_asked_for_credentials_a_few_times(hub, locked_url, capsys, monkeypatch):
    answers = []

    def answer():
        answers.append({"username": "me", "password": f"guess-{len(answers)}"})
        return answers[-1]

    monkeypatch.setattr(credentials, "can_ask", lambda: True)
    monkeypatch.setattr(credentials, "asked", answer)
    url, given = locked_url
    code, out, _ = run(capsys, "clone", url)
    assert code == codes.FAILED
    assert len(answers) == 3
    assert len(set(given)) == 3
    assert "guess" not in out


def test_a_person_who_gives_no_credentials_is_not_asked_again(hub, locked_url, capsys, monkeypatch):
    answers = [{}]
    monkeypatch.setattr(credentials, "can_ask", lambda: True)
    monkeypatch.setattr(credentials, "asked", answers.pop)
    assert run(capsys, "clone", locked_url[0])[0] == codes.FAILED
    assert answers == []


@pytest.mark.parametrize(
    ("flags", "given"),
    [
        ([], {"token": "s"}),
        (["--username", "me"], {"username": "me", "password": "s"}),
        (["--ssh-key", "KEY"], {"ssh_key": "key\n", "ssh_passphrase": "s"}),
    ],
)
def test_what_a_secret_is_for_follows_from_what_is_given_with_it(flags, given, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "s")
    (tmp_path / "key").write_text("key\n")
    flags = [str(tmp_path / "key") if flag == "KEY" else flag for flag in flags]
    options = parser().parse_args(["clone", "--token-env", "SECRET", *flags, "url"])
    assert credentials.given(options) == given


@pytest.mark.parametrize(
    ("typed", "secret", "answer"),
    [
        ("me\n", "s", {"username": "me", "password": "s"}),
        ("\n", "s", {"token": "s"}),
        ("me\n", "", {}),
    ],
)
def test_a_question_is_answered_with_a_user_and_password_a_token_or_nothing(typed, secret, answer, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    monkeypatch.setattr("getpass.getpass", lambda prompt: secret)
    assert credentials.asked() == answer


def test_a_local_folder_is_a_file_url(tmp_path):
    assert repository_url(str(tmp_path)) == tmp_path.as_uri()
    assert repository_url("git@example.org:a.git") == "git@example.org:a.git"
    with pytest.raises(SettingsError, match="password"):
        repository_url("https://a:b@example.org/x")


@contextlib.contextmanager
def unread():
    """The writing end of a pipe whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@pytest.mark.parametrize("command", [["jobs"], ["jobs", "--json"], ["version"], ["watch", "JOB"], ["clone", "URL"]])
def test_an_output_that_nobody_reads_ends_quietly_as_a_closed_pipe_does(hub, repositories, command, capsys):
    names = {"URL": (repositories / "small").as_uri()}
    assert main(["clone", names["URL"]]) == codes.SUCCEEDED
    capsys.readouterr()
    names["JOB"] = json.loads(run(capsys, "jobs", "--json", "--limit", "1")[1])["id"]
    command = [names.get(word, word) for word in command]
    with unread() as out:
        done = subprocess.run(
            [*COMMAND, *command], cwd=ROOT, stdout=out, stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False
        )
    assert (done.returncode, done.stderr) == (codes.UNREAD, b"")


def test_a_command_that_is_started_without_any_output_does_its_work(hub, repositories):
    arguments = shlex.join([*COMMAND, "clone", "--id", "no-output", (repositories / "small").as_uri()])
    done = subprocess.run(
        ["sh", "-c", f"{arguments} >&-"], cwd=ROOT, stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False
    )
    assert (done.returncode, done.stderr) == (codes.SUCCEEDED, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_an_output_on_a_full_disk_is_exit_code_1_and_a_sentence():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "version"], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False
        )
    assert done.returncode == codes.FAILED
    assert re.fullmatch(rb"progress-hub: [^\n]+\n", done.stderr)


def test_a_hub_goes_on_when_nobody_reads_what_it_says(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    command = [*COMMAND, "serve", "--data-dir", str(tmp_path), "--drain-s", "0", "--port", str(port)]
    with unread() as out:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.PIPE, text=True)
    with process:
        while "listening" not in process.stderr.readline():  # which comes before it says so itself
            assert process.poll() is None
        for _ in range(3):
            assert main(["jobs", "--hub", f"http://127.0.0.1:{port}"]) == codes.SUCCEEDED
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=DEADLINE_S)[1]
    assert (process.returncode, "Traceback" in said) == (codes.SUCCEEDED, False)


def test_what_is_said_to_nobody_is_dropped_and_so_is_the_rest(tmp_path):
    code = "from hub.cli.serving import _say; _say('a'); _say('b'); print('c')"
    with unread() as out:
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=out, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_ctrl_c_while_it_still_loads_is_quiet():
    code = """
import os, signal, sys
from hub.cli import main
class Impatient:
    def find_spec(self, name, *_):
        if name == "aiohttp":
            os.kill(os.getpid(), signal.SIGINT)
assert "aiohttp" not in sys.modules
sys.meta_path.insert(0, Impatient())
sys.exit(main(["jobs"]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=DEADLINE_S, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (codes.LEFT, b"", b"")


@contextlib.contextmanager
def answering(raw):
    """The URL of a server that says `raw` to whoever sends it something, and hangs up."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(65536)
            self.request.sendall(raw)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def as_json(text, status="200 OK"):
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n"
    return f"{head}Connection: close\r\n\r\n{text}".encode()


@pytest.mark.parametrize("command", [["jobs"], ["watch", "a"], ["cancel", "a"], ["clone", "https://example.org/a.git"]])
@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"",
        *map(as_json, ("{bad", "\xff", "[]", "{}", "null", '{"id": 1, "job": 2, "items": [3], "total": 4}')),
        as_json("null", "500 Internal Server Error"),
        as_json("", "302 Found\r\nLocation: ftp://example.org/"),
    ],
    ids=["ssh", "nothing", "no json", "no utf-8", "list", "empty", "null", "numbers", "error", "redirect"],
)
def test_what_is_no_hub_is_exit_code_5_and_a_sentence(command, raw, capsys):
    with answering(raw) as url:
        code, out, err = run(capsys, *command, "--hub", url)
    assert (code, out) == (codes.UNREACHABLE, "")
    assert re.fullmatch(r"progress-hub: [^\n]+\n", err)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org", "http://", "http://:8470", "http://h:99999", "http://h:0", "http://h:x", "http://[::1",
        "localhost:8470", "http://h?x", "http://a b/", "http://a..b", "http://h/\n",
    ],
)  # fmt: skip
def test_a_url_that_is_none_is_exit_code_2_and_a_sentence(url, capsys, monkeypatch):
    monkeypatch.setenv("HUB_URL", url)
    code, out, err = run(capsys, "jobs")
    assert (code, out) == (codes.USAGE, "")
    assert re.fullmatch(r"progress-hub: '[^\n]+' is not the URL of a hub: [^\n]+\.\n", err)


@pytest.mark.parametrize(
    "url",
    [
        "http://me:sesame@127.0.0.1:1",
        "http://me:ses/ame@h",
        "http://sesame@h",
        "ftp://me:sesame@h",
        "me:sesame@h:999999",
    ],
)  # fmt: skip
def test_a_password_in_the_hubs_url_is_refused_and_not_repeated(url, capsys, monkeypatch):
    monkeypatch.setenv("HUB_URL", url)
    code, out, err = run(capsys, "jobs")
    assert code == codes.USAGE
    assert "User names and passwords" in err
    with pytest.raises(SystemExit):
        main(["jobs", "--help"])
    assert "ame" not in re.sub("names?", "", out + err + capsys.readouterr().out)


def test_version_is_the_packages(capsys):
    assert run(capsys, "version")[1] == f"progress-hub {__version__}\n"


def test_help_teaches_exit_codes_and_environment(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    for word in ("examples:", "exit codes:", "130", "HUB_URL", "NO_COLOR", "serve --demo"):
        assert word in out


def test_an_empty_list_of_jobs_says_how_to_start_one():
    assert table({"items": [], "total": 0}, 0) == ["No jobs. Start one: progress-hub clone URL"]


def test_a_list_of_jobs_says_what_it_leaves_out():
    lines = table({"items": [JOB.to_wire()], "total": 3}, 65_000)
    assert " ".join(lines[1].split()) == "0190 demo clone running 43 % 1 min 5 s ago 1 min 5 s"
    assert lines[-1] == "... and 2 more; see --limit"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org", "::"])
def test_a_hub_does_not_listen_beyond_loopback_and_says_what_to_do(host, tmp_path, capsys):
    code, _, err = run(capsys, "serve", "--host", host, "--port", "0", "--data-dir", str(tmp_path))
    assert code == codes.USAGE
    assert f"others reach the hub at {host}" in err
    assert f"progress-hub token create --role admin --data-dir {tmp_path}" in err


@pytest.mark.parametrize("flags", [("--host", "unix:{}/none/hub.sock"), ("--data-dir", "{}/file")])
def test_a_place_that_cannot_be_used_is_named_once(flags, tmp_path, capsys):
    (tmp_path / "file").touch()
    place = flags[1].format(tmp_path)
    code, _, err = run(capsys, "serve", "--port", "0", "--data-dir", str(tmp_path / "data"), flags[0], place)
    assert code == codes.FAILED
    told = err.strip().splitlines()[-1]
    assert told.startswith(f"progress-hub: {place.removeprefix('unix:')}: ")
    assert "Errno" not in told


def test_a_taken_port_is_told_with_a_way_out(hub, tmp_path, capsys):
    code, _, err = run(capsys, "serve", "--port", str(hub.port), "--data-dir", str(tmp_path))
    assert code == codes.FAILED
    assert "--port 0" in err


def test_two_hubs_do_not_share_a_data_folder(tmp_path, capsys):
    with Served(tmp_path):
        code, _, err = run(capsys, "serve", "--port", "0", "--data-dir", str(tmp_path))
    assert code == codes.FAILED
    assert "Another hub" in err


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_hub_that_is_told_to_stop_ends_well(how, tmp_path):
    served = Served(tmp_path)
    served.start()
    assert served.stop(how) == codes.SUCCEEDED


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_a_pipe_gets_a_line_at_each_stage_and_each_tenth():
    out = io.StringIO()
    view = PlainScreen(out)
    for percent in range(100):
        view.show(with_progress(percent=float(percent)))
    view.end(ended(State.SUCCEEDED))
    lines = out.getvalue().splitlines()
    assert len(lines) == 11
    assert "\r" not in out.getvalue()
    assert "\x1b" not in out.getvalue()


def test_a_terminal_gets_one_line_that_moves_and_finished_stages_above_it(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    view = TerminalScreen(out)
    for percent in (1.0, 2.0, 2.0):
        view.show(with_progress(percent=percent))
    view.end(ended(State.SUCCEEDED))
    text = out.getvalue()
    assert text.count("Connecting") == 1
    assert text.count("Receiving objects") == 2, "the same line is not drawn twice"
    assert text.count("\n") == 2
    assert "\x1b[3" not in text


@pytest.mark.parametrize("make", [PlainScreen, TerminalScreen])
def test_a_lost_connection_is_told_once_and_its_return_too(make):
    out = Terminal()
    view = make(out)
    view.show(JOB)
    for _ in range(2):
        view.link(Link(transport="sse", live=False, retry_s=2.0, why="gone"))
    view.link(Link(transport="sse", live=True))
    view.show(replace(JOB, progress=replace(PROGRESS, percent=44.0)))
    assert out.getvalue().count("Connection lost (gone)") == 1


def test_warnings_of_the_job_are_shown_as_text():
    out = Terminal()
    PlainScreen(out).message({"type": "log", "level": "warning", "message": "odd \x1b[2J"})
    PlainScreen(out).message({"type": "log", "level": "info", "message": "usual"})
    assert out.getvalue() == "warning: odd [2J\n"


def test_json_is_one_line_whatever_is_in_it():
    out = io.StringIO()
    JsonScreen(out).message({"type": "log", "message": "a\nb\u2028"})
    assert out.getvalue().splitlines() == [r'{"type":"log","message":"a\nb\u2028"}']
