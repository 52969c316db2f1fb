"""What a stranger installs: the built wheel, in an environment of its own, far from the checkout."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from hub import __version__, assets

ROOT = Path(__file__).parents[1]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "hub", "static")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, so that the checkout stays as it is."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    hatch = "import sys, hatchling.build; print(hatchling.build.build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", hatch, str(built)], cwd=source, check=True, capture_output=True, timeout=60)
    (path,) = built.glob("*.whl")
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
    assert any(name.endswith("/licenses/LICENSE") for name in names)
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
