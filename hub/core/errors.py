"""Everything that can go wrong and be told, and every way a stream can end.

    HubError
    |- BadRequest          the request itself is wrong
    |  `- BadParams        ... in a job's parameters
    |- UrlRefused          the URL gate said no
    |- Unauthorised        nobody knows who the caller is
    |- Forbidden           the caller may not do this, or its origin or host may not
    |- NotFound            no such project, job or route
    |- Conflict            right request, wrong moment
    |  |- AlreadyRunning   the same kind runs on this project
    |  |- JobEnded         the job is over
    |  `- ForeignJob       the job is another project's
    |- TooLarge            body or message over its limit
    |- TooLate             the rest of the request did not come
    `- Unavailable         the hub cannot now; later it can
       |- JournalUnavailable
       `- Throttled        too much at once from this caller

A class's docstring is what a user reads when no better sentence is given. This module knows no HTTP status and no
close code: `web/errors.py` and `transports/ws.py` map `code`.
"""

import enum
import inspect
from typing import Any, ClassVar


class HubError(Exception):
    """The hub could not do what was asked."""

    code: ClassVar[str] = "internal"
    retry: ClassVar[bool] = False
    """May the very same request succeed later?"""

    def __init__(self, message: str | None = None, *, code: str | None = None, **detail: Any) -> None:
        """`code` narrows the class's own code; `detail` is JSON-able and goes to the caller as it is."""
        self.message = message or inspect.cleandoc(type(self).__doc__ or self.code)
        super().__init__(self.message)
        self.narrow_code = code or self.code
        self.detail = detail

    def to_wire(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.narrow_code, "message": self.message}
        if self.detail:
            error["detail"] = self.detail
        if self.retry:
            error["retry"] = True
        return {"error": error}


class BadRequest(HubError):
    """The request is not one the hub understands."""

    code = "bad_request"


class BadParams(BadRequest):
    """A parameter of the job is wrong."""

    code = "bad_params"


class UrlRefused(BadRequest):
    """The hub may not connect to this URL."""

    code = "url_refused"


class Unauthorised(HubError):
    """This hub wants to know who you are: sign in, or send a token as `Authorization: Bearer ...`."""

    code = "unauthorised"


class Forbidden(HubError):
    """This page or host may not do that here."""

    code = "forbidden"


class NotFound(HubError):
    """There is no such thing here."""

    code = "not_found"


class Conflict(HubError):
    """Not possible in the present state."""

    code = "conflict"


class AlreadyRunning(Conflict):
    """This project already has such a job running."""

    code = "already_running"


class JobEnded(Conflict):
    """The job has ended, so nothing more can happen to it."""

    code = "job_ended"


class ForeignJob(Conflict):
    """A job of this id belongs to another project; ids are unique over all projects."""

    code = "foreign_job"


class TooLarge(HubError):
    """That is more than the hub takes at once."""

    code = "too_large"


class TooLate(HubError):
    """The request did not come whole in time."""

    code = "request_timeout"


class Unavailable(HubError):
    """The hub cannot do this right now; try again shortly."""

    code = "unavailable"
    retry = True


class JournalUnavailable(Unavailable):
    """The hub cannot write its journal just now; nothing is lost, and it goes on by itself once it can."""

    code = "journal_unavailable"


class Throttled(Unavailable):
    """That is more than the hub takes from one project in so short a time; come back as it says."""

    code = "throttled"


class LostReason(enum.StrEnum):
    """Why a cursor cannot be served; its watcher gets a `reset` with it, and a snapshot."""

    UNKNOWN_CURSOR = "unknown_cursor"
    """No hub gave it out."""
    OTHER_EPOCH = "other_epoch"
    """The numbering has started over."""
    FROM_THE_FUTURE = "from_the_future"
    TOO_OLD = "too_old"
    """The journal no longer keeps what came after it."""


class EndReason(enum.Enum):
    """Why the hub ends a stream; `come_back` says whether the watcher's cursor will serve it again."""

    RESTARTING = ("restarting", True)
    TOO_SLOW = ("too_slow", True)
    LOST_POSITION = ("lost_position", True)
    DONE = ("done", False)
    UNAUTHORISED = ("unauthorised", False)
    FORBIDDEN = ("forbidden", False)
    BAD_REQUEST = ("bad_request", False)
    GONE = ("gone", False)

    def __init__(self, word: str, come_back: bool) -> None:
        self.word = word
        self.come_back = come_back
