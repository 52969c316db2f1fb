"""A courier: brings one receiver what waits for it, one message at a time, and never holds up another."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from hub.core.errors import HubError, JournalUnavailable
from hub.core.stores import WebhookTable
from hub.core.webhooks import KEPT, Delivered, Delivery, Webhook
from hub.webhooks.backoff import Answer, judged, pause_s, settled

log = logging.getLogger(__name__)

LOOK_S = 60.0
"""The clock may be set while something waits; it is looked at again at least this often."""
TROUBLE_S = 5.0

Attempt = Callable[[Webhook, Delivery], Awaitable[Answer]]


class Courier:
    """`run` is its task. Of what is due the message with the fewest attempts goes first: one that the receiver can't
    take does not keep the others from it.
    """

    def __init__(
        self,
        webhook: Webhook,
        table: WebhookTable,
        attempt: Attempt,
        *,
        now_ms: Callable[[], int],
        days: float,
        tell: Callable[[str], None],
    ) -> None:
        """`days`: after so many without a success the webhook is disabled; `tell` counts what becomes of attempts."""
        self.webhook = webhook
        self._table = table
        self._attempt = attempt
        self._now_ms = now_ms
        self._days = days
        self._tell = tell
        self._woken = asyncio.Event()
        self._turn = asyncio.Lock()
        self._owed: tuple[Delivery, Webhook] | None = None
        """What an attempt came to, as long as the journal cannot take it: what was heard is not sent once more."""
        self._failures = 0
        self._paused_until = 0.0

    def wake(self) -> None:
        """Something waits that did not before."""
        self._woken.set()

    async def run(self) -> None:
        """Until the webhook is disabled."""
        while self.webhook.disabled is None:
            self._woken.clear()
            try:
                wait_s = await self._step()
            except JournalUnavailable as exc:
                log.warning("webhooks wait: %s", exc, extra={"action": "webhook_waits", "webhook": self.webhook.id})
                wait_s = TROUBLE_S
            except Exception:  # without its courier a receiver would never hear of anything again
                log.exception("a webhook broke", extra={"action": "webhook_broke", "webhook": self.webhook.id})
                wait_s = LOOK_S
            if wait_s > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), min(wait_s, LOOK_S))

    async def test(self, delivery: Delivery) -> Delivery:
        """Try once, now. It changes nothing for the webhook, and is listed with the other deliveries."""
        async with self._turn:
            answer = await self._attempt(self.webhook, delivery)
            tried = settled(delivery, answer, self._now_ms(), 0.5)
            if tried.state is Delivered.WAITING:
                tried = replace(tried, state=Delivered.FAILED, next_at=None)
            await self._table.settle(tried, KEPT)
        return tried

    async def _step(self) -> float:
        """Bring one message, if one is due; seconds until there may be another."""
        await self._settle()
        paused_s = self._paused_until - time.monotonic()
        if paused_s > 0:
            return paused_s
        delivery = await self._table.due(self.webhook.id, self._now_ms())
        if delivery is None:
            next_at = await self._table.next_at(self.webhook.id)
            return LOOK_S if next_at is None else max((next_at - self._now_ms()) / 1000, 0.01)
        async with self._turn:
            answer = await self._tried(delivery)
            now_ms = self._now_ms()
            tried = settled(delivery, answer, now_ms, random.random())  # noqa: S311 - it only spreads the load
            self._owed = (tried, judged(self.webhook, answer, now_ms, self._days))
            self._failures = 0 if answer.is_success else self._failures + 1
            self._paused_until = time.monotonic() + pause_s(self._failures, answer)
            await self._settle()
        return 0.0

    async def _tried(self, delivery: Delivery) -> Answer:
        try:
            return await self._attempt(self.webhook, delivery)
        except HubError:
            raise
        except Exception as exc:  # one message that the hub itself cannot send keeps no other from the receiver
            log.exception("a delivery broke", extra={"action": "delivery_broke", "delivery": delivery.id})
            return Answer(error=f"The hub could not send it: {type(exc).__name__}. Its log has the details.")

    async def _settle(self) -> None:
        if self._owed is None:
            return
        tried, webhook = self._owed
        await self._table.settle(tried, KEPT, webhook)
        if webhook.disabled is not None:
            await self._table.disable(webhook, KEPT)
        self._owed = None
        self.webhook = webhook
        self._tell("retried" if tried.state is Delivered.WAITING else tried.state.value)
        extra = {"webhook": webhook.id, "delivery": tried.id, "attempt": tried.attempts}
        if tried.state is Delivered.FAILED:
            log.warning("a delivery was given up: %s", tried.error, extra={"action": "delivery_failed", **extra})
        if webhook.disabled is not None:
            self._tell("disabled")
            text = "a webhook was disabled: %s"
            log.error(text, tried.error, extra={"action": "webhook_disabled", "why": webhook.disabled.value, **extra})
