"""`progress-hub settings`: every value, and where it comes from."""

import dataclasses
import json
import urllib.request
from pathlib import Path

import pytest

from hub.settings import Settings, default_config, unknown_variables
from tests.operations.conftest import Cli
from tests.processes import HubProcess


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config" / "progress-hub" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text("port = 1111\nring_size = 7\nheartbeat_s = 3\n")
    return path


def test_each_value_is_told_with_its_source(cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_RING_SIZE", "8")
    monkeypatch.setenv("HUB_PORT", "2222")
    told = json.loads(cli("settings", "--json", "--port", "3333").stdout)
    rows = {row["id"]: row for row in told["settings"]}
    assert list(rows) == [field.name for field in dataclasses.fields(Settings)]
    assert (rows["port"]["value"], rows["port"]["source"]) == (3333, "--port")
    assert (rows["ring_size"]["value"], rows["ring_size"]["source"]) == (8, "HUB_RING_SIZE")
    assert (rows["heartbeat_s"]["value"], rows["heartbeat_s"]["source"]) == (3.0, str(config))
    assert (rows["drain_s"]["value"], rows["drain_s"]["source"]) == (5.0, "default")
    assert (told["config"], told["warnings"]) == (str(config), [])


def test_the_same_is_readable(cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_RIGN_SIZE", "8")
    done = cli("settings")
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert rows["port"] == ["1111", str(config)]
    assert rows["durable_power"] == ["off", "default"]
    assert "HUB_RIGN_SIZE is no setting, so it has no effect; is HUB_RING_SIZE meant?" in done.stdout


def test_another_file_takes_the_place_of_the_usual_one(
    cli: Cli, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.toml"
    other.write_text("ring_size = 9\n")
    for arguments, environ in ((["--config", other], {}), ([], {"HUB_CONFIG": str(other)})):
        with monkeypatch.context() as patched:
            for name, text in environ.items():
                patched.setenv(name, text)
            rows = {row["id"]: row for row in json.loads(cli("settings", "--json", *arguments).stdout)["settings"]}
        assert (rows["port"]["source"], rows["ring_size"]["value"]) == ("default", 9)


def test_a_wrong_file_is_named(cli: Cli, config: Path) -> None:
    config.write_text("prot = 1\n")
    done = cli("settings")
    assert (done.returncode, str(config) in done.stderr, "prot" in done.stderr) == (2, True, True)


def test_the_usual_place_follows_the_xdg_specification(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "progress-hub" / "config.toml"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_config() is None
    file.parent.mkdir()
    file.touch()
    assert default_config() == file
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative/is/ignored")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_config() is None
    (tmp_path / ".config").mkdir()
    file.parent.rename(tmp_path / ".config" / "progress-hub")
    assert default_config() == tmp_path / ".config" / "progress-hub" / "config.toml"


def test_only_what_looks_like_a_setting_and_is_none_is_strange() -> None:
    environ = {"HUB_PORT": "1", "HUB_URL": "x", "HUB_TOKEN": "x", "HUB_CONFIG": "x", "PATH": "x", "HUB_ZZZZZZZZ": "x"}
    assert unknown_variables(environ) == {"HUB_ZZZZZZZZ": ""}


def test_the_hub_reads_the_usual_file_too(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config.parents[1]))
    config.write_text("heartbeat_s = 0.125\n")
    hub = HubProcess(tmp_path / "data")
    try:
        hub.call("POST", "projects", {"id": "p"})

        request = urllib.request.Request(f"{hub.url}api/v1/events", headers={"Accept": "text/event-stream"})
        with urllib.request.urlopen(request, timeout=20) as stream:
            hello = next(line for line in stream if b'"hello"' in line)
        assert b'"heartbeat_s":0.125' in hello.replace(b" ", b"")
    finally:
        hub.close()
