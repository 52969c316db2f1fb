"""What a stranger installs: the built wheel, in an environment of its own, far from the checkout."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import urllib.request
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hub import __version__, assets

ROOT = Path(__file__).parents[1]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "LICENSE-THIRD-PARTY.md", "CHANGELOG.md", "hub", "static")
PYTHONS = ("3.11", "3.12", "3.13")
SAFELY = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""Debian's 3.11 does not know it yet; from 3.12 on it is asked for."""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy, so that the checkout stays as it is."""
    source = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    return source


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    return built("wheel", source, tmp_path_factory.mktemp("wheel"))


def built(what, source, folder):
    hatch = f"import sys, hatchling.build; print(hatchling.build.build_{what}(sys.argv[1]))"
    command = [sys.executable, "-c", hatch, str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=60)
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The interpreter of an environment that holds the wheel, and our own dependencies by reference."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    # Dependencies come from this environment, by path; its own (editable) progress-hub comes after the wheel's.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "python"


def run(python, *arguments, cwd):
    return subprocess.run(
        [str(python), *arguments], cwd=cwd, check=True, capture_output=True, text=True, timeout=60
    ).stdout


def test_the_wheel_holds_the_page_and_the_licence(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "hub/_static/index.html" in names
    for licence in ("LICENSE", "LICENSE-THIRD-PARTY.md"):
        assert any(name.endswith(f"/licenses/{licence}") for name in names)
    static = {str(path.relative_to(ROOT / "static")) for path in (ROOT / "static").rglob("*") if path.is_file()}
    assert {f"hub/_static/{name}" for name in static} <= names


def test_the_wheel_holds_everything_of_the_package_and_no_tests(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    ours = {str(path.relative_to(ROOT)) for path in (ROOT / "hub").rglob("*") if path.is_file()}
    assert {name for name in ours if "__pycache__" not in name} <= names
    assert not [name for name in names if name.startswith("tests/")]


def test_installed_it_runs_and_finds_its_page(python, tmp_path):
    assert "usage: progress-hub" in run(python, "-m", "hub", "--help", cwd=tmp_path)
    told = run(python, "-c", "import hub, hub.assets; print(hub.__file__, hub.assets.static_dir())", cwd=tmp_path)
    package, static = map(Path, told.split())
    assert str(ROOT) not in told
    assert static == package.parent / "_static"
    assert (static / "index.html").is_file()


def test_the_command_is_the_module(python, wheel, tmp_path):
    entries = next(name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("entry_points.txt"))
    assert "progress-hub = hub.cli:main" in zipfile.ZipFile(wheel).read(entries).decode()
    assert run(python, "-m", "hub", "version", cwd=tmp_path) == f"progress-hub {__version__}\n"


def test_the_source_distribution_builds_the_same_wheel(source, wheel, tmp_path):
    (tmp_path / "sdist").mkdir()
    (tmp_path / "wheel").mkdir()
    packed = built("sdist", source, tmp_path / "sdist")
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path / "unpacked", **SAFELY)
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert contents(built("wheel", unpacked, tmp_path / "wheel")) == contents(wheel)


def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def interpreter(version):
    """A Python of that version on this machine; None where there is none."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [*kept.glob(f"{version}.*/bin/python"), shutil.which(f"python{version}")]
    return next((str(path) for path in found if path), None)


@pytest.mark.parametrize("version", PYTHONS)
@pytest.mark.timeout(400)
def test_from_an_empty_environment_to_a_job_that_is_done(version, wheel, tmp_path):
    """The wheel, and what it asks for, and nothing else: as `pip install` brings it."""
    python = interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    folder = tmp_path / "installed"
    subprocess.run([python, "-m", "venv", folder], check=True, timeout=100)
    installing = [folder / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", wheel]
    done = subprocess.run(installing, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode and "CI" not in os.environ:
        pytest.skip(f"packages cannot be had: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr
    work_a_while([folder / "bin" / "progress-hub"], tmp_path)
    assert not list(folder.rglob("*/pytest")), "no package of the tests came along"


def work_a_while(program, folder):
    """Start the hub, look at it from outside, clone a repository on it, and stop it."""
    program, away = list(map(str, program)), folder / "away"
    away.mkdir()
    repository = folder / "repository"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(repository)]
    subprocess.run(["git", "init", "-q", "-b", "main", str(repository)], check=True)
    (repository / "a.txt").write_text("hello")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    clean = {"PATH": os.environ["PATH"], "HOME": str(away)}
    flags = ["--port", "0", "--data-dir", str(folder / "data"), "--roots", str(folder)]
    with subprocess.Popen([*program, "serve", *flags], cwd=away, env=clean, stdout=subprocess.PIPE, text=True) as hub:
        try:
            url = re.search(r"http://[\d.]+:\d+", hub.stdout.readline())[0]
            answers = {"/": b"<!doctype html>", "/metrics": b"progress_hub_build_info", "/readyz": b'"ok"'}
            for path, said in answers.items():
                with urllib.request.urlopen(url + path, timeout=20) as response:
                    assert said in response.read().lower()
            for command in (["clone", f"file://{repository}"], ["start", "index", "--all"], ["watch", "repository"]):
                done = subprocess.run(
                    [*program, *command, "--hub", url], cwd=away, env=clean, capture_output=True, text=True,
                    timeout=60, check=False,
                )  # fmt: skip
                assert done.returncode == 0, done.stdout + done.stderr
        finally:
            hub.terminate()
    assert hub.returncode == 0
    told = subprocess.run([*program, "recipe", "nginx"], cwd=away, env=clean, capture_output=True, check=True)
    assert b"proxy_pass" in told.stdout
    checked = [*program, "doctor", "--data-dir", str(folder / "data")]
    assert subprocess.run(checked, cwd=away, env=clean, capture_output=True, check=False).returncode == 0


def test_every_package_that_comes_along_is_listed_with_its_licence():
    table = (ROOT / "LICENSE-THIRD-PARTY.md").read_text()
    listed = dict(re.findall(r"^\| ([a-z0-9-]+) \| (.+) \|$", table, re.MULTILINE))
    listed.pop("package")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    waiting, found = [*project["dependencies"], *project["optional-dependencies"]["fast"]], set()
    while waiting:
        wanted = Requirement(waiting.pop())
        name = canonicalize_name(wanted.name)
        if name not in found and (wanted.marker is None or wanted.marker.evaluate({"extra": ""})):
            found.add(name)
            waiting += metadata.requires(name) or []
    assert found <= set(listed)
    copyleft = {name for name, licence in listed.items() if "GPL" in licence}
    assert copyleft == {"pygit2"}, "with a linking exception; any other would bind the hub"


def test_in_a_checkout_the_page_is_the_one_beside_the_package():
    assert assets.static_dir() == ROOT / "static"


def test_an_installation_without_the_page_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(assets, "PLACES", (tmp_path,))
    with pytest.raises(FileNotFoundError, match=r"no index\.html"):
        assets.static_dir()


def test_the_scripts_can_be_run():
    for script in ("tests/run", ".ci/run"):
        assert os.access(ROOT / script, os.X_OK)
        assert subprocess.run(["sh", "-n", script], cwd=ROOT, check=False).returncode == 0


def test_the_test_script_explains_itself():
    told = subprocess.run(["tests/run", "--help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for word in ("all", "quick", "lint", "CI=true"):
        assert word in told


def test_every_marker_that_quick_leaves_out_is_one_that_exists():
    markers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
    left_out = re.search(r'machine="( and .+?)"', (ROOT / "tests" / "run").read_text())[1]
    assert set(re.findall(r"not (\w+)", left_out)) <= {marker.partition(":")[0] for marker in markers}
