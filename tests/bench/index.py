"""Index: how fast, how large, how soon again, and how long a search in 50,000 files takes; peers are ctags and git."""

import asyncio
import random
import re
import resource
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

from hub.core.report import Unheard
from hub.index.builder import build
from hub.index.searcher import Searcher
from tests.bench import figures
from tests.bench.figures import Goal, Line, Plan, Row
from tests.bench.machine import MissingError

FILES = 50_000
LINES_OF_FILE = 80
"""At least so many lines, in whole definitions of Python's own library: real text, some 4 KB a file."""
QUERIES = 200
PEER_QUERIES = 10
"""git reads every file for each, so a few show as much."""
CORES = 2


def measure(plan: Plan) -> figures.Figures:
    if shutil.which("git") is None:
        raise MissingError("no git (apt install git)")
    real = Path(plan.repository) if plan.repository else copied(plan.folder / "real.git")
    found = _built(real, plan.folder / "real", plan.few_rounds)
    if shutil.which("ctags"):
        found["ctags_s"] = _ctags(real, plan.folder)
    many = made(plan.folder / "many.git", FILES)
    index = plan.folder / "many" / "index.sqlite3"
    build(index, many, Unheard(), workers=CORES)
    began = time.monotonic()
    assert build(index, many, Unheard()).fresh
    found["again_s"] = (time.monotonic() - began) * 5000 / FILES
    queries = list(asked(many))
    times = asyncio.run(_searched(index, many, queries))
    return found | {
        "searched_files": FILES,
        "query_p50_ms": times[len(times) // 2],
        "query_p95_ms": times[int(len(times) * 0.95)],
        "query_worst_ms": times[-1],
        "git_grep_ms": figures.median(_git_grep(many, queries[:PEER_QUERIES])),
    }


def _built(repo: Path, folder: Path, rounds: int) -> figures.Figures:
    """The first index of a repository: how long it takes, by the clock and of processor time, and how large it is."""
    took, busy = [], []
    for n in range(rounds):
        index = folder / str(n) / "index.sqlite3"
        began, used = time.monotonic(), _cpu_s()
        summary = build(index, repo, Unheard(), workers=CORES)
        took.append(time.monotonic() - began)
        busy.append(_cpu_s() - used)
    return {
        "files": summary.indexed,
        "megabytes": summary.bytes / 1e6,
        "symbols": summary.symbols,
        "index_s": figures.median(took),
        "index_cpu_s": figures.median(busy),
        "index_megabytes": index.stat().st_size / 1e6,
    }


def _cpu_s() -> float:
    """Of this process and of those that it has seen the end of."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


async def _searched(index: Path, repo: Path, queries: list[dict[str, object]]) -> list[float]:
    """Milliseconds of each query at a searcher that has seen the index once, in order of size."""
    searcher = Searcher(1)
    place = {"id": "p", "index": str(index), "roots": [str(repo.parent)]}
    times = []
    try:
        await searcher.search([place], {"q": "warm"})
        for query in queries:
            began = time.monotonic()
            answer = await searcher.search([place], query)
            times.append((time.monotonic() - began) * 1000)
            assert answer["complete"], query
            assert "problems" not in answer
    finally:
        await searcher.close()
    return sorted(times)


def asked(repo: Path) -> Iterator[dict[str, object]]:
    """Words, parts of lines, definitions, paths and regexes out of the files themselves, some that are nowhere."""
    dice = random.Random(3)
    names = _git(repo, "ls-tree", "-r", "--name-only", "HEAD").decode(errors="replace").splitlines()
    for n in range(QUERIES):
        path = dice.choice(names)
        lines = _git(repo, "show", f"HEAD:{path}").decode(errors="replace").splitlines()
        long = [line.strip() for line in lines if len(line.strip()) > 12] or ["nothing here"]
        line = dice.choice(long)
        words = re.findall(r"\w{3,}", line) or ["nothing"]
        at = dice.randrange(len(line) - 8)
        yield (
            {"q": f'"{dice.choice(words)}"'},
            {"q": f'"{line[at : at + dice.randrange(5, 20)].strip() or "nothing"}"'},
            {"q": dice.choice(words), "case": "insensitive"},
            {"q": dice.choice(words), "kind": "symbol"},
            {"q": path.rpartition("/")[2][:8], "kind": "path"},
            {"q": rf"{re.escape(words[0])}\W+\w+", "kind": "regex"},
            {"q": rf"\b{re.escape(max(words, key=len))}\b", "kind": "regex", "lang": ["python"]},
            {"q": f"{dice.randrange(10**12)}"},
        )[n % 8]


def _git_grep(repo: Path, queries: list[dict[str, object]]) -> Iterator[float]:
    for query in queries:
        if query.get("kind") in {None, "regex"}:
            how = "-P" if query.get("kind") else "-F"
            began = time.monotonic()
            _git(repo, "grep", "-I", "-n", how, "-e", str(query["q"]).strip('"'), "HEAD")
            yield (time.monotonic() - began) * 1000


def _ctags(repo: Path, folder: Path) -> float:
    """Seconds that Universal Ctags takes for the same files' symbols alone, on one core, which is all it can use."""
    tree = folder / "tree"
    tree.mkdir()
    archive = subprocess.run(["git", "-C", repo, "archive", "HEAD"], stdout=subprocess.PIPE, check=True)
    subprocess.run(["tar", "-x", "-C", tree], input=archive.stdout, check=True)
    began = time.monotonic()
    subprocess.run(
        ["ctags", "-R", "-f", "-", "."], cwd=tree, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
    )
    took = time.monotonic() - began
    shutil.rmtree(tree)
    return took


def copied(path: Path) -> Path:
    """A bare repository of the real code on any machine that runs this: Python's library and what is installed beside
    it, C headers, scripts."""
    places = sysconfig.get_paths()
    folders = {
        "library": Path(places["stdlib"]), "packages": Path(places["purelib"]), "include": Path("/usr/include"),
        "python": Path(places["include"]), "share": Path("/usr/share/perl5"), "node": Path("/usr/share/nodejs"),
    }  # fmt: skip
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", path], check=True)
    with subprocess.Popen(["git", "-C", path, "fast-import", "--quiet"], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"commit refs/heads/main\ncommitter A <a@example.org> 1700000000 +0000\ndata 4\nreal\n")
        for name, folder in folders.items():
            for file in sorted(folder.rglob("*")):
                inside = file.relative_to(folder)
                if {"__pycache__", "site-packages"} & set(inside.parts) or file.is_symlink() or not file.is_file():
                    continue
                data = file.read_bytes()
                if b"\0" not in data:  # pictures and libraries are left out at once, and would flatter the figure
                    process.stdin.write(b"M 100644 inline %s/%s\ndata %d\n" % (name.encode(), bytes(inside), len(data)))
                    process.stdin.write(data + b"\n")
    if process.returncode:
        raise MissingError("git fast-import failed")
    return path


def made(path: Path, files: int) -> Path:
    """A bare repository of so many files, made of the definitions in Python's library."""
    dice = random.Random(11)
    library = Path(sysconfig.get_paths()["stdlib"])
    texts = [path.read_text(errors="replace") for path in sorted(library.glob("*.py"))]
    blocks = [block for text in texts for block in re.split(r"\n(?=(?:async def|def|class|@)\b)", text)]
    blocks = [block for block in blocks if len(block) < 20_000]
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", path], check=True)
    with subprocess.Popen(["git", "-C", path, "fast-import", "--quiet"], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"commit refs/heads/main\ncommitter A <a@example.org> 1700000000 +0000\ndata 4\nmade\n")
        for n in range(files):
            text = f"def made_{n:05}():\n    return {n}\n"
            while text.count("\n") < LINES_OF_FILE:
                text += f"\n\n{dice.choice(blocks)}"
            data = text.replace("self", f"me{n % 97}").encode()
            name = b"part%d/module%d/file_%05d.py" % (n % 20, n % 700, n)
            process.stdin.write(b"M 100644 inline %s\ndata %d\n%s\n" % (name, len(data), data))
    if process.returncode:
        raise MissingError("git fast-import failed")
    return path


def _git(repo: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", repo, *arguments], capture_output=True).stdout


def lines(found: figures.Figures) -> Iterator[Line]:
    size, took = found["megabytes"], found["index_s"]
    ctags = ""
    if "ctags_s" in found:
        ctags = f"ctags, symbols alone, one core: {size / found['ctags_s']:.1f} MB/s"
    yield Line(
        what=f"index of {found['files']:,} files of real code, {size:.0f} MB of text, {CORES} cores",
        hub=f"{size / took:.1f} MB/s ({CORES * size / found['index_cpu_s']:.1f} MB/s of processor time)",
        peer=ctags,
        value=size / took,
        goal=Goal(bound=10, is_least=True, unit=" MB/s"),
    )
    share = found["index_megabytes"] / size
    yield Line(what="its size, to that of the text", hub=f"{share:.2f}", value=share, goal=Goal(bound=0.5))
    again = found["again_s"]
    yield Line(
        what="the same again, nothing changed, for every 5,000 files",
        hub=f"{again:.2f} s",
        value=again,
        goal=Goal(bound=1, unit=" s"),
    )
    slow = found["query_p95_ms"]
    yield Line(
        what=f"search in {found['searched_files']:,} files, p95 (20 files, 5 lines each)",
        hub=f"{slow:.0f} ms (p50 {found['query_p50_ms']:.0f} ms, worst {found['query_worst_ms']:.0f} ms)",
        peer=f"`git grep`, p50, all files: {found['git_grep_ms']:.0f} ms",
        value=slow,
        goal=Goal(bound=50, unit=" ms"),
    )


ROW = Row(name="index", title="Index and search", measure=measure, lines=lines)
