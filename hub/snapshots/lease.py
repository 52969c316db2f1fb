"""Who uses a store: any number of runs that add to it, or a single one that removes from it.

Within one hub a file lock says so, which the system lets go of however its holder ends. Hubs that share a store in the
cloud see each other's leases there: objects that are renewed while their holder lives. One that was not renewed for
`EXPIRES_S`, by the store's own clock, counts no more. Each puts its own first and then looks for others, so of two that
come at the same time at least one sees the other, and steps back.

A holder may be stopped for hours, with its machine or alone, and be taken for dead. So it asks whether it `is_sure`
before each step that another hub must not see: whoever removes, before each removal; whoever adds, before it writes
what names all the rest. Once it was not renewed in time a lease is never sure again; it has to be `taken_again`.
"""

import contextlib
import fcntl
import os
import platform
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from hub.core.errors import HubError
from hub.core.report import Report
from hub.snapshots.errors import StoreBusy
from hub.snapshots.hands import LOOK_S
from hub.snapshots.store import LEASES, Store, digest

EXPIRES_S = 15 * 60.0
RENEW_S = 60.0
SURE_S = EXPIRES_S / 2
"""Since the last renewal was begun. What is left is for a request that is on its way, with all its attempts."""
WAIT_S = 10 * 60.0
"""For others to end; then it is told that they do not."""
USE, SWEEP = "use", "sweep"


def now_s() -> float:
    """Seconds of a clock that nobody sets, and that goes on while the machine is suspended, where there is one."""
    return time.clock_gettime(_CLOCK)


_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Lease:
    """Held while the block of `held` runs."""

    def __init__(self, store: Store, key: str, hub: str, role: str) -> None:
        self._store = store
        self._key = key
        self._hub = hub
        self._role = role
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._renewed: float | None = None
        """When the newest renewal of an unbroken row was begun; None once the row is broken."""

    @property
    def is_sure(self) -> bool:
        """Can nobody think by now that the holder is gone, or have thought so since the lease was taken?"""
        with self._lock:
            return self._renewed is not None and now_s() - self._renewed < SURE_S

    def check(self) -> None:
        """Raises StoreBusy when it is not sure."""
        if not self.is_sure:
            raise StoreBusy("This run was stopped for so long that another hub may be using the store. Run it again.")

    def take(self) -> bool:
        """Put it, and look for others; False when one does not go together with it."""
        began = now_s()
        if not _taken(self._store, self._key, self._hub, self._role):
            return False
        with self._lock:
            self._renewed = began
        return True

    def keep(self) -> None:
        while not self._over.wait(RENEW_S):
            with contextlib.suppress(HubError, FileNotFoundError):  # `is_sure` tells when it has failed for too long
                began = now_s()
                self._store.put(self._key, _CONTENT)
                with self._lock:
                    if self._renewed is not None:
                        self._renewed = began if began - self._renewed < SURE_S else None

    def end(self) -> None:
        self._over.set()


def wait_for(lease: Lease, watch: Report, until: float) -> None:
    """Take it, as soon as no other hub's is in the way. Raises StoreBusy at `until`."""
    while not lease.take():
        if now_s() >= until:
            raise StoreBusy("Another hub is changing the same store.")
        watch.progress(0, None, "", "Waiting for another hub that uses the store")
        _pause(5.0, watch)


_CONTENT = b"This store is in use. An object like this that is older than 15 minutes means nothing.\n"


@contextlib.contextmanager
def held(store: Store, folder: Path, role: str, watch: Report, *, wait_s: float | None = None) -> Iterator[Lease]:
    """`folder` is the project's own, for the lock. Raises StoreBusy after `wait_s`, and the store's errors."""
    until = now_s() + (WAIT_S if wait_s is None else wait_s)
    with _locked(folder / "lock", role, watch, until) as hub:
        key = f"{LEASES}{hub}-{secrets.token_hex(8)}-{role}"
        lease = Lease(store, key, hub, role)
        wait_for(lease, watch, until)
        threading.Thread(target=lease.keep, name="lease", daemon=True).start()
        try:
            yield lease
        finally:
            lease.end()
            # A store that does not take it back now will see it expire; how the work itself ended matters more.
            with contextlib.suppress(HubError, FileNotFoundError):
                store.delete([key])


def _taken(store: Store, key: str, hub: str, role: str) -> bool:
    store.put(key, _CONTENT)
    others = [one for one in store.list(LEASES) if one.key != key]
    mine = store.head(key)
    if mine is None:  # somebody else has removed it, so nobody sees it
        return False
    for other in others:
        is_of_this_hub = other.key.startswith(f"{LEASES}{hub}-")
        clashes = role == SWEEP or other.key.endswith(f"-{SWEEP}")
        if is_of_this_hub and clashes:  # its holder has let go of the lock, so it has ended
            store.delete([other.key])
        elif role == SWEEP and (mine.modified - other.modified).total_seconds() >= EXPIRES_S:
            store.delete([other.key])  # of a hub that is gone; whoever it was sees that it was not renewed
        elif clashes and (mine.modified - other.modified).total_seconds() < EXPIRES_S:
            store.delete([key])
            return False
    return True


@contextlib.contextmanager
def _locked(path: Path, role: str, watch: Report, until: float) -> Iterator[str]:
    """The lock; what this hub's leases begin with."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        how = fcntl.LOCK_EX if role == SWEEP else fcntl.LOCK_SH
        while True:
            try:
                fcntl.flock(fd, how | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if now_s() >= until:
                    raise StoreBusy from None
            watch.progress(0, None, "", "Waiting for another job that uses the store")
            _pause(0.2, watch)
        yield _name(fd)
    finally:
        os.close(fd)


def _name(fd: int) -> str:
    """What the file says, and where it is: a copy of a hub's data on another machine, or beside it, is another hub."""
    said = os.pread(fd, 16, 0).decode("ascii", "replace")
    if len(said) != 16 or not said.isalnum():
        said = secrets.token_hex(8)
        os.pwrite(fd, said.encode(), 0)
    return digest(f"{said} {os.fstat(fd).st_ino} {platform.node()}".encode())[:16]


def _pause(pause_s: float, watch: Report) -> None:
    until = time.monotonic() + pause_s
    while (left_s := until - time.monotonic()) > 0:
        watch.check()
        time.sleep(min(LOOK_S, left_s))
