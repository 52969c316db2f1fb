"""Tokens from the command line, beside a hub that runs as a process of its own; and clients that bring one."""

import contextlib
import dataclasses
import io
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.cli import codes, main
from hub.cli.options import parser
from hub.client import Client, HubRefused, WrongToken
from tests.processes import HubProcess


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    process = HubProcess(tmp_path_factory.mktemp("hub") / "data", "--spare-children", "0", "--drain-s", "0.1")
    yield process
    process.close()


@pytest.fixture(scope="module")
def admin(process: HubProcess) -> str:
    return made(process, "--role", "admin", "--name", "ann")


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    stdout: str
    stderr: str


def told(process: HubProcess, *words: str, code: int = 0, **environment: str) -> Told:
    """In this process: starting another takes a second."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith("HUB_")]:
            patched.delenv(name)
        for name, value in ({"HUB_URL": process.url, "HUB_DATA_DIR": str(process.data_dir)} | environment).items():
            patched.setenv(name, value)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                found = main(words)
            except SystemExit as exc:  # argparse's
                found = exc.code
    assert found == code, err.getvalue()
    return Told(out.getvalue(), err.getvalue())


def made(process: HubProcess, *words: str, admin: str = "") -> str:
    return noticed(process, str(json.loads(told(process, "token", "create", "--json", *words).stdout)["token"]), admin)


def noticed(process: HubProcess, token: str, admin: str = "") -> str:
    """The same, once the hub knows of it. Trying it until then would be guessing; without an admin it is the first."""

    def is_known() -> bool:
        if not admin:
            return bool(process.call("GET", "session")["needed"])
        items = process.call("GET", f"tokens?access_token={admin}")["items"]
        return token.split("_")[1] in [each["id"] for each in items]

    deadline = time.monotonic() + 20
    while not is_known():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return token


def listed(process: HubProcess, *words: str, **environment: str) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for line in told(process, "token", "list", "--json", *words, **environment).stdout.split("\n")
        if line
    ]


def test_a_token_is_made_listed_and_revoked_beside_the_hub(process: HubProcess, admin: str) -> None:
    shown = told(process, "token", "create", "--role", "run", "--role", "publish", "--project", "p", "--expires", "2h")
    text, _, advice = shown.stdout.partition("\n")
    assert text.startswith("hub_")
    noticed(process, text, admin)
    assert "shown once" in advice
    row = listed(process)[-1]
    assert (row["roles"], row["projects"]) == (["run", "publish"], ["p"])
    assert row["expires"] - row["created"] == 2 * 3600 * 1000
    assert text.split("_", 2)[2] not in json.dumps(listed(process))
    assert [each["id"] for each in listed(process, "--hub", process.url, HUB_TOKEN=admin)] == [
        each["id"] for each in listed(process)
    ]
    assert row["id"] in told(process, "token", "list").stdout
    told(process, "token", "revoke", row["id"])
    assert row["id"] not in told(process, "token", "list").stdout
    assert [each["revoked"] is not None for each in listed(process, "--revoked") if each["id"] == row["id"]] == [True]
    refused = told(process, "token", "revoke", row["id"], code=codes.FAILED)
    assert "revoked already" in refused.stderr


def test_over_the_hub_an_admin_does_the_same_from_elsewhere(process: HubProcess, admin: str) -> None:
    there = ("--hub", process.url)
    answer = told(process, "token", "create", "--json", "--role", "watch", "--expires", "1d", *there, HUB_TOKEN=admin)
    watch = json.loads(answer.stdout)
    refused = told(process, "token", "list", *there, code=codes.CLOSED, HUB_TOKEN=watch["token"])
    assert "role admin" in refused.stderr
    told(process, "token", "revoke", watch["id"], *there, HUB_TOKEN=admin)
    assert watch["id"] not in [each["id"] for each in listed(process)]


def test_a_command_without_a_right_says_what_to_do_and_has_its_own_exit_code(
    process: HubProcess, admin: str, tmp_path: Path
) -> None:
    for words in (
        ("jobs",),
        ("watch", "p"),
        ("search", "x"),
        ("history", "p"),
        ("schedules", "list"),
        ("clone", "https://example.org/x"),
    ):
        refused = told(process, *words, code=codes.CLOSED)
        assert "HUB_TOKEN" in refused.stderr
        assert "--token-file" in refused.stderr
    path = tmp_path / "token"
    path.write_text(f"{admin}\n")
    assert told(process, "jobs", "--token-file", str(path)).stdout
    assert told(process, "jobs", HUB_TOKEN_FILE=str(path)).stdout
    assert told(process, "jobs", HUB_TOKEN=admin).stdout
    assert "No such file" in told(process, "jobs", "--token-file", str(tmp_path / "no"), code=codes.USAGE).stderr
    wrong = told(process, "jobs", code=codes.USAGE, HUB_TOKEN="two words")
    assert "two words" not in wrong.stderr
    revoked = told(process, "jobs", code=codes.CLOSED, HUB_TOKEN="hub_0000000000_" + "x" * 43)
    assert "x" * 43 not in revoked.stderr


def test_no_option_takes_a_token_itself() -> None:
    """Others could read it in the process list."""
    for words in (["jobs"], ["token", "list"], ["watch", "p"], ["run", "x"]):
        options = vars(parser().parse_args(words))
        assert not {"token", "access_token", "hub_token"} & options.keys()


@pytest.mark.parametrize(
    "words",
    [("create",), ("create", "--role", "king"), ("create", "--role", "watch", "--expires", "soon"), ("revoke",),
     ("create", "--role", "watch", "--project", "No Slug"), ("create", "--role", "admin", "--project", "p")],
    ids=" ".join,
)  # fmt: skip
def test_what_makes_no_sense_is_told_and_makes_nothing(process: HubProcess, admin: str, words: tuple[str, ...]) -> None:
    before = [each["id"] for each in listed(process, "--revoked")]
    told(process, "token", *words, code=codes.USAGE)
    assert [each["id"] for each in listed(process, "--revoked")] == before


def test_a_watch_link_is_printed_and_all_are_made_void(process: HubProcess, admin: str) -> None:
    with Client.sync(process.url, token=admin) as hub:
        hub.create_project(id="linked")
    url = told(process, "watch-link", "linked", "--expires", "1h", HUB_TOKEN=admin).stdout.split("\n")[0]
    assert url.startswith(f"{process.url}api/v1/projects/linked/events?watch=hubwatch_")
    assert told(process, "watch-link", "--rotate").stdout == "Every watch link is void.\n"
    told(process, "watch-link", code=codes.USAGE)
    told(process, "watch-link", "linked", "--rotate", code=codes.USAGE)


def test_programs_bring_their_token_to_whatever_they_ask_publish_and_watch(process: HubProcess, admin: str) -> None:
    publisher = made(process, "--role", "publish", "--project", "site", admin=admin)
    with Client.sync(process.url, token=publisher) as hub:
        with hub.job("train", project="site", total=2) as job:
            job.update(2)
        assert hub.state(job.id).state == "succeeded", "it may read what it publishes to"
        assert [message["type"] for message in hub.watch(job=job.id)] == ["snapshot"]
        for ask in (lambda: hub.start("clone", project="site"), lambda: hub.project("linked"), hub.jobs):
            with pytest.raises(HubRefused) as refused:
                ask()
            assert (refused.value.status, refused.value.narrow_code) == (403, "forbidden")
    with Client.sync(process.url, token=admin) as hub:
        assert [job.project for job in hub.jobs()] == ["site"]


def test_without_a_token_a_program_is_told_so(process: HubProcess, admin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUB_TOKEN", raising=False)
    with Client.sync(process.url) as hub, pytest.raises(HubRefused) as refused:
        hub.jobs()
    assert (refused.value.status, refused.value.narrow_code) == (401, "unauthorised")
    monkeypatch.setenv("HUB_TOKEN", admin)
    with Client.sync(process.url) as hub:
        hub.jobs()
    with pytest.raises(WrongToken) as wrong:
        Client.sync(process.url, token="secret\r\nX: y")
    assert "secret" not in str(wrong.value)
