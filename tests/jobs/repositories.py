"""The repositories that the clone tests fetch: good, odd and hostile ones."""

import os
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pygit2
from pygit2.enums import ObjectType

WHO = "A Committer <a@example.org> 1700000000 +0000"

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org",
}  # fmt: skip


@dataclass(frozen=True)
class Repositories:
    """Bare repositories side by side under `root`."""

    root: Path

    def head(self, name: str, ref: str = "HEAD") -> str:
        return git(self.root / name, "rev-parse", ref)


def git(repo: Path, *arguments: str, data: bytes | None = None) -> str:
    done = subprocess.run(["git", "-C", repo, *arguments], input=data, env=ENVIRONMENT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def init(path: Path) -> Path:
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", path], env=ENVIRONMENT, check=True)
    return path


def build(root: Path) -> Repositories:
    fill(init(root / "small.git"))
    init(root / "empty.git")
    _heavy(init(root / "heavy.git"))
    _many(init(root / "many.git"))
    _bomb(init(root / "bomb.git"))
    _deep(init(root / "deep.git"))
    for number, name in enumerate((b".git", b".GIT", b"git~1", b".g\xe2\x80\x8cit", b"..")):
        _look_alike(init(root / f"alike-{number}.git"), name)
    return Repositories(root)


def commit_stream(branch: str, number: int, files: dict[str, bytes], *, first: bool = False) -> bytes:
    """A commit for `git fast-import`; `first` starts the branch anew."""
    message = f"Change {number}".encode()
    start = b"reset refs/heads/%s\n" % branch.encode() if first else b""
    parts = [start + b"commit refs/heads/%s\ncommitter %s\ndata %d\n" % (branch.encode(), WHO.encode(), len(message))]
    parts.append(message + b"\n")
    for path, content in files.items():
        parts.append(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(content), content))
    return b"".join(parts)


def fill(repo: Path) -> None:
    """A few commits with files in folders, a second branch, a tag."""
    stream = [
        commit_stream("main", n, {f"folder/file-{n}.txt": f"{n}\n".encode() * 50, "README": b"read me %d\n" % n})
        for n in range(30)
    ]
    stream.append(b"reset refs/heads/feature\nfrom refs/heads/main\n\n")
    stream.append(commit_stream("feature", 100, {"feature.txt": b"new\n"}))
    stream.append(b"tag v1\nfrom refs/heads/main\ntagger %s\ndata 2\nv1\n" % WHO.encode())
    git(repo, "fast-import", "--quiet", data=b"".join(stream))


def advance(repo: Path, text: str) -> str:
    """One more commit on main; its id."""
    stream = commit_stream("main", 200, {"README": text.encode()}).replace(
        b"M 100644", b"from refs/heads/main^0\nM 100644", 1
    )
    git(repo, "fast-import", "--quiet", data=stream)
    return git(repo, "rev-parse", "main")


def _heavy(repo: Path) -> None:
    """Long to receive at a slow pace, and long to resolve: a large file that changes a little, often."""
    dice = random.Random(1)
    content = bytearray(dice.randbytes(1_500_000))
    stream = []
    for n in range(300):
        for _ in range(20):
            content[dice.randrange(len(content))] = dice.randrange(256)
        stream.append(commit_stream("main", n, {"large.bin": bytes(content)}))
    git(repo, "-c", "core.bigFileThreshold=1g", "fast-import", "--quiet", data=b"".join(stream))


def _many(repo: Path) -> None:
    """Long to check out."""
    files = {f"{n % 100}/{n}.txt": b"%d\n" % (n % 50) for n in range(30_000)}
    git(repo, "fast-import", "--quiet", data=commit_stream("main", 1, files))


def raw_tree(repo: pygit2.Repository, *entries: tuple[str, bytes, pygit2.Oid]) -> pygit2.Oid:
    """A tree exactly as given, sound or not."""
    data = b"".join(mode.encode() + b" " + name + b"\0" + oid.raw for mode, name, oid in entries)
    return repo.odb.write(ObjectType.TREE, data)


def raw_commit(repo: pygit2.Repository, tree: pygit2.Oid) -> None:
    data = f"tree {tree}\nauthor {WHO}\ncommitter {WHO}\n\nhostile\n".encode()
    repo.references.create("refs/heads/main", repo.odb.write(ObjectType.COMMIT, data))


def _bomb(path: Path) -> None:
    """Twelve objects that would be a thousand million files."""
    repo = pygit2.Repository(str(path))
    below, mode = repo.create_blob(b"boom"), "100644"
    for _ in range(9):
        below, mode = raw_tree(repo, *((mode, b"d%d" % n, below) for n in range(10))), "40000"
    raw_commit(repo, below)


def _deep(path: Path) -> None:
    repo = pygit2.Repository(str(path))
    below = raw_tree(repo, ("100644", b"f", repo.create_blob(b"deep")))
    for _ in range(2000):
        below = raw_tree(repo, ("40000", b"d", below))
    raw_commit(repo, below)


def _look_alike(path: Path, name: bytes) -> None:
    """A folder that some file system takes for `.git`, with a hook in it."""
    repo = pygit2.Repository(str(path))
    hook = repo.create_blob(b"#!/bin/sh\ntouch /tmp/progress-hub-hook-ran\n")
    hooks = raw_tree(repo, ("100755", b"post-checkout", hook))
    raw_commit(repo, raw_tree(repo, ("40000", name, raw_tree(repo, ("40000", b"hooks", hooks)))))


def with_link(path: Path, outside: Path) -> None:
    """A link that leads outside, and a folder of the same name with a file in it."""
    repo = pygit2.Repository(str(init(path)))
    file = raw_tree(repo, ("100644", b"pwned", repo.create_blob(b"through the link")))
    link = repo.create_blob(str(outside).encode())
    raw_commit(repo, raw_tree(repo, ("120000", b"a", link), ("40000", b"a", file)))


def with_submodule(path: Path, url: str, commit: str, *, place: str = "libs/module") -> None:
    """A repository with one submodule."""
    repo = pygit2.Repository(str(init(path)))
    modules = repo.create_blob(f'[submodule "module"]\n\tpath = {place}\n\turl = {url}\n'.encode())
    folder, name = place.split("/")
    inner = raw_tree(repo, ("160000", name.encode(), pygit2.Oid(hex=commit)))
    raw_commit(repo, raw_tree(repo, ("100644", b".gitmodules", modules), ("40000", folder.encode(), inner)))
