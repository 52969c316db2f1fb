"""The contracts of the tables that a journal keeps besides events and jobs. Errors are the journal's own."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from hub.core.ports import Journal, Page
from hub.core.schedules import ScheduleState
from hub.core.tokens import SignIn, Token
from hub.core.webhooks import Delivery, Webhook


class ScheduleTable(Protocol):
    """Schedules. Those of a project go with it."""

    async def all(self) -> list[ScheduleState]:
        """Oldest first."""

    async def put(self, schedule: ScheduleState) -> None:
        """Keep it in place of the one of its id. Nothing happens when its project is gone."""

    async def delete(self, schedule: str) -> None:
        """One that is not there is no error."""


class WebhookTable(Protocol):
    """Webhooks and their outbox.

    A commit of the journal that holds the end of a job holds, too, a delivery of it for each webhook that wants it: an
    end that is durable is told, or its delivery says why not, whatever happens to the process in between. Of those that
    wait for one webhook the oldest beyond MOST_WAITING are given up, now and then.
    """

    def on_waiting(self, wake: Callable[[], None]) -> None:
        """Have `wake` called after each commit that made deliveries."""

    async def all(self) -> list[Webhook]:
        """Oldest first."""

    async def add(self, webhook: Webhook) -> None:
        """Keep it in place of the one of its id."""

    async def delete(self, webhook: str) -> None:
        """With its deliveries. One that is not there is no error."""

    async def disable(self, webhook: Webhook, keep: int) -> None:
        """Keep a webhook that was disabled: nothing more is told to it, and what waits has failed. Of what is over only
        the newest `keep` is kept.
        """

    async def due(self, webhook: str, now_ms: int) -> Delivery | None:
        """What to send now: of those whose time has come the one with the fewest attempts, then the oldest."""

    async def next_at(self, webhook: str) -> int | None:
        """When the earliest of what waits may be sent; None: nothing waits."""

    async def waiting(self) -> int:
        """How many deliveries wait, of all webhooks."""

    async def settle(self, delivery: Delivery, keep: int, webhook: Webhook | None = None) -> None:
        """Keep what an attempt has come to, and what `webhook` has become by it; None: it is as it was.

        Of the webhook's finished deliveries only the newest `keep` are kept.

        A delivery that is new is added. Nothing happens when the webhook is gone.
        """

    async def deliveries(self, webhook: str, limit: int, cursor: str | None) -> Page[Delivery]:
        """Newest first. Raises BadRequest for a cursor that no page gave out."""


class TokenTable(Protocol):
    """Tokens and the browsers that are signed in with them. Another process may write to it at the same time."""

    async def all(self) -> list[Token]:
        """Oldest first, with the newest KEPT_REVOKED of those that were revoked."""

    async def add(self, token: Token) -> None: ...

    async def use(self, used: Mapping[str, int]) -> None:
        """Note when tokens were used last, by id in Unix milliseconds; never back."""

    async def revoke(self, tokens: Sequence[str], now_ms: int) -> list[str]:
        """For good, with all that has signed in with them; the ids of those that were not revoked before."""

    async def sign_ins(self) -> list[SignIn]:
        """Oldest first; also such as have expired since the last one was added."""

    async def sign_in(self, sign_in: SignIn, now_ms: int) -> bool:
        """Keep it, unless its token is gone or revoked: then False. Of a token's the newest SIGN_INS_KEPT stay."""

    async def sign_out(self, digest: str) -> None:
        """One that is not there is no error."""


class Store(Journal, Protocol):
    """A journal with all its tables."""

    @property
    def schedules(self) -> ScheduleTable: ...

    @property
    def webhooks(self) -> WebhookTable: ...

    @property
    def tokens(self) -> TokenTable: ...
