"""What can go wrong with an index, and with a question to it."""

from hub.core.errors import BadRequest, Conflict, HubError, NotFound, TooLarge, Unavailable


class IndexBusy(Conflict):
    """Another process is writing this project's index; it has to end first."""

    code = "index_busy"


class IndexBroken(HubError):
    """The index file cannot be read. Run the job again with `force`: it makes the index anew."""

    code = "index_broken"


class IndexUnreadable(Unavailable):
    """The index cannot be read just now; try again in a moment."""

    code = "index_unreadable"


class IndexGone(HubError):
    """The index was removed while it was being written."""

    code = "index_gone"
    retry = True


class NoIndex(NotFound):
    """This project has no index yet; run an `index` job."""

    code = "no_index"


class SourceGone(HubError):
    """The repository or folder to be indexed is not there, or cannot be read."""

    code = "source_gone"


class SourceRefused(HubError):
    """The folder leads outside of what the setting `roots` allows."""

    code = "outside_roots"


class SourceTooLarge(TooLarge):
    """There are more files than an index takes."""


class BadQuery(BadRequest):
    """The query cannot be understood."""

    code = "bad_query"


class SearchBusy(Unavailable):
    """All searches that may run at the same time are running, and as many wait; try again in a moment."""

    code = "search_busy"
