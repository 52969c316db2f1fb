"""Composition: which messages a watcher is sent for what has happened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hub.core.events import Event
from hub.core.messages import Merged


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Which events of a topic a watcher asked for."""

    job: str | None = None
    """Only this job's."""
    logs: bool = True
    closes: bool = False
    """End the stream after the job's end."""
    states: bool = False
    """Events come with their job's state (`Folded`), and whoever comes back is told where things are, not how they came
    there: another system's messages."""
    projects: frozenset[str] | None = None
    """Of the feed, only these; None: all."""
    absorbs: bool = False
    """Progress with something lossless of its job close behind is merged into that."""

    def shows(self, event: Event) -> bool:
        return (
            (self.job is None or event.job == self.job)
            and (self.logs or event.body.type != "log")
            and self.covers(event.project)
        )

    def covers(self, project: str) -> bool:
        return self.projects is None or project in self.projects


def compose(
    events: Sequence[Event], told: Mapping[str, int], view: View
) -> tuple[list[Event | Merged], dict[str, int]]:
    """What a watcher that knows everything up to `told` (by project) is sent for `events`, and where that takes it.

    Pure. `events` are in order of seq within each project. Of each job only the newest progress is kept; every number
    skipped is accounted for by a Merged before the next event.
    """
    newest = {event.job: event.seq for event in events if not event.is_lossless or (view.absorbs and view.shows(event))}
    messages: list[Event | Merged] = []
    position = dict(told)
    for event in events:
        last = position.get(event.project, 0)
        if event.seq <= last or not view.shows(event):
            continue
        if not event.is_lossless and event.seq != newest[event.job]:
            continue
        if event.seq > last + 1:
            messages.append(Merged(project=event.project, count=event.seq - 1 - last, upto=event.seq - 1))
        messages.append(event)
        position[event.project] = event.seq
    return messages, position
