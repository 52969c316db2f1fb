"""A data folder with something of everything in it, and the program as its user calls it."""

import contextlib
import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub.cli import main
from tests.processes import HubProcess

ROOT = Path(__file__).parents[2]
Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run `progress-hub` within this process, in an environment without settings of this machine."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = list(map(str, arguments))
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            try:
                code = main(command)
            except SystemExit as exc:
                code = int(exc.code or 0)
        return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The same as a process of its own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hub", *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A repository to clone, of a few hundred files."""
    folder = tmp_path / "source"
    (folder / "deep" / "er").mkdir(parents=True)
    for number in range(200):
        (folder / "deep" / "er" / f"{number}.py").write_text(f"def f{number}():\n    return {number}\n" * 20)
    (folder / "link").symlink_to("deep")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(folder)]
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *arguments], check=True, capture_output=True)
    return folder


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubProcess]:
    process = HubProcess(tmp_path / "data", "--roots", str(tmp_path), "--drain-s", "0.2")
    yield process
    process.close()
