"""What can go wrong with snapshots and the store that they are in."""

from hub.core.errors import BadRequest, Conflict, HubError, NotFound, Unavailable


class NoSnapshot(NotFound):
    """There is no such snapshot."""

    code = "no_snapshot"


class SnapshotGone(NotFound):
    """This snapshot was deleted."""

    code = "snapshot_deleted"


class NoSuchFile(NotFound):
    """There is no such file in the snapshot."""

    code = "no_such_file"


class StoreBusy(Conflict):
    """Another job uses the store in a way that does not go together with this one; try again when it has ended."""

    code = "store_busy"
    retry = True


class StoreTrouble(HubError):
    """The object store does not do its part."""

    code = "store_failed"


class StoreFailed(StoreTrouble):
    """The object store did not do what it was asked to."""

    code = "store_failed"
    retry = True


class StoreUnreachable(Unavailable):
    """The object store does not answer."""

    code = "store_unreachable"


class StoreRefused(StoreTrouble):
    """The object store refused: its credentials are missing or wrong, or they do not allow this."""

    code = "store_refused"


class StoreFull(StoreTrouble):
    """The object store has no room left."""

    code = "store_full"
    retry = True


class StoreLied(StoreTrouble):
    """The object store gives back other bytes than it was given."""

    code = "store_lied"
    retry = True


class StoreMisconfigured(StoreTrouble):
    """The object store cannot be opened as it is configured."""

    code = "store_misconfigured"


class Damaged(HubError):
    """What the store holds is not what was put there."""

    code = "damaged"


class ObjectMissing(Damaged):
    """An object that a snapshot needs is not in the store."""

    code = "damaged"


class SourceGone(HubError):
    """The folder is not there, or cannot be read."""

    code = "source_gone"


class RestoreRefused(BadRequest):
    """The snapshot cannot be restored there."""

    code = "restore_refused"
