"""Who may ask: tokens with their roles, and the browsers that have signed in with one. No secret is kept here."""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self


class Role(enum.StrEnum):
    """What a token is good for."""

    WATCH = "watch"
    """Read everything."""
    RUN = "run"
    """Watch, and start, cancel, pause and retry jobs, and make projects."""
    PUBLISH = "publish"
    """Publish progress, and read the projects that the token is for, where it names any."""
    ADMIN = "admin"
    """Everything, tokens included."""


INCLUDED: Mapping[Role, frozenset[Role]] = {
    Role.WATCH: frozenset({Role.WATCH}),
    Role.RUN: frozenset({Role.RUN, Role.WATCH}),
    Role.PUBLISH: frozenset({Role.PUBLISH}),
    Role.ADMIN: frozenset(Role),
}
KEPT_REVOKED = 100
"""Revoked tokens that are remembered."""
SIGN_INS_KEPT = 50
"""Browsers that may be signed in with one token at the same time; the oldest go."""


def held(roles: Iterable[Role]) -> frozenset[Role]:
    """These, and those that they include."""
    return frozenset(role for each in roles for role in INCLUDED[each])


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Times are Unix milliseconds."""

    id: str
    digest: str
    """SHA-256 of the secret, in hexadecimal."""
    roles: tuple[Role, ...]
    created: int
    name: str = ""
    projects: tuple[str, ...] = ()
    """The only ones that it is for; empty: all."""
    expires: int | None = None
    used: int | None = None
    """To the minute."""
    revoked: int | None = None

    def is_live(self, now_ms: int) -> bool:
        return self.revoked is None and (self.expires is None or now_ms < self.expires)

    def to_row(self) -> dict[str, Any]:
        """What never changes."""
        return {
            "id": self.id,
            "name": self.name,
            "roles": [role.value for role in self.roles],
            "projects": list(self.projects),
            "created": self.created,
            "expires": self.expires,
        }

    def to_wire(self) -> dict[str, Any]:
        return self.to_row() | {"last_used": self.used, "revoked": self.revoked}

    @classmethod
    def from_row(cls, row: Mapping[str, Any], digest: str, used: int | None, revoked: int | None) -> Self:
        """Raises KeyError or ValueError for anything that `to_row` did not make."""
        return cls(
            id=row["id"],
            digest=digest,
            roles=tuple(map(Role, row["roles"])),
            created=row["created"],
            name=row["name"],
            projects=tuple(row["projects"]),
            expires=row["expires"],
            used=used,
            revoked=revoked,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """A browser that came with a token, and goes by a cookie since."""

    digest: str
    """SHA-256 of the cookie, in hexadecimal."""
    token: str
    """Its id."""
    created: int
    expires: int
