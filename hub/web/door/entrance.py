"""The entrance: who asks, whether they may, and the end of what they watch once they no longer may."""

import asyncio
import logging
from collections.abc import Callable

from aiohttp import web

from hub.access.doorkeeper import Doorkeeper
from hub.access.visitor import ANYBODY, Means, Visitor
from hub.core.errors import EndReason, Forbidden, NotFound, Unauthorised
from hub.core.tokens import Role
from hub.transports.handshake import wants_websocket
from hub.transports.permit import PERMIT
from hub.transports.ws import refuse_ws
from hub.web.door.guard import SAFE_METHODS
from hub.web.door.identity import identified
from hub.web.door.peers import client_address, peer
from hub.web.door.rights import Right, Scope, right_of
from hub.web.errors import Handler
from hub.web.keys import HUB

log = logging.getLogger(__name__)

VISITOR = web.RequestKey("VISITOR", Visitor)
_BEGUN = web.RequestKey("BEGUN", bool)
GONE = "What you came with is good no longer: it has expired, or was revoked, or you signed out."


class Pass:
    """The permit of a visitor who was let in."""

    __slots__ = ("_keeper", "visitor")

    def __init__(self, keeper: Doorkeeper, visitor: Visitor) -> None:
        self._keeper = keeper
        self.visitor = visitor

    @property
    def projects(self) -> frozenset[str] | None:
        return self.visitor.projects

    def check(self, project: str | None, job: str | None) -> None:
        self.visitor.check(project, job)

    def hold(self, end: Callable[[EndReason], None]) -> Callable[[], None]:
        return self._keeper.hold(self.visitor, end)


@web.middleware
async def entrance(request: web.Request, handler: Handler) -> web.StreamResponse:
    resource = request.match_info.route.resource
    if resource is None:  # there is nothing there, and that is no secret
        return await handler(request)
    right = right_of(request.method, resource.canonical)
    if right is not None and right.role is None:
        return await handler(request)
    try:
        visitor = identified(request)
        await check(request, visitor, right)
    except (Unauthorised, Forbidden) as exc:
        if wants_websocket(request.headers) and request.method == "GET":
            reason = EndReason.UNAUTHORISED if isinstance(exc, Unauthorised) else EndReason.FORBIDDEN
            return await refuse_ws(request, reason)
        raise
    request[VISITOR] = visitor
    permit = request[PERMIT] = Pass(request.app[HUB].keeper, visitor)
    if request.method not in SAFE_METHODS:  # a change is not left half made
        _note_change(request, visitor, right)
        return await handler(request)
    return await _held(request, handler, permit)


def _note_change(request: web.Request, visitor: Visitor, right: Right | None) -> None:
    """Who has asked for what; but for publishing, which comes several times a second."""
    if visitor.token and right is not None and right.role is not Role.PUBLISH:
        extra = {
            "action": "change",
            "token": visitor.token,
            "by": visitor.name or "-",
            "address": client_address(request),
        }
        log.info("%s %s", request.method, request.rel_url.raw_path, extra=extra)  # as sent: escapes stay escaped


async def _held(request: web.Request, handler: Handler, permit: Pass) -> web.StreamResponse:
    """An answer that takes its time, as a long poll or a download does, ends when its visitor may no longer stay."""
    task = asyncio.current_task()
    assert task is not None
    reasons: list[EndReason] = []

    def end(reason: EndReason) -> None:
        reasons.append(reason)
        task.cancel()

    release = permit.hold(end)
    try:
        return await handler(request)
    except asyncio.CancelledError:
        if not reasons or request.get(_BEGUN):  # an answer that has begun is cut off, which tells that it is not whole
            raise
        task.uncancel()
        raise Unauthorised(GONE) from None
    finally:
        release()


async def note_begun(request: web.Request, response: web.StreamResponse) -> None:
    """For `on_response_prepare`."""
    request[_BEGUN] = True
    place = response.headers.get("Location", "")
    if place.startswith("/") and (prefix := peer(request).prefix):
        response.headers["Location"] = prefix + place
    visitor = request.get(VISITOR)
    if visitor is not None and visitor.means is not Means.NOTHING:
        response.headers.setdefault("Cache-Control", "no-store")  # what one may see is not for the next


# -- what -------------------------------------------------------------------------------------------------------------


async def check(request: web.Request, visitor: Visitor, right: Right | None) -> None:
    """Raises Forbidden, NotFound."""
    if visitor.means is Means.NOTHING:
        return
    if right is None or right.role is None:
        raise Forbidden("Nobody may do this.")
    if visitor.means is Means.LINK:
        if not right.link:
            raise Forbidden("A watch link is for watching its project, and for nothing else.")
    elif right.role not in visitor.roles and not _may_publish(visitor, right):
        has = ", ".join(sorted(visitor.roles))
        raise Forbidden(f"This needs the role {right.role.value}; what you signed in with has: {has}.")
    if visitor.projects is not None or visitor.job is not None:
        await _check_scope(request, visitor, right)


def _may_publish(visitor: Visitor, right: Right) -> bool:
    """Read what it publishes to: only where the token says what that is, else it could open any project by publishing
    to it. A project may be made by any, to be published to.
    """
    is_named = visitor.projects is not None or right.role is Role.RUN
    return right.publisher and Role.PUBLISH in visitor.roles and is_named


async def _check_scope(request: web.Request, visitor: Visitor, right: Right) -> None:
    match right.scope:
        case Scope.PATH:
            # Which job of it is watched is checked where that is read.
            job = request.query.get("job") if visitor.job is not None else None
            visitor.check(request.match_info["project"], job)
        case Scope.JOB:
            job = request.match_info["job"]
            project = (await request.app[HUB].engine.state(job)).project
            if visitor.projects is not None and project not in visitor.projects:
                raise NotFound(f"There is no job {job!r}.")  # as for one that nobody has: ids can be guessed
            visitor.check(project, job)
        case Scope.QUERY:
            projects = request.query.getall("project", [])
            if not all(projects) or not projects:
                raise Forbidden("This is for some projects only: name one of them with ?project=.")
            for project in projects:
                visitor.check(project, None)
        case Scope.HUB:
            raise Forbidden("This is of the hub as a whole, and you come with a token for some projects only.")
        case Scope.OWN:
            pass


def visitor_of(request: web.Request) -> Visitor:
    """Who was let in; anybody, where the route is open."""
    visitor: Visitor = request.get(VISITOR, ANYBODY)
    return visitor
