"""Who may import what: arrows point to `core`, and each library is met in one place."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HUB = Path(__file__).parents[1] / "hub"
GRAMMARS = {
    f"tree_sitter_{language}"
    for language in [
        "python",
        "javascript",
        "typescript",
        "go",
        "rust",
        "java",
        "c",
        "cpp",
        "ruby",
        "php",
        "c_sharp",
        "bash",
    ]
}
OURS, THEIRS = 0, 1
MAY_IMPORT: dict[str, tuple[set[str], set[str]]] = {  # layer: its layers, its third-party packages
    "core": (set(), set()),
    "settings": (set(), set()),
    "assets": (set(), set()),
    "sql": (set(), set()),
    "git_folders": (set(), set()),
    "key_files": (set(), set()),
    "journal": ({"core", "sql"}, {"aiosqlite"}),
    "backplane": ({"core"}, set()),
    "transports": ({"core"}, {"aiohttp", "multidict"}),
    "surfaces": ({"core", "transports"}, {"aiohttp"}),
    "commits": ({"core", "sql", "git_folders"}, {"pygit2"}),
    "index": ({"core", "git_folders"}, {"numpy", "pathspec", "pygit2", "tree_sitter", *GRAMMARS}),
    "snapshots": ({"core", "sql"}, {"obstore", "zstandard"}),
    "jobs": ({"core", "commits", "git_folders", "index", "key_files", "snapshots"}, {"cronsim", "pygit2"}),
    "webhooks": ({"core", "jobs", "key_files"}, {"aiohttp", "yarl"}),
    "access": ({"core", "key_files"}, set()),
    "client": ({"core"}, {"aiohttp"}),
    "words": ({"core"}, set()),
    "terminal": ({"core", "words"}, set()),
    "demo": ({"core", "client", "settings"}, {"aiohttp", "pygit2"}),
    "web": (
        {
            "core",
            "settings",
            "assets",
            "journal",
            "backplane",
            "transports",
            "surfaces",
            "webhooks",
            "jobs",
            "commits",
            "index",
            "snapshots",
            "access",
            "words",
        },
        {"aiohttp", "prometheus_client", "yarl"},
    ),
    "backups": ({"core", "sql"}, {"zstandard"}),
    "doctor": (
        {"core", "settings", "sql", "backups", "client", "jobs", "journal", "commits", "snapshots", "words"},
        {"aiohttp", "pygit2"},
    ),
    "cli": (
        {
            "access",
            "backups",
            "core",
            "doctor",
            "jobs",
            "journal",
            "settings",
            "web",
            "client",
            "terminal",
            "demo",
            "words",
        },
        {"uvloop"},
    ),
}
WITHOUT_IO = {"asyncio", "socket", "sqlite3", "subprocess", "threading", "pathlib", "time", "os", "logging"}
IO_IN_CORE = {"ids.py": {"os", "threading", "time"}}  # a clock and randomness are what an id is made of


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write absolute imports"
            assert node.module is not None
            yield node.module


def modules() -> list[Path]:
    return sorted(path for path in HUB.rglob("*.py") if path.parent != HUB or not path.name.startswith("__"))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(HUB)))
def test_a_layer_imports_only_what_it_may(path: Path) -> None:
    layer = path.relative_to(HUB).parts[0].removesuffix(".py")
    layers, packages = MAY_IMPORT[layer]
    for name in imported(path):
        top, _, rest = name.partition(".")
        if top == "hub":
            assert not rest or rest.split(".")[0] in layers | {layer}, f"{layer} must not import {name}"
        else:
            assert top in packages | sys.stdlib_module_names, f"{layer} must not import {top}"


@pytest.mark.parametrize("path", sorted((HUB / "core").glob("*.py")), ids=lambda path: path.name)
def test_core_does_no_io(path: Path) -> None:
    touched = {name.partition(".")[0] for name in imported(path)} & WITHOUT_IO
    assert touched <= IO_IN_CORE.get(path.name, set())


def test_every_layer_has_its_row() -> None:
    found = {path.relative_to(HUB).parts[0].removesuffix(".py") for path in modules()}
    assert found <= set(MAY_IMPORT)


def test_the_hub_has_no_import_cycles() -> None:
    names = {_name(path) for path in modules()}
    graph = {_name(path): set(_modules_imported(path, names)) for path in modules()}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, f"import cycle: {' -> '.join([*above, name])}"
        if name not in done:
            for below in graph.get(name, ()):
                visit(below, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def _modules_imported(path: Path, names: set[str]) -> Iterator[str]:
    """`from package import module` leads to the module, not to the package."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                yield module if module in names else str(node.module)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in names)


def _name(path: Path) -> str:
    return "hub." + str(path.relative_to(HUB).with_suffix("")).replace("/", ".").removesuffix(".__init__")
