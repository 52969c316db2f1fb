"""A visitor: who asks, as far as the hub can tell, and what is open to them."""

import enum
from dataclasses import dataclass

from hub.core.errors import Forbidden
from hub.core.tokens import Role, SignIn, Token, held


class Means(enum.Enum):
    """By what a visitor was let in."""

    NOTHING = enum.auto()
    """Nobody need sign in."""
    TOKEN = enum.auto()
    COOKIE = enum.auto()
    LINK = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    means: Means
    credential: str
    """Which one of its means: a token's id, a cookie's digest, a watch link's key. No secret."""
    roles: frozenset[Role]
    """Those that others include, too."""
    name: str = ""
    token: str = ""
    """The id of the token it came with, now or when it signed in."""
    projects: frozenset[str] | None = None
    """The only ones that are open; None: all."""
    job: str | None = None
    """The only one that is open."""
    expires: int | None = None
    """Unix milliseconds."""

    def check(self, project: str | None, job: str | None = None) -> None:
        """May this be watched? `project` None is all that are open. Raises Forbidden."""
        if project is not None and self.projects is not None and project not in self.projects:
            raise Forbidden(f"This is not open to you: {self._what} is for {self._open}.")
        if self.job is not None and job != self.job:
            raise Forbidden(f"This watch link is for the job {self.job} alone; ask for it with ?job={self.job}.")

    @property
    def _what(self) -> str:
        return "the watch link" if self.means is Means.LINK else "the token"

    @property
    def _open(self) -> str:
        names = sorted(self.projects or ())
        return f"the project{'s' if len(names) > 1 else ''} {', '.join(names)}"


ANYBODY = Visitor(means=Means.NOTHING, credential="", roles=frozenset(Role))


def of_token(token: Token) -> Visitor:
    return Visitor(
        means=Means.TOKEN,
        credential=token.id,
        roles=held(token.roles),
        name=token.name,
        token=token.id,
        projects=frozenset(token.projects) or None,
        expires=token.expires,
    )


def of_sign_in(sign_in: SignIn, token: Token) -> Visitor:
    return Visitor(
        means=Means.COOKIE,
        credential=sign_in.digest,
        roles=held(token.roles),
        name=token.name,
        token=token.id,
        projects=frozenset(token.projects) or None,
        expires=sign_in.expires,
    )
