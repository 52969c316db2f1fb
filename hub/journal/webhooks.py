"""Webhooks and their outbox in the journal's file."""

import collections
import json
import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

from hub.core.cursors import number
from hub.core.job import JobState
from hub.core.ports import Page, Project
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
from hub.journal.reading import SQL, Reader, dump
from hub.journal.transactions import Transactions

COUNTED = 500
"""After so many deliveries that a process has made for a webhook it is looked whether too many wait: milliseconds."""


class SqliteWebhooks:
    def __init__(self, transactions: Transactions, reader: Reader) -> None:
        self._transactions = transactions
        self._reader = reader
        self._wake: Callable[[], None] = lambda: None
        self._made: collections.Counter[str] = collections.Counter()
        """By webhook, since it was looked how many wait."""

    def on_waiting(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def wake(self) -> None:
        self._wake()

    def note(self, db: sqlite3.Connection, jobs: Iterable[JobState]) -> bool:
        """Within the transaction that makes these ends durable: make their deliveries. Were there any?"""
        webhooks = [_webhook(row) for (row,) in db.execute(SQL["webhooks"])]
        is_wanted = False
        for job in jobs:
            wanting = [webhook for webhook in webhooks if webhook.wants(job)]
            row = db.execute(SQL["project"], (job.project,)).fetchone() if wanting else None
            if row is None:
                continue
            project = Project(id=row[0], name=row[1], url=row[2], path=row[3], created=row[4])
            text = payload(job, project)
            for webhook in wanting:
                _add(db, delivery(webhook, job, text))
                self._bound(db, webhook.id)
                is_wanted = True
        return is_wanted

    def _bound(self, db: sqlite3.Connection, webhook: str) -> None:
        self._made[webhook] += 1
        if self._made[webhook] >= COUNTED:
            self._made[webhook] = 0
            db.execute(SQL["give_up"], (DROPPED, webhook, MOST_WAITING))
            db.execute(SQL["forget_deliveries"], (webhook, KEPT))

    async def all(self) -> list[Webhook]:
        return [_webhook(row) for (row,) in await self._reader.all("webhooks")]

    async def add(self, webhook: Webhook) -> None:
        await self._transactions.run(lambda db: db.execute(SQL["put_webhook"], _row(webhook)))

    async def delete(self, webhook: str) -> None:
        await self._transactions.run(lambda db: db.execute(SQL["delete_webhook"], (webhook,)))

    async def disable(self, webhook: Webhook, keep: int) -> None:
        def change(db: sqlite3.Connection) -> None:
            db.execute(SQL["change_webhook"], (dump(webhook.to_wire()), webhook.id))
            db.execute(SQL["forget_older_deliveries"], (webhook.id, keep))  # first: there may be thousands
            db.execute(SQL["give_up"], (DISABLED, webhook.id, 0))

        await self._transactions.run(change)

    async def due(self, webhook: str, now_ms: int) -> Delivery | None:
        row = await self._reader.one("due", webhook, now_ms, now_ms + LATEST_MS)
        return _delivery(*row) if row else None

    async def next_at(self, webhook: str) -> int | None:
        row = await self._reader.one("next_delivery", webhook)
        return row[0] if row else None

    async def waiting(self) -> int:
        row = await self._reader.one("count_waiting")
        return int(row[0])

    async def settle(self, delivery: Delivery, keep: int, webhook: Webhook | None = None) -> None:
        def change(db: sqlite3.Connection) -> None:
            if webhook is not None:
                db.execute(SQL["change_webhook"], (dump(webhook.to_wire()), webhook.id))
            if db.execute(SQL["has_webhook"], (delivery.webhook,)).fetchone():
                _add(db, delivery)
                row = (delivery.state.value, delivery.attempts, delivery.next_at, dump(delivery.to_wire()), delivery.id)
                db.execute(SQL["change_delivery"], row)
                db.execute(SQL["forget_deliveries"], (delivery.webhook, keep))

        await self._transactions.run(change)

    async def deliveries(self, webhook: str, limit: int, cursor: str | None) -> Page[Delivery]:
        before = number(cursor) if cursor is not None else 1 << 62
        rows = await self._reader.all("deliveries", webhook, before, limit + 1)
        total = await self._reader.one("count_deliveries", webhook)
        more = len(rows) > limit
        items = tuple(_delivery(row, payload) for _, row, payload in rows[:limit])
        return Page(items=items, total=total[0], next=str(rows[limit - 1][0]) if more else None)


def _add(db: sqlite3.Connection, made: Delivery) -> None:
    """Unless it is there already."""
    row = (made.id, made.webhook, made.state.value, made.attempts, made.next_at, dump(made.to_wire()), made.payload)
    db.execute(SQL["add_delivery"], row)


def _row(webhook: Webhook) -> tuple[str, str]:
    return (webhook.id, dump(webhook.to_wire()))


def _webhook(text: str) -> Webhook:
    return Webhook.from_wire(json.loads(text))


def _delivery(text: str, payload: str) -> Delivery:
    wire: dict[str, Any] = json.loads(text)
    return Delivery(**{**wire, "state": Delivered(wire["state"])}, payload=payload)
