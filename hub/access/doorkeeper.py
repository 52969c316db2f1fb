"""The doorkeeper knows who may come in, and who is in; whoever may no longer stay is shown out."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from hub.access import secret
from hub.access.guesses import Guesses
from hub.access.visitor import ANYBODY, Means, Visitor, of_sign_in, of_token
from hub.access.watch_links import Key, WatchLink
from hub.core.errors import EndReason, HubError, NotFound, Unauthorised
from hub.core.ports import Clock
from hub.core.stores import TokenTable
from hub.core.tokens import Role, SignIn, Token

log = logging.getLogger(__name__)

LOOK_S = 0.5
"""How often it is looked what another process has done to the tokens and to the key: `progress-hub token revoke`."""
USED_MS = 60_000
"""When a token was used last is noted to the minute."""
SIGN_IN_MS = 30 * 24 * 3600 * 1000
"""How long a browser stays signed in."""

End = Callable[[EndReason], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A token that is to be made."""

    roles: tuple[Role, ...]
    name: str = ""
    projects: tuple[str, ...] = ()
    expires: int | None = None
    """Unix milliseconds."""


class Doorkeeper:
    def __init__(self, table: TokenTable, folder: Path, clock: Clock, *, policy: str, is_exposed: bool) -> None:
        """`policy` is the setting `sign_in`; `is_exposed`: the hub listens where others than this machine reach it."""
        self._table = table
        self._folder = folder
        self._clock = clock
        self._policy = policy
        self._is_exposed = is_exposed
        self._tokens: dict[str, Token] = {}
        self._sign_ins: dict[str, SignIn] = {}
        self._used: dict[str, int] = {}
        self._changes = 0
        self._is_failing = False
        self._key = Key(b"")
        self._inside: dict[Visitor, dict[object, End]] = {}
        self.guesses = Guesses()

    async def open(self) -> None:
        """Raises JournalUnavailable, OSError."""
        self._key = await asyncio.to_thread(Key.of, self._folder)
        self._tokens = {token.id: token for token in await self._table.all()}
        self._sign_ins = {each.digest: each for each in await self._table.sign_ins()}

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except (HubError, OSError) as exc:
                if not self._is_failing:  # once: it is tried twice a second
                    log.error("who may ask cannot be read: %s", exc, extra={"action": "access_unread"})  # noqa: TRY400
                self._is_failing = True
            else:
                self._is_failing = False
            self.show_out()  # time goes on, whether the journal can be read or not

    async def look(self) -> None:
        """Take note of what another process has changed, and of what has expired. Raises as `open` does."""
        used, self._used = self._used, {}
        try:
            if used:
                await self._table.use(used)
        except BaseException:
            self._used = used | self._used
            raise
        changes = self._changes
        tokens, key = await self._table.all(), await asyncio.to_thread(Key.of, self._folder)
        if changes == self._changes:  # else what was read is older than what is known
            self._tokens = {token.id: token for token in tokens}
            self._key = key
        self.show_out()

    # -- who may come in ----------------------------------------------------------------------------------------------

    @property
    def is_wanted(self) -> bool:
        """Must visitors say who they are?

        Once there has been a token it stays so, also when the last one is revoked: that is done because of a token that
        fell into the wrong hands, and must not open the hub to everybody.
        """
        return self._policy != "never" and (self._policy == "always" or self._is_exposed or bool(self._tokens))

    def expose(self) -> None:
        """The hub listens where others than this machine reach it."""
        self._is_exposed = True
        self.show_out()

    @property
    def has_token(self) -> bool:
        """Is there any that can be used?"""
        now_ms = self._clock.now_ms()
        return any(token.is_live(now_ms) for token in self._tokens.values())

    @property
    def name(self) -> str:
        """Of this hub among those that share a host name, and with it their cookies."""
        return self._key.name[:8]

    def by_nothing(self) -> Visitor | None:
        return None if self.is_wanted else ANYBODY

    def by_token(self, text: str) -> Visitor | None:
        token = self._tokens.get(secret.token_id(text))
        # Whether there is such an id or not, the same is done: one digest, and one comparison of two of equal length.
        is_right = secret.is_same(secret.digest(text), token.digest if token else secret.NO_DIGEST)
        if token is None or not is_right or not token.is_live(self._clock.now_ms()):
            return None
        self._note_use(token)
        return of_token(token)

    def was_token(self, text: str) -> bool:
        """Is it one that was right once? Whoever comes with it guesses nothing."""
        token = self._tokens.get(secret.token_id(text))
        return secret.is_same(secret.digest(text), token.digest if token else secret.NO_DIGEST)

    def by_cookie(self, text: str) -> Visitor | None:
        # Found by its digest: who does not know the cookie cannot choose what is compared here.
        sign_in = self._sign_ins.get(secret.digest(text))
        token = self._tokens.get(sign_in.token) if sign_in else None
        if sign_in is None or token is None:
            return None
        visitor = of_sign_in(sign_in, token)
        if not self._may_stay(visitor):
            return None
        self._note_use(token)
        return visitor

    def by_link(self, text: str) -> Visitor | None:
        link = self._key.read(text)
        if link is None or link.expires <= self._clock.now_ms():
            return None
        return Visitor(
            means=Means.LINK,
            credential=self._key.name,
            roles=frozenset(),
            projects=frozenset({link.project}),
            job=link.job,
            expires=link.expires,
        )

    def link(self, project: str, job: str | None, ttl_s: float) -> tuple[str, WatchLink]:
        link = WatchLink(project=project, job=job, expires=self._clock.now_ms() + round(ttl_s * 1000))
        return self._key.sign(link), link

    # -- tokens and sign-ins ------------------------------------------------------------------------------------------

    def tokens(self) -> list[Token]:
        """Oldest first, revoked ones included."""
        known = self._tokens.values()
        return [replace(token, used=self._used[token.id]) if token.id in self._used else token for token in known]

    async def make(self, wanted: Wanted) -> tuple[Token, str]:
        """A new token, and its text, which is known to nobody but whoever gets it here."""
        made = minted(wanted, self._clock.now_ms())
        await self._table.add(made[0])
        self._changes += 1
        self._tokens[made[0].id] = made[0]
        self.show_out()
        return made

    async def revoke(self, id_: str) -> Token:
        """Raises NotFound."""
        done = await self._table.revoke([id_], self._clock.now_ms())
        self._changes += 1
        self._tokens = {token.id: token for token in await self._table.all()}
        if not done:
            raise NotFound(f"There is no token {id_!r}, or it has been revoked already.")
        self.show_out()
        return self._tokens[id_]

    async def sign_in(self, text: str) -> tuple[str, Visitor]:
        """A cookie for whoever has the token `text`. Raises Unauthorised."""
        visitor = self.by_token(text)
        if visitor is None:
            raise Unauthorised("That is no token of this hub, or it has been revoked, or has expired.")
        cookie, now_ms = secret.new_sign_in(), self._clock.now_ms()
        expires = now_ms + SIGN_IN_MS if visitor.expires is None else min(now_ms + SIGN_IN_MS, visitor.expires)
        sign_in = SignIn(digest=secret.digest(cookie), token=visitor.token, created=now_ms, expires=expires)
        if not await self._table.sign_in(sign_in, now_ms):
            raise Unauthorised("That token has just been revoked.")
        self._sign_ins[sign_in.digest] = sign_in
        known = set(self._sign_ins)
        # It makes room for itself. What is read is not taken over: somebody may have signed out meanwhile.
        for digest in known.difference([each.digest for each in await self._table.sign_ins()]):
            self._sign_ins.pop(digest, None)
        self.show_out()
        return cookie, of_sign_in(sign_in, self._tokens[visitor.token])

    async def sign_out(self, cookie: str) -> None:
        digest = secret.digest(cookie)
        if self._sign_ins.pop(digest, None) is not None:
            self.show_out()
            await self._table.sign_out(digest)

    # -- who is in ----------------------------------------------------------------------------------------------------

    def hold(self, visitor: Visitor, end: End) -> Callable[[], None]:
        """Have `end` called when the visitor may no longer stay, until the function returned is called."""
        place = object()
        self._inside.setdefault(visitor, {})[place] = end

        def release() -> None:
            ends = self._inside.get(visitor)
            if ends is not None and ends.pop(place, None) is not None and not ends:
                del self._inside[visitor]

        return release

    def show_out(self) -> None:
        """End what is open to those who may no longer stay."""
        for visitor in [visitor for visitor in self._inside if not self._may_stay(visitor)]:
            for end in self._inside.pop(visitor).values():
                end(EndReason.UNAUTHORISED)

    def _may_stay(self, visitor: Visitor) -> bool:
        now_ms = self._clock.now_ms()
        if visitor.expires is not None and visitor.expires <= now_ms:
            return False
        if visitor.means is Means.NOTHING:
            return not self.is_wanted
        if visitor.means is Means.LINK:
            return visitor.credential == self._key.name
        if visitor.means is Means.COOKIE and visitor.credential not in self._sign_ins:
            return False
        token = self._tokens.get(visitor.token)
        return token is not None and token.is_live(now_ms)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _note_use(self, token: Token) -> None:
        now_ms = self._clock.now_ms()
        if now_ms - max(self._used.get(token.id, 0), token.used or 0) >= USED_MS:
            self._used[token.id] = now_ms


def minted(wanted: Wanted, now_ms: int) -> tuple[Token, str]:
    """A token as it is kept, and its text."""
    id_ = secret.new_id()
    text = secret.new_token(id_)
    token = Token(
        id=id_,
        digest=secret.digest(text),
        roles=wanted.roles,
        created=now_ms,
        name=wanted.name,
        projects=wanted.projects,
        expires=wanted.expires,
    )
    return token, text
