"""A permit: what a request may watch, and for how long. Whoever lets requests in gives each one its own."""

from collections.abc import Callable
from typing import Protocol

from aiohttp import web

from hub.core.errors import EndReason


class Permit(Protocol):
    @property
    def projects(self) -> frozenset[str] | None:
        """The only ones that are open; None: all."""

    def check(self, project: str | None, job: str | None) -> None:
        """May this be watched? `project` None is the feed of all that are open. Raises Forbidden."""

    def hold(self, end: Callable[[EndReason], None]) -> Callable[[], None]:
        """Have `end` called when the permit is taken back, until the function returned is called."""


class Everything:
    """The permit of whoever has been given none: where nobody has to sign in."""

    projects: frozenset[str] | None = None

    def check(self, project: str | None, job: str | None) -> None: ...

    def hold(self, end: Callable[[EndReason], None]) -> Callable[[], None]:
        return lambda: None


PERMIT: web.RequestKey[Permit] = web.RequestKey("PERMIT", Permit)
EVERYTHING = Everything()


def permit_of(request: web.Request) -> Permit:
    permit: Permit = request.get(PERMIT, EVERYTHING)
    return permit
