"""The journal's tables in memory: the twins of `schedules`, `webhooks` and `tokens`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from hub.core.cursors import number
from hub.core.job import JobState
from hub.core.ports import Page, Project
from hub.core.schedules import ScheduleState
from hub.core.tokens import KEPT_REVOKED, SIGN_INS_KEPT, SignIn, Token
from hub.core.webhooks import (
    DISABLED,
    DROPPED,
    KEPT,
    LATEST_MS,
    MOST_WAITING,
    Delivered,
    Delivery,
    Webhook,
    delivery,
    payload,
)


class MemorySchedules:
    def __init__(self, projects: Mapping[str, Project]) -> None:
        self._projects = projects
        self._schedules: dict[str, ScheduleState] = {}

    async def all(self) -> list[ScheduleState]:
        return sorted(self._schedules.values(), key=lambda schedule: schedule.id)

    async def put(self, schedule: ScheduleState) -> None:
        if schedule.project in self._projects:
            self._schedules[schedule.id] = schedule

    async def delete(self, schedule: str) -> None:
        self._schedules.pop(schedule, None)

    def forget(self, project: str) -> None:
        self._schedules = {id_: kept for id_, kept in self._schedules.items() if kept.project != project}


class MemoryWebhooks:
    def __init__(self, projects: Mapping[str, Project]) -> None:
        self._projects = projects
        self._webhooks: dict[str, Webhook] = {}
        self._deliveries: dict[str, tuple[int, Delivery]] = {}
        """By id, with their numbers."""
        self._newest = 0
        self._wake: Callable[[], None] = lambda: None

    def on_waiting(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def note(self, jobs: Iterable[JobState]) -> None:
        """Make the deliveries of these ends."""
        is_wanted = False
        for job in jobs:
            for webhook in self._webhooks.values():
                if webhook.wants(job) and job.project in self._projects:
                    self._put(delivery(webhook, job, payload(job, self._projects[job.project])), again=False)
                    self._give_up(webhook.id, DROPPED, MOST_WAITING)
                    self._forget(webhook.id, KEPT)
                    is_wanted = True
        if is_wanted:
            self._wake()

    async def all(self) -> list[Webhook]:
        return sorted(self._webhooks.values(), key=lambda webhook: webhook.id)

    async def add(self, webhook: Webhook) -> None:
        self._webhooks[webhook.id] = webhook

    async def delete(self, webhook: str) -> None:
        self._webhooks.pop(webhook, None)
        self._deliveries = {id_: kept for id_, kept in self._deliveries.items() if kept[1].webhook != webhook}

    async def disable(self, webhook: Webhook, keep: int) -> None:
        if webhook.id in self._webhooks:
            self._webhooks[webhook.id] = webhook
            self._give_up(webhook.id, DISABLED, 0)
            self._forget(webhook.id, keep)

    async def due(self, webhook: str, now_ms: int) -> Delivery | None:
        found = [
            (made.attempts, place, made)
            for place, made in self._waiting(webhook)
            if made.next_at is not None and (made.next_at <= now_ms or made.next_at > now_ms + LATEST_MS)
        ]
        return min(found, key=lambda each: each[:2])[2] if found else None

    async def next_at(self, webhook: str) -> int | None:
        return min((made.next_at for _, made in self._waiting(webhook) if made.next_at is not None), default=None)

    async def waiting(self) -> int:
        return sum(made.state is Delivered.WAITING for _, made in self._deliveries.values())

    async def settle(self, delivery: Delivery, keep: int, webhook: Webhook | None = None) -> None:
        if delivery.webhook not in self._webhooks:
            return
        if webhook is not None:
            self._webhooks[webhook.id] = webhook
        self._put(delivery, again=True)
        self._forget(delivery.webhook, keep)

    async def deliveries(self, webhook: str, limit: int, cursor: str | None) -> Page[Delivery]:
        before = number(cursor) if cursor is not None else self._newest + 1
        all_ = self._of(webhook)[::-1]
        rest = [(place, made) for place, made in all_ if place < before]
        more = len(rest) > limit
        items = tuple(made for _, made in rest[:limit])
        return Page(items=items, total=len(all_), next=str(rest[limit - 1][0]) if more else None)

    def _put(self, made: Delivery, *, again: bool) -> None:
        if made.id in self._deliveries:
            if again:
                self._deliveries[made.id] = (self._deliveries[made.id][0], made)
            return
        self._newest += 1
        self._deliveries[made.id] = (self._newest, made)

    def _of(self, webhook: str) -> list[tuple[int, Delivery]]:
        found = [kept for kept in self._deliveries.values() if kept[1].webhook == webhook]
        return sorted(found, key=lambda kept: kept[0])

    def _waiting(self, webhook: str) -> list[tuple[int, Delivery]]:
        return [kept for kept in self._of(webhook) if kept[1].state is Delivered.WAITING]

    def _forget(self, webhook: str, keep: int) -> None:
        over = [made.id for _, made in self._of(webhook) if made.state is not Delivered.WAITING]
        for id_ in over[: max(len(over) - keep, 0)]:
            del self._deliveries[id_]

    def _give_up(self, webhook: str, why: str, keep: int) -> None:
        waiting = self._waiting(webhook)
        for place, made in waiting[: max(len(waiting) - keep, 0)]:
            self._deliveries[made.id] = (place, replace(made, state=Delivered.FAILED, next_at=None, error=why))


class MemoryTokens:
    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}
        self._sign_ins: dict[str, SignIn] = {}

    async def all(self) -> list[Token]:
        return sorted(self._tokens.values(), key=lambda token: (token.created, token.id))

    async def add(self, token: Token) -> None:
        self._tokens[token.id] = token

    async def use(self, used: Mapping[str, int]) -> None:
        for id_, at in used.items():
            if id_ in self._tokens:
                token = self._tokens[id_]
                self._tokens[id_] = replace(token, used=max(at, token.used or 0))

    async def revoke(self, tokens: Sequence[str], now_ms: int) -> list[str]:
        done = [id_ for id_ in dict.fromkeys(tokens) if id_ in self._tokens and self._tokens[id_].revoked is None]
        for id_ in done:
            self._tokens[id_] = replace(self._tokens[id_], revoked=now_ms)
        self._sign_ins = {digest: kept for digest, kept in self._sign_ins.items() if kept.token not in done}
        revoked = [token for token in self._tokens.values() if token.revoked is not None]
        for token in sorted(revoked, key=lambda token: (-(token.revoked or 0), token.id))[KEPT_REVOKED:]:
            del self._tokens[token.id]
        return done

    async def sign_ins(self) -> list[SignIn]:
        return sorted(self._sign_ins.values(), key=lambda each: (each.created, each.digest))

    async def sign_in(self, sign_in: SignIn, now_ms: int) -> bool:
        token = self._tokens.get(sign_in.token)
        is_done = token is not None and token.revoked is None
        if is_done:
            self._sign_ins[sign_in.digest] = sign_in
        self._sign_ins = {digest: kept for digest, kept in self._sign_ins.items() if kept.expires > now_ms}
        mine = [kept for kept in self._sign_ins.values() if kept.token == sign_in.token]
        for old in sorted(mine, key=lambda each: (-each.created, each.digest))[SIGN_INS_KEPT:]:
            del self._sign_ins[old.digest]
        return is_done

    async def sign_out(self, digest: str) -> None:
        self._sign_ins.pop(digest, None)
