"""From any cursor to now: the same way for every transport."""

from collections.abc import AsyncGenerator

from hub.core.channel import PAGE, Behind, Resumed
from hub.core.composition import View
from hub.core.events import Position
from hub.core.job import JobState
from hub.core.messages import Reset
from hub.core.ports import Journal
from hub.core.tracker import Tracker


async def replay(
    tracker: Tracker, journal: Journal, project: str, cursor: str | None, view: View
) -> AsyncGenerator[Resumed, None]:
    """The parts that bring a watcher from `cursor` to now; None is a watcher without one: a snapshot and no reset.

    Send each part before asking for the next. With the last, which `is_now`, the watcher is where the hub is: join it
    in the same turn. A part that begins with a Reset replaces all before it. Raises NotFound, JournalUnavailable.
    """
    ended = await watched_end(tracker, journal, project, view)
    if cursor is None or view.states:
        tracker.counts.caught_up["snapshot"] += 1
        yield tracker.channel(project).snapshot(view, ended)
        return
    since, covered, way = Position.parse(cursor), 0, "ring"
    if (undone := tracker.channel(project).undo(since, view)) is not None:
        since = Position(tracker.epoch, undone.told[project])
        yield undone
    while True:
        step = tracker.channel(project).resume(since, view, covered=covered, ended=ended)
        if isinstance(step, Behind):
            assert since is not None
            way = "journal"
            events = await journal.events(project, step.after, step.upto, PAGE)
            channel = tracker.channel(project)
            if channel.floor > step.after:  # pruned meanwhile: what was read may have holes, so ask again
                continue
            covered = events[-1].seq if len(events) == PAGE else step.upto
            step = channel.page(since.seq, events, covered, view)
        elif step.is_now:
            first = step.messages[0] if step.messages else None
            if isinstance(first, Reset):
                way = "reset"
                tracker.counts.resets[first.reason] += 1
            tracker.counts.caught_up[way] += 1
            yield step
            return
        if step.messages:
            since = Position(tracker.epoch, step.told[project])
            yield step


async def watched_end(tracker: Tracker, journal: Journal, project: str, view: View) -> JobState | None:
    """The end of a watched job that the tracker has forgotten; None where there is none, or it is not told yet."""
    if view.job is None or tracker.job(project, view.job) is not None:
        return None
    job = await journal.job(view.job)
    if job is None or job.project != project or not job.state.is_end:
        return None
    return job if job.seq <= tracker.channel(project).head else None


async def watched_job(tracker: Tracker, journal: Journal, project: str | None, view: View) -> JobState | None:
    """The job that a stream of its own watches, as it has been told; None where there is none."""
    if project is None or view.job is None:
        return None
    return tracker.job(project, view.job) or await watched_end(tracker, journal, project, view)


async def has_nothing_left(
    tracker: Tracker, journal: Journal, project: str | None, cursor: str | None, view: View
) -> bool:
    """Does the cursor already stand at or after the watched job's end?"""
    job = await watched_job(tracker, journal, project, view) if cursor is not None else None
    if project is None or cursor is None or job is None or not job.state.is_end:
        return False
    since, head = Position.parse(cursor), tracker.channel(project).position
    return since is not None and since.epoch == head.epoch and job.seq <= since.seq <= head.seq
