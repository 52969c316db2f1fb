"""The hub put together: every part made once, in the order in which they need each other, and let go in reverse."""

import asyncio
import contextlib
import fcntl
import logging
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import hub
from hub.access.doorkeeper import Doorkeeper
from hub.access.places import is_local
from hub.backplane.local import LocalBackplane
from hub.commits.database import NAME as COMMITS
from hub.commits.database import refuse_newer
from hub.core import ids
from hub.core.catalog import Catalog
from hub.core.cohorts import Limits
from hub.core.errors import EndReason, HubError, JournalUnavailable
from hub.core.ledger import Ledger
from hub.core.redaction import Redactor
from hub.core.retries import Retry
from hub.core.stores import Store
from hub.core.tracker import Tracker
from hub.jobs.base import Rules
from hub.jobs.engine import Engine
from hub.jobs.kinds import KINDS
from hub.jobs.outside.reception import Outside
from hub.jobs.outside.terms import Terms
from hub.jobs.schedules.kept import Schedules
from hub.journal.sqlite import SqliteJournal
from hub.journal.writer import Writer
from hub.settings import Settings
from hub.snapshots import environment
from hub.transports.clock import LoopClock
from hub.transports.stream import Delivery
from hub.web.upkeep import beat, keep_pruning
from hub.webhooks.post import Post

log = logging.getLogger(__name__)

DRAIN_JOURNAL_S = 2.0


class FolderTaken(HubError):
    """Another hub uses this data folder. Stop it, or give this one its own with --data-dir."""

    code = "folder_taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    settings: Settings
    rules: Rules
    clock: LoopClock
    redactor: Redactor
    keeper: Doorkeeper
    catalog: Catalog
    journal: Store
    ledger: Ledger
    tracker: Tracker
    writer: Writer
    engine: Engine
    outside: Outside
    delivery: Delivery
    schedules: Schedules
    post: Post
    changing: asyncio.Lock
    """Held while a project is made or deleted."""


@contextlib.asynccontextmanager
async def assembled(settings: Settings, journal: Store | None = None) -> AsyncIterator[Hub]:
    """A hub at work, with its background tasks; `journal` replaces the SQLite one.

    Raises FolderTaken, JournalTooNew, CommitsTooNew, JournalUnavailable.
    """
    folder = settings.data_path
    with _locked(folder):
        await asyncio.to_thread(refuse_newer, folder / COMMITS)  # at once, rather than when a job needs it
        journal = journal or SqliteJournal(folder / "journal.sqlite3", durable_power=settings.durable_power)
        epoch = await journal.open(recent_jobs=settings.recent_jobs)
        try:
            made = await _make(settings, journal, epoch, folder)
            tasks = [
                asyncio.create_task(made.writer.run(), name="writer"),
                asyncio.create_task(beat(made.tracker, settings.heartbeat_s), name="heartbeat"),
                asyncio.create_task(_pruning(made), name="prune"),
                asyncio.create_task(made.keeper.run(), name="doorkeeper"),
            ]
            for task in tasks:
                task.add_done_callback(_report_death)
            try:
                await made.engine.start({project.id: project for project in made.catalog.all()})
                made.outside.start()
                await made.post.start()
                yield made
            finally:
                await made.post.stop()
                made.outside.stop()
                await made.engine.stop()
                await made.writer.stop()
                with contextlib.suppress(JournalUnavailable):  # the writer has logged it, and the journal is as it was
                    await tasks[0]
                    await journal.give_back(made.ledger.heads())
                for task in tasks[1:]:
                    task.cancel()
                await asyncio.gather(*tasks[1:], return_exceptions=True)
        finally:
            await journal.close()


async def _make(settings: Settings, journal: Store, epoch: str, folder: Path) -> Hub:
    clock = LoopClock(asyncio.get_running_loop())
    redactor, catalog, backplane = Redactor(), Catalog(), LocalBackplane()
    rules = rules_of(settings)
    redactor.add(environment.secrets(os.environ).values())
    tracker = Tracker(epoch=epoch, boot=ids.token(), clock=clock, limits=_limits(settings))
    backplane.listen(tracker.deliver)
    ledger = Ledger(share=backplane.share, now_ms=clock.now_ms, redactor=redactor)
    writer = Writer(ledger, journal)
    ledger.on_waiting(writer.wake)
    for opened in await journal.projects():
        catalog.add(opened.project)
        tracker.open_project(opened.project.id, opened.head, opened.floor, opened.jobs, opened.lost)
        ledger.open_project(opened.project.id, opened.head, opened.jobs)
    outside = Outside(
        ledger=ledger,
        clock=clock,
        journal=journal,
        durable=writer.durable,
        trouble=lambda: "" if writer.failing_since is None else writer.failure or "it fails",
        terms=_terms(settings),
    )
    engine = Engine(
        ledger=ledger,
        durable=writer.durable,
        journal=journal,
        redactor=redactor,
        kinds=KINDS,
        projects=catalog.all,
        rules=rules,
        folder=folder,
        keep_work_s=settings.kept_work_days * 86400,
        max_running=settings.max_running_jobs,
        max_queued=settings.max_queued_jobs,
        spares=settings.spare_children,
        clock=clock,
        outside=outside,
        retry=_retry(settings),
    )
    post = Post(
        journal.webhooks,
        clock,
        rules=rules,
        folder=folder,
        most=settings.max_webhooks,
        days=settings.webhook_days,
        agent=f"progress-hub/{hub.__version__}",
    )
    is_exposed = not all(map(is_local, settings.hosts))
    keeper = Doorkeeper(journal.tokens, folder, clock, policy=settings.sign_in, is_exposed=is_exposed)
    await keeper.open()
    return Hub(
        settings=settings, rules=rules, clock=clock, redactor=redactor, keeper=keeper, catalog=catalog, journal=journal,
        ledger=ledger, tracker=tracker, writer=writer, engine=engine, outside=outside,
        delivery=_delivery(settings, tracker, journal, clock), schedules=Schedules(journal.schedules, clock),
        post=post, changing=asyncio.Lock(),
    )  # fmt: skip


def _limits(settings: Settings) -> Limits:
    return Limits(
        ring_size=settings.ring_size,
        recent_jobs=settings.recent_jobs,
        high_water_bytes=settings.high_water_bytes,
        mailbox_events=settings.mailbox_events,
        too_slow_s=settings.too_slow_s,
    )


def rules_of(settings: Settings) -> Rules:
    """What jobs must keep, and who asks on their behalf."""
    return Rules(
        roots=settings.roots,
        closed=_closed(settings),
        allow_networks=settings.allow_networks,
        connect_timeout_s=settings.connect_timeout_s,
        silence_timeout_s=settings.silence_timeout_s,
        min_free_bytes=settings.min_free_bytes,
        max_project_bytes=settings.max_project_bytes,
        store=settings.store_url,
        store_options=environment.options(os.environ),
        snapshot_quiet_s=settings.snapshot_quiet_s,
        snapshot_wait_s=settings.snapshot_wait_s,
    )


def _closed(settings: Settings) -> tuple[str, ...]:
    """The data folder, and the store where that is a folder: who reads those reads every project, and the keys."""
    store = settings.store_url
    is_folder = store.startswith(("/", "file://"))
    return (str(settings.data_path), *([store.removeprefix("file://")] if is_folder else []))


def _terms(settings: Settings) -> Terms:
    return Terms(
        silence_s=settings.outside_silence_s,
        cancel_s=settings.outside_cancel_s,
        most=settings.max_outside_jobs,
        most_of_project=settings.max_outside_jobs_project,
        events_per_s=settings.publish_rate,
    )


def _retry(settings: Settings) -> Retry:
    return Retry(
        attempts=settings.retry_attempts,
        backoff_s=settings.retry_backoff_s,
        max_backoff_s=max(settings.retry_backoff_s, settings.retry_max_backoff_s),
    )


def _delivery(settings: Settings, tracker: Tracker, journal: Store, clock: LoopClock) -> Delivery:
    return Delivery(
        tracker=tracker,
        journal=journal,
        version=hub.__version__,
        heartbeat_s=settings.heartbeat_s,
        send_buffer_bytes=settings.send_buffer_bytes,
        max_watchers=settings.max_watchers,
        max_subscriptions=settings.max_subscriptions,
        max_frame_bytes=settings.max_frame_bytes,
        now_ms=clock.now_ms,
    )


async def _pruning(made: Hub) -> None:
    await keep_pruning(made.clock, made.tracker, made.journal, made.settings, lambda: made.ledger.lossless)


async def drain(made: Hub) -> None:
    """Tell every job and every watcher that the hub goes, each watcher with its own slot to come back in."""
    made.outside.stop()
    await made.engine.stop()
    with contextlib.suppress(
        JournalUnavailable
    ):  # a full disk keeps nobody here: what waits is interrupted at the start
        await made.writer.durable(DRAIN_JOURNAL_S)
    made.tracker.release()
    await asyncio.sleep(0)  # one turn, in which the cohorts flush the ends
    outlets = made.tracker.outlets()
    for place, outlet in enumerate(outlets):
        outlet.end(EndReason.RESTARTING, 1 + int(made.settings.drain_s * 1000 * place / len(outlets)))


def _report_death(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (exc := task.exception()) is not None:
        extra = {"action": "task_died", "task": task.get_name()}
        log.critical("a background task of the hub has died", extra=extra, exc_info=exc)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the data folder for this process alone; the system lets go of it however the process ends."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # the journal is nobody else's business
    lock = os.open(folder / "hub.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise FolderTaken(f"Another hub uses {folder}. Stop it, or use another --data-dir.") from exc
        yield
    finally:
        os.close(lock)
