"""What follows from an attempt: done, again later, or given up. Pure."""

from dataclasses import dataclass, replace

from hub.core.webhooks import Delivered, Delivery, Trouble, Webhook

WAITS_S = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 36000.0)
"""After each failed attempt; together 27 hours, as others send by the same specification."""
JITTER = 0.1
"""Share by which a wait may differ, so that what failed together does not come back together."""
LONGEST_ASKED_S = 12 * 3600.0
"""However long a receiver that is busy asks to be left alone."""
PAUSES_S = (5.0, 15.0, 60.0, 300.0)
"""A receiver that does not answer is left alone for so long, whatever else waits for it."""
DAY_MS = 24 * 3600 * 1000
"""Also the longest time without an attempt after which failures are still the same trouble: what waits is tried twice a
day at least, so before that nothing waited, or no hub ran.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one attempt."""

    status: int | None = None
    """None: there was no whole answer."""
    error: str | None = None
    """What was wrong; None after a success."""
    retry_after_s: float = 0.0
    took_ms: int = 0

    @property
    def is_success(self) -> bool:
        return self.error is None

    @property
    def may_retry(self) -> bool:
        """May the very same message succeed later?"""
        return self.status is None or self.status == 429 or self.status >= 500


def settled(delivery: Delivery, answer: Answer, now_ms: int, chance: float) -> Delivery:
    """The delivery after an attempt; `chance` is from 0 to below 1."""
    tried = replace(
        delivery, attempts=delivery.attempts + 1, last_at=now_ms, status=answer.status, error=answer.error,
        took_ms=answer.took_ms, next_at=None,
    )  # fmt: skip
    if answer.is_success:
        return replace(tried, state=Delivered.DONE)
    if not answer.may_retry or tried.attempts > len(WAITS_S):
        return replace(tried, state=Delivered.FAILED)
    wait_s = WAITS_S[tried.attempts - 1] * (1 + JITTER * (2 * chance - 1))
    wait_s = max(wait_s, min(answer.retry_after_s, LONGEST_ASKED_S))
    return replace(tried, next_at=now_ms + round(wait_s * 1000))


def judged(webhook: Webhook, answer: Answer, now_ms: int, days: float) -> Webhook:
    """The webhook after an attempt: disabled by 410, and after so many `days` without a success (0: never)."""
    before = webhook.tried_at
    webhook = replace(webhook, tried_at=now_ms)
    if answer.is_success:
        return replace(webhook, failing_since=None, last_success_at=now_ms)
    since = webhook.failing_since
    if since is None or (before is not None and now_ms - before > DAY_MS):
        since = now_ms
    webhook = replace(webhook, failing_since=since)
    if answer.status == 410:
        return replace(webhook, disabled=Trouble.GONE, disabled_at=now_ms)
    if days and now_ms - since >= days * DAY_MS:
        return replace(webhook, disabled=Trouble.FAILING, disabled_at=now_ms)
    return webhook


def pause_s(failures: int, answer: Answer) -> float:
    """How long to leave the receiver alone after so many failures in a row; one that says no is not in trouble."""
    if answer.is_success or not answer.may_retry:
        return 0.0
    return max(PAUSES_S[min(failures, len(PAUSES_S)) - 1], min(answer.retry_after_s, LONGEST_ASKED_S))
