"""`schedules`, `webhooks`, `history` and `statistics` against a real hub."""

import csv
import http.server
import io
import json
import time

import pytest

from hub.cli import codes, main
from hub.cli.arguments import param
from hub.cli.schedules import seconds
from hub.cli.tables import aligned
from tests.processes import HubProcess
from tests.servers import serving

DEADLINE_S = 30


@pytest.fixture(autouse=True)
def logs(monkeypatch):
    monkeypatch.setattr("hub.web.logs.configure", lambda *_: None)  # this process's logs are pytest's


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    (folder / "code").mkdir()
    hub = HubProcess(folder / "data", "--roots", str(folder))
    hub.call("POST", "projects", {"path": str(folder / "code"), "id": "p"})
    job = hub.call("POST", "projects/p/jobs", {"kind": "index"})
    deadline = time.monotonic() + DEADLINE_S
    while hub.call("GET", f"jobs/{job['id']}")["state"] not in {"succeeded", "failed"}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield hub
    hub.close()


@pytest.fixture
def hub(served, monkeypatch):
    monkeypatch.setenv("HUB_URL", served.url.rstrip("/"))
    return served


@pytest.fixture
def receiver():
    """Its URL, and the statuses that it is to answer with before it goes over to 200."""
    statuses = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(statuses.pop(0) if statuses else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with serving(Receiver) as port:
        yield f"http://127.0.0.1:{port}/hook", statuses


def run(capsys, *arguments):
    code = main(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


def test_a_schedule_is_made_listed_paused_resumed_run_and_removed(hub, capsys):
    code, out, _ = run(capsys, "schedules", "list")
    assert (code, "schedules add" in out) == (codes.SUCCEEDED, True)
    code, out, _ = run(capsys, "schedules", "add", "p", "index", "--every", "6h", "--name", "fresh")
    assert (code, "comes next at: " in out, out.count(",")) == (codes.SUCCEEDED, True, 2)
    made = out.split()[0]
    _, out, _ = run(capsys, "schedules", "list", "--project", "p")
    heading, row = out.splitlines()
    assert heading.split() == ["SCHEDULE", "PROJECT", "KIND", "WHEN", "NEXT", "LAST", "NAME"]
    assert "every 6 h" in row
    assert row.endswith("fresh")
    assert "is paused" in run(capsys, "schedules", "pause", made)[1]
    assert "  paused  " in run(capsys, "schedules", "list")[1]
    assert "comes next" in run(capsys, "schedules", "resume", made)[1]
    code, out, _ = run(capsys, "schedules", "run", "--json", made)
    assert (code, json.loads(out)["scheduled_by"]) == (codes.SUCCEEDED, made)
    assert "is removed" in run(capsys, "schedules", "remove", made)[1]
    code, out, err = run(capsys, "schedules", "remove", made)
    assert (code, out, made in err) == (codes.USAGE, "", True)


def test_a_schedule_by_the_calendar_says_its_zone_and_json_is_the_api(hub, capsys):
    arguments = ("--cron", "0 3 * * MON-FRI", "--timezone", "Europe/Berlin", "--paused", "--json", "--attempts", "3")
    code, out, _ = run(capsys, "schedules", "add", "p", "index", *arguments)
    made = json.loads(out)
    assert made["retry"] == {"attempts": 3}
    assert (code, made["cron"], made["timezone"], made["is_paused"]) == (0, "0 3 * * MON-FRI", "Europe/Berlin", True)
    listed = [json.loads(line) for line in run(capsys, "schedules", "list", "--json")[1].splitlines()]
    assert [each["id"] for each in listed] == [made["id"]]
    assert "0 3 * * MON-FRI Europe/Berlin" in run(capsys, "schedules", "list")[1]
    run(capsys, "schedules", "remove", made["id"])


def test_a_webhook_is_made_tested_listed_and_removed(hub, receiver, capsys):
    url, statuses = receiver
    assert "webhooks add" in run(capsys, "webhooks", "list")[1]
    code, out, _ = run(capsys, "webhooks", "add", url, "--kinds", "clone, index", "--states", "failed")
    made, secret, *_ = out.splitlines()
    assert (code, secret.startswith("secret: whsec_")) == (codes.SUCCEEDED, True)
    code, out, _ = run(capsys, "webhooks", "test", made)
    assert (code, "answered 200" in out) == (codes.SUCCEEDED, True)
    assert run(capsys, "webhooks", "change", made, "--states", "failed,interrupted", "--name", "ci")[0] == 0
    assert "clone,index failed,interrupted" in run(capsys, "webhooks", "list")[1]
    code, out, err = run(capsys, "webhooks", "change", made)
    assert (code, out, "--states" in err) == (codes.USAGE, "", True)
    statuses.append(503)
    code, out, _ = run(capsys, "webhooks", "test", made)
    assert (code, "503" in out) == (codes.FAILED, True)
    _, out, _ = run(capsys, "webhooks", "list")
    assert "clone,index failed" in out
    assert "whsec_" not in out
    _, out, _ = run(capsys, "webhooks", "deliveries", made)
    assert [line.split()[3:6] for line in out.splitlines()[1:]] == [
        ["test)", "failed", "1"],
        ["test)", "delivered", "1"],
    ]
    assert "... and 1 more" in run(capsys, "webhooks", "deliveries", made, "--limit", "1")[1]
    assert "enabled" in run(capsys, "webhooks", "enable", made)[1]
    assert "is removed" in run(capsys, "webhooks", "remove", made)[1]


def test_history_is_lines_for_people_and_files_for_programs(hub, capsysbinary, tmp_path):
    assert main(["watch", "p"]) in {codes.SUCCEEDED, codes.FAILED}  # the jobs of other tests come to their end
    capsysbinary.readouterr()
    assert main(["history", "p"]) == codes.SUCCEEDED
    lines = capsysbinary.readouterr().out.decode().splitlines()
    assert "queued" in lines[0]
    assert "succeeded" in lines[-1] or "failed" in lines[-1]
    assert main(["history", "p", "--format", "ndjson", "--type", "job", "--order", "desc"]) == codes.SUCCEEDED
    events = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert [event["seq"] for event in events] == sorted((event["seq"] for event in events), reverse=True)
    assert {event["type"] for event in events} == {"job"}
    assert main(["history", "p", "--format", "csv", "--output", str(tmp_path / "h.csv")]) == codes.SUCCEEDED
    assert capsysbinary.readouterr().out == b""
    table = list(csv.DictReader(io.StringIO((tmp_path / "h.csv").read_text(), newline="")))
    assert len(table) == len(lines)
    assert [path.name for path in tmp_path.iterdir()] == ["h.csv"]


def test_a_file_that_cannot_be_had_leaves_nothing_behind(hub, capsys, tmp_path):
    code, _, err = run(capsys, "history", "p", "--since", "yesterday", "--output", str(tmp_path / "h"))
    assert (code, "since" in err) == (codes.USAGE, True)
    assert list(tmp_path.iterdir()) == []
    code, _, err = run(capsys, "history", "none")
    assert (code, "none" in err) == (codes.USAGE, True)


def test_statistics_are_a_table(hub, capsys):
    code, out, _ = run(capsys, "statistics", "--stages")
    heading, row, *_ = out.splitlines()
    assert (code, heading.split()[:4], row.split()[:2]) == (0, ["PROJECT", "KIND", "RUNS", "SUCCEEDED"], ["p", "index"])
    item = json.loads(run(capsys, "statistics", "--json", "--project", "p", "--kind", "index")[1])
    assert item["runs"] >= 1
    assert "No job has ended" in run(capsys, "statistics", "--kind", "sync")[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["schedules", "add", "p", "index", "--every", "1s"], "60"),
        (["schedules", "add", "p", "index", "--cron", "every day"], "five fields"),
        (["schedules", "add", "none", "index", "--every", "1h"], "none"),
        (["schedules", "pause", "none"], "none"),
        (["webhooks", "add", "https://10.0.0.1/"], "private"),
        (["webhooks", "test", "none"], "none"),
        (["statistics", "--days", "0"], "days"),
    ],
)
def test_what_cannot_be_is_exit_code_2_and_a_sentence(hub, arguments, said, capsys):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (codes.USAGE, "")
    assert err.startswith("progress-hub: ")
    assert said in err


@pytest.mark.parametrize(
    "arguments",
    [["schedules"], ["schedules", "add", "p", "index"], ["schedules", "add", "p", "index", "--every", "soon"],
     ["schedules", "add", "p", "x", "--every", "1h", "--cron", "* * * * *"], ["webhooks", "add"], ["history"],
     ["schedules", "add", "p", "x", "--every", "1h", "--param", "depth"]],
)  # fmt: skip
def test_wrong_usage_is_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == codes.USAGE


@pytest.mark.parametrize("arguments", [["schedules", "list"], ["webhooks", "list"], ["history", "p"], ["statistics"]])
def test_no_hub_is_exit_code_5(arguments, capsys, monkeypatch):
    monkeypatch.setenv("HUB_URL", "http://127.0.0.1:1")
    code, _, err = run(capsys, *arguments)
    assert (code, "progress-hub serve" in err) == (codes.UNREACHABLE, True)


@pytest.mark.parametrize("arguments", [["schedules"], ["schedules", "add"], ["webhooks"], ["history"], ["statistics"]])
def test_help_teaches_by_example(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--help"])
    assert stopped.value.code == 0
    assert "examples:\n  progress-hub " in capsys.readouterr().out


def test_times_and_parameters_are_read_as_people_write_them():
    assert [seconds(text) for text in ("90", "90s", "1.5m", "6h", "1d")] == [90, 90, 90, 21_600, 86_400]
    assert [param(text) for text in ("depth=1", "bare=true", "branch=main", "x=a=b")] == [
        ("depth", 1), ("bare", True), ("branch", "main"), ("x", "a=b"),
    ]  # fmt: skip


def test_columns_are_aligned_by_what_is_seen():
    assert aligned([("A", "B"), ("漢字", "x"), ("a", "")]) == ["A     B", "漢字  x", "a"]
