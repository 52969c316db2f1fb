"""The last step of a run: a snapshot's own object, written once all that it names is seen to be there."""

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path

from hub.core.errors import HubError
from hub.core.report import Report
from hub.snapshots import knowing, lease, snapshot
from hub.snapshots.errors import Damaged, NoSnapshot, ObjectMissing
from hub.snapshots.lease import Lease
from hub.snapshots.snapshot import Snapshot
from hub.snapshots.store import Store

_ID = "snapshot-id"
NEW_S = 3600.0
"""For so long a snapshot that a killed run has written is its retry's, too; later, the folder has gone on."""


def begun(store: Store, work: Path) -> tuple[str, Snapshot | None]:
    """The id that the run is to use, and the snapshot itself if an earlier run of the same work has finished it.

    The same id for a run that goes on where another was killed, so that it makes no second snapshot.
    """
    path = work / _ID
    if path.exists() and snapshot.ID.fullmatch(id_ := path.read_text()):
        try:
            made = snapshot.read(store, id_)
        except NoSnapshot:
            return id_, None
        except Damaged:  # half of one; this run's is another
            store.delete([snapshot.key(id_)])
        else:
            if abs(time.time_ns() / 1e9 - made.created / 1000) < NEW_S:
                return id_, made
    id_ = snapshot.new_id()
    path.write_text(id_)
    return id_, None


def publish(store: Store, made: Snapshot, needed: Mapping[str, int], held: Lease, watch: Report) -> None:
    """`needed` is every key that it names, with its size. Raises ObjectMissing, StoreBusy, and the store's errors."""
    if not held.is_sure:
        # Stopped for so long that another hub may have taken this one for dead: it may have removed what it did not
        # know to be needed, or be about to. Once the lease is taken again nobody does.
        watch.log("This run was stopped for a long time, so it looks again whether the store has all of it", "warning")
        lease.wait_for(held, watch, lease.now_s() + lease.WAIT_S)
    _expect(needed, knowing.held(store))
    try:
        store.put_confirmed(snapshot.key(made.id), snapshot.to_bytes(made))
        held.check()
    except HubError:
        with contextlib.suppress(HubError):  # half of one may be there; nobody shall take it for a snapshot
            store.delete([snapshot.key(made.id)])
        raise


def _expect(needed: Mapping[str, int], there: Mapping[str, int]) -> None:
    lost = sorted(key for key, size in needed.items() if there.get(key) != size)
    if lost:
        raise ObjectMissing(
            f"The store has lost {len(lost):,} objects meanwhile, {lost[0]} among them.", code="store_changed"
        )
