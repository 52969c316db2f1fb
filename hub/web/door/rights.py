"""Who may do what: one row for each route, and nothing for whatever has none."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from hub.core.tokens import Role


class Scope(enum.Enum):
    """How it is known of which project a request is, for tokens and links that are for some projects only."""

    HUB = enum.auto()
    """It is of the hub as a whole: not for them."""
    PATH = enum.auto()
    """By `{project}` in the path."""
    JOB = enum.auto()
    """By the job, `{job}` in the path."""
    QUERY = enum.auto()
    """By `?project=`, without which it is of the hub as a whole."""
    OWN = enum.auto()
    """The handler itself looks at the visitor, and shows or does no more than is open to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    role: Role | None
    """None: open to everybody."""
    scope: Scope = Scope.HUB
    publisher: bool = False
    """Also for tokens that publish to the project that this is of, where the token names it."""
    link: bool = False
    """Also for watch links."""


OPEN = Right(role=None)
# Other sites' pages that have a link read it, too: to tell a hub that is down from a path that lets no WebSocket pass.
_HEALTH = Right(role=None, link=True)
_WATCH, _RUN, _ADMIN = (Right(role=role) for role in (Role.WATCH, Role.RUN, Role.ADMIN))
_READ, _DO = (Right(role=role, scope=Scope.PATH) for role in (Role.WATCH, Role.RUN))
_STEER = Right(role=Role.RUN, scope=Scope.JOB)
_LIST = Right(role=Role.WATCH, scope=Scope.QUERY)
_PICTURE = Right(role=Role.WATCH, scope=Scope.JOB, link=True)
_REPOSITORIES: Mapping[tuple[str, str], Right] = {
    ("GET", "/repos/clone-progress"): _RUN,
    ("POST", "/repos/clone-progress"): _RUN,
    ("POST", "/repos/clone"): _RUN,
    ("POST", "/repos/scan"): _RUN,
    ("GET", "/repos"): _WATCH,
    ("POST", "/repos"): _RUN,
    ("DELETE", "/repos/{id}"): _RUN,
}
_API = "/api/v1"
_PROJECT = f"{_API}/projects/{{project}}"
_SNAPSHOT = f"{_PROJECT}/snapshots/{{snapshot}}"
RIGHTS: Mapping[tuple[str, str], Right] = {
    # The page, which asks for nothing before somebody has signed in, and what tells whether the hub lives.
    ("GET", "/"): OPEN,
    ("GET", "/static/{path}"): OPEN,
    ("GET", "/docs"): OPEN,
    ("GET", f"{_API}/openapi.json"): OPEN,
    ("GET", "/healthz"): _HEALTH,
    ("GET", f"{_API}/session"): OPEN,
    ("POST", f"{_API}/session"): OPEN,
    ("DELETE", f"{_API}/session"): OPEN,
    ("GET", "/readyz"): _WATCH,
    ("GET", "/metrics"): _WATCH,
    ("GET", "/status"): _WATCH,
    ("GET", "/j/{job}"): _PICTURE,
    ("GET", "/j/{job}/badge.svg"): _PICTURE,
    # The hub as a whole.
    ("GET", f"{_API}/watchers"): _LIST,
    ("GET", f"{_API}/kinds"): Right(role=Role.WATCH, scope=Scope.OWN),
    ("GET", f"{_API}/statistics"): _LIST,
    ("GET", f"{_API}/search"): _LIST,
    ("GET", f"{_API}/sessions"): _WATCH,
    ("POST", f"{_API}/sessions"): _RUN,
    ("POST", f"{_API}/sync"): _RUN,
    ("GET", f"{_API}/events"): Right(role=Role.WATCH, scope=Scope.OWN, publisher=True),
    ("GET", f"{_API}/tokens"): _ADMIN,
    ("POST", f"{_API}/tokens"): _ADMIN,
    ("DELETE", f"{_API}/tokens/{{token}}"): _ADMIN,
    # What a webhook's URL holds is often a secret by itself, and it takes what the hub knows elsewhere.
    ("POST", f"{_API}/webhooks"): _ADMIN,
    ("GET", f"{_API}/webhooks"): _ADMIN,
    ("GET", f"{_API}/webhooks/{{webhook}}"): _ADMIN,
    ("PATCH", f"{_API}/webhooks/{{webhook}}"): _ADMIN,
    ("DELETE", f"{_API}/webhooks/{{webhook}}"): _ADMIN,
    ("POST", f"{_API}/webhooks/{{webhook}}/test"): _ADMIN,
    ("POST", f"{_API}/webhooks/{{webhook}}/enable"): _ADMIN,
    ("GET", f"{_API}/webhooks/{{webhook}}/deliveries"): _ADMIN,
    # Projects.
    ("POST", f"{_API}/projects"): Right(role=Role.RUN, scope=Scope.OWN, publisher=True),
    ("GET", f"{_API}/projects"): Right(role=Role.WATCH, scope=Scope.OWN, publisher=True),
    ("GET", _PROJECT): Right(role=Role.WATCH, scope=Scope.PATH, publisher=True),
    ("DELETE", _PROJECT): _DO,
    ("POST", f"{_PROJECT}/jobs"): _DO,
    ("GET", f"{_PROJECT}/events"): Right(role=Role.WATCH, scope=Scope.PATH, publisher=True, link=True),
    ("POST", f"{_PROJECT}/publish"): Right(role=Role.PUBLISH, scope=Scope.PATH),
    ("POST", f"{_PROJECT}/watch-links"): _DO,
    ("GET", f"{_PROJECT}/history"): Right(role=Role.WATCH, scope=Scope.PATH, publisher=True),
    ("GET", f"{_PROJECT}/commits"): _READ,
    ("GET", f"{_PROJECT}/links"): _READ,
    ("GET", f"{_PROJECT}/index"): _READ,
    ("GET", f"{_PROJECT}/snapshots"): _READ,
    ("GET", _SNAPSHOT): _READ,
    ("DELETE", _SNAPSHOT): _DO,
    ("GET", f"{_SNAPSHOT}/files"): _READ,
    ("GET", f"{_SNAPSHOT}/file"): _READ,
    ("GET", f"{_SNAPSHOT}/archive"): _READ,
    ("GET", f"{_SNAPSHOT}/diff/{{other}}"): _READ,
    # Jobs and what makes them come back.
    ("GET", f"{_API}/jobs"): Right(role=Role.WATCH, scope=Scope.QUERY, publisher=True, link=True),
    ("POST", f"{_API}/jobs"): _RUN,
    ("GET", f"{_API}/jobs/{{job}}"): Right(role=Role.WATCH, scope=Scope.JOB, publisher=True, link=True),
    **{("POST", f"{_API}/jobs/{{job}}/{verb}"): _STEER for verb in ("cancel", "pause", "resume", "retry")},
    ("GET", f"{_API}/schedules"): _WATCH,
    ("GET", f"{_API}/schedules/{{schedule}}"): _WATCH,
    **{(method, f"{_API}/schedules/{{schedule}}"): _RUN for method in ("PATCH", "DELETE")},
    ("POST", f"{_API}/schedules/{{schedule}}/run"): _RUN,
    ("POST", f"{_PROJECT}/schedules"): _DO,
    ("GET", f"{_PROJECT}/schedules"): _READ,
    ("GET", f"{_PROJECT}/schedules/{{schedule}}"): _READ,
    **{(method, f"{_PROJECT}/schedules/{{schedule}}"): _DO for method in ("PATCH", "DELETE")},
    ("POST", f"{_PROJECT}/schedules/{{schedule}}/run"): _DO,
    # Other systems' APIs.
    **_REPOSITORIES,
    **{(method, f"/api{path}"): right for (method, path), right in _REPOSITORIES.items()},
    ("POST", "/api/sync/git"): _RUN,
    ("GET", "/api/sync/git/progress"): _WATCH,
    ("GET", "/api/status"): _WATCH,
    ("PUT", "/api/settings/git-sync-interval"): _ADMIN,
    ("POST", "/mcp/index/stream"): _RUN,
    ("DELETE", "/mcp/index/stream"): _RUN,
    ("GET", f"{_PROJECT}/progress"): _READ,
    ("GET", f"{_PROJECT}/progress/stream"): _READ,
    ("POST", f"{_PROJECT}/snapshot"): _DO,
    ("POST", f"{_API}/ingest/{{source}}"): _RUN,
    ("GET", f"{_API}/ingest/{{job}}/stream"): Right(role=Role.WATCH, scope=Scope.JOB),
}


def right_of(method: str, path: str) -> Right | None:
    """Of a route, `path` with its names in braces; None: nobody may."""
    return RIGHTS.get(("GET" if method == "HEAD" else method, path))
