"""The object store itself: what is asked of one, and the one that `obstore` speaks to."""

import dataclasses
import errno
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import obstore
from obstore import exceptions
from obstore.store import AzureStore, GCSStore, LocalStore, S3Store

from hub.core.errors import HubError
from hub.snapshots import disk
from hub.snapshots.errors import (
    StoreFailed,
    StoreFull,
    StoreMisconfigured,
    StoreRefused,
    StoreUnreachable,
)

PARTS_FROM = 32 * 1024 * 1024
"""What is larger goes up in parts. A pack does not: one request stores all of it or nothing, where a run that is killed
between two parts leaves the first in the bucket, unseen and paid for until a rule of the bucket removes it."""
PART_BYTES = 8 * 1024 * 1024
PARTS_AT_ONCE = 2
SENDING_S = 600.0
"""Until an answer to an upload must have come. The library's clock for silence runs while it sends, too, and a pack of
16 MB beside two others takes that long at 80 KB a second."""
SCHEMES: Mapping[str, Any] = {"s3": S3Store, "s3a": S3Store, "gs": GCSStore, "az": AzureStore, "azure": AzureStore}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An object in the store, as a listing names it."""

    key: str
    size: int
    modified: datetime
    """By the store's own clock."""


class Backend(Protocol):
    """Blocking calls of one attempt each. Raises the errors of the store (see `errors`), FileNotFoundError for what is
    not there.
    """

    def put(self, key: str, data: bytes) -> None: ...

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """All of the object, or its bytes from `start` to before `end`."""

    def head(self, key: str) -> Held: ...

    def list(self, prefix: str) -> Iterator[Held]: ...

    def delete(self, keys: Iterable[str]) -> None:
        """What is not there counts as deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a store is and how to get in."""

    url: str
    """`s3://bucket/prefix`, `gs://…`, `az://container/prefix`, or the absolute path of a folder."""
    prefix: str = ""
    """Below the URL; where one project's objects are."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Under the names that the SDKs' environment has for them: region, endpoint and the like."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """The same for what must not be shown."""
    connect_timeout_s: float = 20.0
    silence_timeout_s: float = 120.0

    @property
    def whole(self) -> Path | None:
        """The folder of a local store, with what is there of all projects."""
        is_local = "://" not in self.url or self.url.startswith("file://")
        return Path(self.url.removeprefix("file://")) if is_local else None

    @property
    def folder(self) -> Path | None:
        """Where a local store's files are; None for one that is not local."""
        return self.whole / self.prefix if self.whole is not None else None

    @property
    def shown(self) -> str:
        """For people: without anything that must not be shown."""
        return str(self.folder) if self.folder is not None else f"{self.url.rstrip('/')}/{self.prefix}"


class ObjectStore:
    """A backend over `obstore`. It does not try again by itself: `store.Store` does, and tells."""

    def __init__(self, location: Location) -> None:
        """Raises StoreMisconfigured, StoreRefused."""
        self._secrets = tuple(text for text in location.secrets.values() if len(text) >= 4)
        self._folder = location.folder
        sending = dataclasses.replace(location, silence_timeout_s=max(location.silence_timeout_s, SENDING_S))
        try:
            self._store, self._base = self._opened(location)
            self._sender, _ = self._opened(sending)
        except (exceptions.BaseError, ValueError, OSError) as exc:
            raise StoreMisconfigured(f"The object store cannot be opened: {self._plain(exc)}") from None

    def put(self, key: str, data: bytes) -> None:
        try:
            with self._translated():
                if self._folder is not None:
                    disk.write(self._folder, key, data)
                    return
                obstore.put(
                    self._sender,
                    self._base + key,
                    data,
                    use_multipart=len(data) > PARTS_FROM,
                    chunk_size=PART_BYTES,
                    max_concurrency=PARTS_AT_ONCE,
                )
        except FileNotFoundError as exc:
            # What is not found is the upload: it was completed, but the answer to that was lost, or it was given up.
            raise StoreFailed(f"The object store failed: {exc}") from None

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        with self._translated():
            if start == 0 and end is None:
                return bytes(obstore.get(self._store, self._base + key).bytes())
            if end is None:
                found = obstore.get(self._store, self._base + key, options={"range": {"offset": start}})
                return bytes(found.bytes())
            return bytes(obstore.get_range(self._store, self._base + key, start=start, end=end))

    def head(self, key: str) -> Held:
        with self._translated():
            return self._held(obstore.head(self._store, self._base + key))

    def list(self, prefix: str) -> Iterator[Held]:
        with self._translated():
            for page in obstore.list(self._store, self._base + prefix, chunk_size=1000):
                yield from map(self._held, page)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            # One by one: a bulk request ends at the first key that is not there in some stores, and in others not.
            try:
                with self._translated():
                    obstore.delete(self._store, self._base + key)
            except FileNotFoundError:
                continue

    def _held(self, meta: Any) -> Held:
        return Held(key=meta["path"].removeprefix(self._base), size=meta["size"], modified=meta["last_modified"])

    @staticmethod
    def _opened(location: Location) -> tuple[Any, str]:
        if location.folder is not None:
            return LocalStore(location.folder, mkdir=True, automatic_cleanup=False), ""
        scheme, _, rest = location.url.partition("://")
        if scheme not in SCHEMES:
            raise StoreMisconfigured(f"A store is a folder, or an s3://, gs:// or az:// URL; this one is {scheme}://.")
        bucket, _, prefix = rest.strip("/").partition("/")
        if not bucket:
            raise StoreMisconfigured(f"The store's URL names no bucket, such as {scheme}://bucket/prefix.")
        config = {name.lower(): text for name, text in {**location.options, **location.secrets}.items()}
        is_plain = any(text.startswith("http://") for text in config.values())
        store = SCHEMES[scheme](
            bucket,
            config={name: text for name, text in config.items() if name.startswith(_PREFIXES[scheme])},
            client_options={
                "connect_timeout": timedelta(seconds=location.connect_timeout_s),
                "read_timeout": timedelta(seconds=location.silence_timeout_s),
                "timeout": timedelta(hours=1),  # of a whole request, which may be slow as long as it moves
                "allow_http": is_plain,
            },
            retry_config={"max_retries": 0},
        )
        return store, "/".join(part for part in (prefix.strip("/"), location.prefix.strip("/")) if part) + "/"

    def _translated(self) -> "_Translation":
        return _Translation(self._plain)

    def _plain(self, exc: BaseException) -> str:
        """What the store said, on one line, without secrets, signed queries, and the library's own listing of it."""
        text = str(exc).partition("\n\nDebug source:")[0]
        for secret in self._secrets:
            text = text.replace(secret, "[redacted]")
        text = _QUERY.sub("?…", text)
        if (message := _XML_MESSAGE.search(text)) is not None:
            text = f"{text.partition('<')[0].strip()} {message[1]}"
        elif _XML.search(text) is not None:  # what a store lists there may be what it has signed
            text = text.partition("<")[0]
        return " ".join(text.split())[:500]


_PREFIXES = {"s3": "aws_", "s3a": "aws_", "gs": "google_", "az": "azure_", "azure": "azure_"}
_QUERY = re.compile(r"\?[^\s\"'<>)]+")
_XML = re.compile(r"<[A-Za-z?]")
_XML_MESSAGE = re.compile(r"<Message>([^<]*)</Message>")
_OS_ERROR = re.compile(r"os error (\d+)")
_STATUS = re.compile(r"status code: (\d{3})")


class _Translation:
    """Turns the library's errors into ours; as a context manager of its own it costs no generator."""

    def __init__(self, plain: Any) -> None:
        self._plain = plain

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        if isinstance(exc, FileNotFoundError):
            if "NoSuchBucket" in str(exc):
                raise StoreRefused("The store's bucket does not exist.") from None
            raise FileNotFoundError(self._plain(exc)) from None
        if isinstance(exc, exceptions.BaseError | OSError | ValueError):
            raise _told(exc, self._plain(exc)) from None


def _told(exc: Exception, text: str) -> HubError:
    """The error of ours for one of the library's."""
    if isinstance(exc, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError):
        return StoreRefused(f"The object store refused: {text}")
    raw, number = str(exc), exc.errno if isinstance(exc, OSError) else None
    if number is None and (found := _OS_ERROR.search(raw)):
        number = int(found[1])
    if number in {errno.ENOSPC, errno.EDQUOT} or "QuotaExceeded" in raw or "status code: 507" in raw:
        return StoreFull(f"The object store is full: {text}")
    if number in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return StoreRefused(f"The object store refused: {text}")
    status = _STATUS.search(raw)
    if status is None:
        is_network = "HTTP error" in raw or "error sending request" in raw
        return (StoreUnreachable if is_network else StoreFailed)(f"The object store failed: {text}")
    code = int(status[1])
    if code in {401, 403}:
        return StoreRefused(f"The object store refused: {text}")
    if 400 <= code < 500 and code not in {408, 429}:
        return StoreRefused(f"The object store did not take the request: {text}")
    return StoreFailed(f"The object store failed: {text}")
