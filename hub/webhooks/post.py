"""The post: every webhook of the hub, each with its courier."""

import asyncio
import collections
import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from hub.core.errors import Conflict, HubError, NotFound
from hub.core.ports import Clock, Page
from hub.core.stores import WebhookTable
from hub.core.webhooks import KEPT, Delivery, Trouble, Webhook, envelope
from hub.jobs.base import JobFailed, Rules
from hub.webhooks import receiver, sending, signature
from hub.webhooks.backoff import Answer
from hub.webhooks.courier import Courier
from hub.webhooks.lookups import Lookups, Resolved
from hub.webhooks.receiver import Receiver

log = logging.getLogger(__name__)

T = TypeVar("T")

KEY_FILE = "webhooks.key"
LOOKUP_S = 3.0
"""Of a new webhook's name. One that is not found by then may be known later, and is checked at each attempt."""


class WebhookKeyUnreadable(HubError):
    """The file webhooks.key in the data folder cannot be used. Restore it, or remove it: secrets then change."""

    code = "webhook_key_unreadable"


class Post:
    def __init__(  # noqa: PLR0913 - what stands between the journal and the network
        self,
        table: WebhookTable,
        clock: Clock,
        *,
        rules: Rules,
        folder: Path,
        most: int,
        days: float,
        agent: str,
        resolved: Resolved = receiver.resolved,
    ) -> None:
        """`folder` is the data folder, `most` the largest number of webhooks, `days` as in Courier, `agent` who the
        hub says it is; `resolved` blocks.
        """
        self._table = table
        self._clock = clock
        self._rules = rules
        self._folder = folder
        self._most = most
        self._days = days
        self._agent = agent
        self._lookups = Lookups(resolved)
        self._key: signature.Key | None = None
        self._changing = asyncio.Lock()
        """Held while the table and the couriers are made to agree: of two changes at once each finds the other done."""
        self._couriers: dict[str, Courier] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.outcomes: collections.Counter[str] = collections.Counter()
        """What became of attempts since the hub started."""

    async def start(self) -> None:
        """Raises JournalUnavailable, WebhookKeyUnreadable."""
        self._table.on_waiting(self._wake)
        webhooks = await self._table.all()
        if webhooks:
            self._key = await self._from_file(signature.Key.read)
        for webhook in webhooks:  # a new key is made afterwards, so a hub that is killed in here finds it lost again
            is_lost = self._key is None and webhook.disabled is not Trouble.SECRET_LOST
            self._begin(await self._without_secret(webhook) if is_lost else webhook)

    async def stop(self) -> None:
        """What waits is sent by the next hub; what was on its way is sent again then, under the same id."""
        self._table.on_waiting(lambda: None)
        for id_ in list(self._tasks):
            await self._end(id_)

    def all(self) -> list[Webhook]:
        """Oldest first."""
        return [courier.webhook for courier in self._couriers.values()]

    def get(self, id_: str) -> Webhook:
        """Raises NotFound."""
        return self._courier(id_).webhook

    async def add(self, webhook: Webhook) -> str:
        """Keep a new one; its secret. Raises UrlRefused, Conflict, JournalUnavailable, WebhookKeyUnreadable."""
        await self._check(webhook.url)
        async with self._changing:
            if len(self._couriers) >= self._most:
                text = f"There are {self._most} webhooks already, and max_webhooks allows no more."
                raise Conflict(text, code="too_many_webhooks")
            key = await self._have_key()
            await self._table.add(webhook)
            self._begin(webhook)
        return key.secret(webhook.id)

    async def change(self, id_: str, **fields: Any) -> Webhook:
        """`fields` are those of a Webhook that somebody may choose; what waits goes where the new URL leads.

        Raises NotFound, UrlRefused, JournalUnavailable.
        """
        self.get(id_)
        if "url" in fields:
            await self._check(fields["url"])
        async with self._changing:
            return await self._put_again(replace(self.get(id_), **fields))

    async def remove(self, id_: str) -> None:
        """With what waits for it. Raises NotFound, JournalUnavailable."""
        async with self._changing:
            self._courier(id_)
            await self._table.delete(id_)
            await self._end(id_)
            del self._couriers[id_]

    async def enable(self, id_: str) -> str | None:
        """Tell it again of what ends from now on; its secret if that is a new one.

        Raises NotFound, JournalUnavailable, WebhookKeyUnreadable.
        """
        async with self._changing:
            before, key = self.get(id_), await self._have_key()
            await self._put_again(replace(before, disabled=None, disabled_at=None, failing_since=None))
        return key.secret(id_) if before.disabled is Trouble.SECRET_LOST else None

    async def test(self, id_: str) -> Delivery:
        """Send a message of type `webhook.test`, and wait for what becomes of it. Raises NotFound."""
        courier, now_ms = self._courier(id_), self._clock.now_ms()
        payload = envelope("webhook.test", now_ms, {"webhook": id_, "message": "This is a test of a webhook."})
        message = f"msg_{secrets.token_hex(16)}"
        return await courier.test(Delivery(id=message, webhook=id_, created=now_ms, payload=payload))

    async def deliveries(self, id_: str, limit: int, cursor: str | None) -> Page[Delivery]:
        """Newest first. Raises NotFound, BadRequest."""
        self._courier(id_)
        return await self._table.deliveries(id_, limit, cursor)

    async def waiting(self) -> int:
        return await self._table.waiting()

    async def _have_key(self) -> signature.Key:
        """The key, which is made with the first webhook."""
        if self._key is None:
            self._key = await self._from_file(signature.Key.at)
        return self._key

    async def _from_file(self, read: Callable[[Path], T]) -> T:
        try:
            return await asyncio.to_thread(read, self._folder / KEY_FILE)
        except (OSError, ValueError) as exc:
            raise WebhookKeyUnreadable(f"The webhooks' key cannot be used: {exc}.") from exc

    async def _check(self, url: str) -> None:
        """Raises UrlRefused. A name that is not known just now passes: it is checked at each attempt."""
        found = receiver.parse(url, self._rules)
        with suppress(JobFailed, TimeoutError):
            await asyncio.wait_for(self._resolve(found), LOOKUP_S)

    async def _put_again(self, webhook: Webhook) -> Webhook:
        """Have the webhook as it is now. An attempt under way is made again, under the same id."""
        before = self._couriers[webhook.id]
        await self._end(webhook.id)  # first: it would write the webhook as it was
        try:
            await self._table.add(webhook)
        except BaseException:
            self._begin(before.webhook)
            raise
        self._begin(webhook)
        return webhook

    def _courier(self, id_: str) -> Courier:
        if id_ not in self._couriers:
            raise NotFound(f"There is no webhook {id_!r}.")
        return self._couriers[id_]

    def _begin(self, webhook: Webhook) -> None:
        courier = Courier(
            webhook, self._table, self._attempt, now_ms=self._clock.now_ms, days=self._days, tell=self._count
        )
        self._couriers[webhook.id] = courier
        self._tasks[webhook.id] = asyncio.create_task(courier.run(), name=f"webhook {webhook.id}")

    async def _end(self, id_: str) -> None:
        task = self._tasks.pop(id_, None)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    def _wake(self) -> None:
        for courier in self._couriers.values():
            courier.wake()

    def _count(self, outcome: str) -> None:
        self.outcomes[outcome] += 1

    async def _attempt(self, webhook: Webhook, delivery: Delivery) -> Answer:
        payload, key = delivery.payload.encode(), await self._have_key()
        at_s = self._clock.now_ms() // 1000
        signed = signature.headers(key.secret(webhook.id), delivery.id, at_s, payload)
        try:
            found = receiver.parse(webhook.url, self._rules)  # the rules may have changed since it was added
        except HubError as exc:
            return Answer(error=exc.message)
        return await sending.send(found, {**signed, "User-Agent": self._agent}, payload, self._resolve)

    async def _resolve(self, found: Receiver) -> Sequence[str]:
        return await self._lookups.addresses(found.remote, self._rules)

    async def _without_secret(self, webhook: Webhook) -> Webhook:
        webhook = replace(webhook, disabled=Trouble.SECRET_LOST, disabled_at=self._clock.now_ms())
        await self._table.disable(webhook, KEPT)
        extra = {"action": "webhook_disabled", "why": Trouble.SECRET_LOST.value, "webhook": webhook.id}
        log.error("a webhook was disabled: the file %s is gone, and with it its secret", KEY_FILE, extra=extra)
        return webhook
