"""What a backup is kept in: one file, or a folder. Both are written beside their place, and renamed into it."""

import contextlib
import hashlib
import io
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol, cast

import zstandard

from hub.backups.contents import CLONE
from hub.backups.errors import BackupUnsound, PlaceTaken
from hub.backups.manifest import FILE, FOLDER, LINK, NAME, Entry

LEVEL = 3
PIECE_BYTES = 1024 * 1024
NANO = 1_000_000_000


class Readable(Protocol):
    def read(self, most: int = -1, /) -> bytes: ...


class Hashed:
    """What is read through it is hashed."""

    def __init__(self, content: Readable) -> None:
        self._content = content
        self._hash = hashlib.sha256()

    def read(self, most: int = -1) -> bytes:
        piece = self._content.read(most)
        self._hash.update(piece)
        return piece

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


class Vessel(Protocol):
    def add(self, entry: Entry, content: Readable | None) -> None:
        """`content` has exactly `entry.size` bytes. What was added under the same path before counts no more."""

    def close(self, manifest: bytes) -> None:
        """Put it in its place, on the disk."""

    def discard(self) -> None:
        """Leave nothing of it."""

    beside: Path
    """A folder on the same disk, for what is under way; `close` and `discard` remove it."""


def vessel(place: Path) -> Vessel:
    """The one that the name asks for. Raises PlaceTaken, OSError."""
    if place.exists():
        raise PlaceTaken(f"{place} is there already. Remove it, or name another place.")
    if not place.parent.is_dir():  # a disk that is not mounted would let the system's own fill up instead
        raise PlaceTaken(f"There is no folder {place.parent}. Make it, or name another place.")
    if place.name.endswith((".tar.zst", ".tzst")):
        return ArchiveVessel(place)
    return FolderVessel(place)


def _beside(place: Path) -> Path:
    made = place.with_name(f".{place.name}.{os.getpid()}.partial")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(mode=0o700)
    return made


class ArchiveVessel:
    def __init__(self, place: Path) -> None:
        self._place = place
        self.beside = _beside(place)
        self._draft = self.beside / "backup.tar.zst"
        descriptor = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._file = open(descriptor, "wb")  # noqa: PTH123, SIM115 - closed by `close` or `discard`
        self._zstd: Any = zstandard.ZstdCompressor(level=LEVEL, threads=-1).stream_writer(self._file, closefd=False)
        self._tar = tarfile.open(fileobj=self._zstd, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115

    def add(self, entry: Entry, content: Readable | None) -> None:
        info = tarfile.TarInfo(entry.path)
        info.mode, info.size = entry.mode, entry.size
        seconds, rest = divmod(entry.mtime_ns, NANO)
        info.mtime, info.pax_headers = seconds, {"mtime": f"{seconds}.{rest:09}"}  # a float would round it
        info.type = {FOLDER: tarfile.DIRTYPE, LINK: tarfile.SYMTYPE}.get(entry.type, tarfile.REGTYPE)
        info.linkname = entry.target
        self._tar.addfile(info, cast("IO[bytes]", content))  # it is only read

    def close(self, manifest: bytes) -> None:
        self.add(Entry(path=NAME, type=FILE, mode=0o600, size=len(manifest)), io.BytesIO(manifest))
        self._tar.close()
        self._zstd.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._draft.rename(self._place)
        _sync(self._place.parent)
        shutil.rmtree(self.beside, ignore_errors=True)

    def discard(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        shutil.rmtree(self.beside, ignore_errors=True)


class FolderVessel:
    def __init__(self, place: Path) -> None:
        self._place = place
        self.beside = _beside(place)
        self._draft = self.beside / "backup"
        self._draft.mkdir(mode=0o700)

    def add(self, entry: Entry, content: Readable | None) -> None:
        put(self._draft, entry, content)

    def close(self, manifest: bytes) -> None:
        put(self._draft, Entry(path=NAME, type=FILE, mode=0o600, size=len(manifest)), io.BytesIO(manifest))
        self._draft.rename(self._place)
        _sync(self._place.parent)
        shutil.rmtree(self.beside, ignore_errors=True)

    def discard(self) -> None:
        shutil.rmtree(self.beside, ignore_errors=True)


def put(folder: Path, entry: Entry, content: Readable | None) -> None:
    """Make `entry` in `folder`, in the place of what is there under its name. The folder above must be there."""
    place = folder / entry.path
    if entry.type == FOLDER:
        place.mkdir(exist_ok=True)
        place.chmod(entry.mode | stat.S_IRWXU)
        return
    place.unlink(missing_ok=True)
    if entry.type == LINK:
        place.symlink_to(entry.target)
        return
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
        while content is not None and (piece := content.read(PIECE_BYTES)):
            file.write(piece)
        os.fchmod(descriptor, entry.mode)
        if CLONE not in PurePosixPath(entry.path).parts:  # of many files, and made anew where a power cut took some
            file.flush()
            os.fsync(descriptor)
    os.utime(place, ns=(entry.mtime_ns, entry.mtime_ns))


@contextlib.contextmanager
def reading(place: Path) -> Iterator[None]:
    """Around all that is read of a backup, contents included. Raises BackupUnsound for what is no such format."""
    try:
        yield
    except (tarfile.TarError, zstandard.ZstdError, EOFError, ValueError) as exc:
        raise BackupUnsound(f"{place} is damaged, or no backup: {exc}.") from exc


def members(place: Path) -> Iterator[tuple[Entry, Readable | None]]:
    """All that is in a backup, the manifest last; within `reading`. Raises BackupUnsound, OSError."""
    if place.is_dir():
        yield from _of_folder(place)
        return
    with (
        place.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as plain,
        tarfile.open(fileobj=plain, mode="r|") as tar,
    ):
        for info in tar:
            yield _entry(info), tar.extractfile(info) if info.isreg() else None


def _entry(info: tarfile.TarInfo) -> Entry:
    kind = FILE if info.isreg() else FOLDER if info.isdir() else LINK if info.issym() else ""
    if not kind:
        raise BackupUnsound(f"It holds {info.name!r}, which is no file, folder or link.")
    seconds, _, rest = info.pax_headers.get("mtime", "0").partition(".")
    mtime_ns = int(seconds) * NANO + int(rest[:9].ljust(9, "0"))
    return Entry(
        path=info.name, type=kind, mode=info.mode & 0o777, size=info.size, mtime_ns=mtime_ns, target=info.linkname
    )


def _of_folder(place: Path) -> Iterator[tuple[Entry, Readable | None]]:
    def look(folder: Path) -> Iterator[tuple[Entry, Readable | None]]:
        for path in sorted(folder.iterdir()):
            status = path.lstat()
            name, mode = str(path.relative_to(place)), stat.S_IMODE(status.st_mode)
            if name == NAME:
                continue
            if path.is_symlink():
                yield Entry(path=name, type=LINK, mode=mode, target=str(path.readlink())), None
            elif path.is_dir():
                yield Entry(path=name, type=FOLDER, mode=mode), None
                yield from look(path)
            else:
                size, mtime_ns = status.st_size, status.st_mtime_ns
                with path.open("rb") as file:
                    yield Entry(path=name, type=FILE, mode=mode, size=size, mtime_ns=mtime_ns), file

    yield from look(place)
    manifest = place / NAME
    if not manifest.is_file():
        raise BackupUnsound(f"{place} has no {NAME}: it is no backup, or one that was cut short.")
    with manifest.open("rb") as file:
        yield Entry(path=NAME, type=FILE, mode=0o600, size=manifest.stat().st_size), file


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
