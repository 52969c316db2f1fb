"""What may go wrong with backups."""

from hub.core.errors import HubError


class BackupFailed(HubError):
    """The backup could not be made; nothing was left behind."""

    code = "backup_failed"


class BackupUnsound(HubError):
    """This is no whole backup of a Progress Hub; nothing was restored."""

    code = "backup_unsound"


class RestoreFailed(HubError):
    """The backup could not be restored; nothing was left behind."""

    code = "restore_failed"


class BackupTooNew(HubError):
    """This backup was made by a newer Progress Hub; restore it with that one."""

    code = "backup_too_new"


class PlaceTaken(HubError):
    """This cannot go where it is to go: something is there, or the folder is missing. Nothing was changed."""

    code = "place_taken"
