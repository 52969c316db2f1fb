"""What a client knows of one topic, and what it checks of each message: it knows only what a real one knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hub.core.composition import View
from hub.core.events import PROGRESS_FIELDS, Event
from hub.core.job import JobState, reduce
from hub.transports.ask import Ask
from tests.core.machines.decoders import Message

Told = Mapping[str, Mapping[int, Event]]
"""Every event ever told, by project and number: numbers are never used twice, so this spans crashes and deletions."""


@dataclass(slots=True)
class Book:
    """What a client has of one topic: the truth at its cursor, if the hub keeps its promises."""

    project: str | None
    told: Told
    view: View = field(default_factory=View)
    cursor: str | None = None
    at: dict[str, int] = field(default_factory=dict)
    """By project, the number up to which everything is accounted for."""
    jobs: dict[str, JobState] = field(default_factory=dict)
    percents: dict[str, tuple[int, float]] = field(default_factory=dict)
    """By job: the hub's life in which it was seen, and the percent."""
    scope: str | None = None
    """The only job of which the book is kept; None: all."""
    is_on: bool = False
    awaits: str | None = None
    """What must come next: `reset`, `snapshot`; None: whatever follows the cursor."""

    def copy(self) -> "Book":
        return replace(self, at=dict(self.at), jobs=dict(self.jobs), percents=dict(self.percents))

    def cursor_for(self, job: str | None) -> str | None:
        """None where the book lacks what a stream of `job` would show."""
        return self.cursor if self.scope in {None, job} else None

    def begin(self, ask: Ask, known: "Book | None") -> None:
        """A stream for `ask` starts here. `known`: the book as it was when the client asked with its own cursor."""
        self.view = View(job=ask.job, logs=ask.logs)
        self.is_on = True
        if known is not None:
            self.cursor, self.at, self.jobs = known.cursor, dict(known.at), dict(known.jobs)
            self.percents = dict(known.percents)
            self.scope = ask.job  # without its own cursor, only once the snapshot is there
        if self.project is None:
            self.awaits = "snapshot"  # (a poll may say instead that nothing has happened)
        elif known is not None:
            self.awaits = None
        else:
            self.awaits = "snapshot" if ask.cursor is None else "reset"

    def take(self, message: Message, life: int, heads: Mapping[str, int]) -> None:
        """`heads`: on the feed, where the projects were when its snapshot was made."""
        kind = message["type"]
        if kind == "reset":
            assert self.awaits in {None, "reset"}, "one reset, before its snapshot"
            self.awaits = "snapshot"
        elif kind == "snapshot":
            if self.awaits is None:
                self._check_correction(message["cursor"])
            else:
                assert self.awaits == "snapshot", "a snapshot is asked for, or stands behind a reset"
            self.awaits = None
            self._replace(message, life, heads)
        else:
            assert self.awaits is None, f"{kind} before the {self.awaits}"
            if kind == "merged":
                self._skip(message["project"], message["count"], message["upto"])
            else:
                self._fold(message, life)
        if "_id" in message:
            assert self.project is None or message["_id"] == self.cursor, "the id is the cursor"

    def forget(self, project: str) -> None:
        """The project is no more. The feed goes on without it."""
        if self.project is not None:
            self.is_on = False
            return
        self.at.pop(project, None)
        self.jobs = {id_: job for id_, job in self.jobs.items() if job.project != project}

    def _check_correction(self, cursor: str) -> None:
        """A snapshot that takes back what a crash has forgotten: the only one that nobody asked for."""
        assert self.project is not None, "the feed has no such"
        upto = int(cursor.partition("-")[2])
        last = self.told[self.project].get(self.at[self.project])
        assert last is None or not last.is_lossless, "what is durable is not taken back"
        self._skip(self.project, upto - self.at[self.project], upto)
        self.percents.clear()

    def _replace(self, message: Message, life: int, heads: Mapping[str, int]) -> None:
        self.cursor, self.scope = message["cursor"], self.view.job
        if self.project is None:
            self.at = dict(heads)
        else:
            self.at = {self.project: int(message["cursor"].partition("-")[2])}
        self.jobs = {wire["id"]: _state_of(wire) for wire in message["jobs"]}
        assert all(self.project in {None, job.project} for job in self.jobs.values())
        assert self.view.job is None or set(self.jobs) <= {self.view.job}
        for job in self.jobs.values():
            self._see_percent(job, life)

    def _skip(self, project: str, count: int, upto: int) -> None:
        last = self.at.get(project, upto - count)  # on the feed, a project may have come since the snapshot
        assert count > 0, "an empty merge says nothing"
        assert count == upto - last, "a merge accounts for every number it skips"
        for seq in range(last + 1, upto + 1):
            event = self.told[project].get(seq)
            assert event is None or not event.is_lossless or not self._shows(event), f"{seq} is lost"
        self._move(project, upto)

    def _fold(self, message: Message, life: int) -> None:
        event = Event.from_wire({name: value for name, value in message.items() if name != "_id"})
        assert event.seq == self.at.get(event.project, event.seq - 1) + 1, "no number in silence, and none twice"
        assert event.to_wire() == self.told[event.project][event.seq].to_wire(), "what was told is told alike to all"
        assert self._shows(event), "nothing comes that was not asked for"
        known = self.jobs.get(event.job)
        assert known is None or not known.state.is_end, "an end is the last of its job"
        self._move(event.project, event.seq)
        self.jobs[event.job] = reduce(known, event)
        self._see_percent(self.jobs[event.job], life)

    def _shows(self, event: Event) -> bool:
        return self.view.shows(event) and (self.project is not None or event.body.type != "log")

    def _move(self, project: str, seq: int) -> None:
        self.at[project] = seq
        if self.project is not None:
            assert self.cursor is not None
            self.cursor = f"{self.cursor.partition('-')[0]}-{seq}"

    def _see_percent(self, job: JobState, life: int) -> None:
        then, percent = self.percents.get(job.id, (life, 0.0))
        assert then != life or job.percent >= percent, "percent never goes down within a run"
        self.percents[job.id] = (life, job.percent)
        assert job.percent < 100 or job.state == "succeeded"

    def take_answer(self, body: Message, life: int, heads: Mapping[str, int]) -> None:
        """The JSON of one poll, as the messages that it stands for."""
        assert set(body) <= {"cursor", "events", "snapshot", "reset", "merged"}
        if "reset" in body or ("snapshot" in body and self.awaits is not None):
            assert not body["events"]
            assert "merged" not in body
            for name in ("reset", "snapshot"):
                if name in body:
                    self.take(body[name], life, heads)
            assert self.cursor == body["cursor"]
            return
        merged = 0
        if "snapshot" in body and self.project is not None:
            self.take(body["snapshot"], life, heads)
        if self.project is None:
            assert (body["events"], body.get("merged")) == ([], None)
            assert self.cursor == body["cursor"]
            self.awaits = None
            return
        upto = int(body["cursor"].partition("-")[2])
        for event in body["events"]:
            merged += self._skip_to(event["seq"] - 1)
            self.take(event, life, heads)
        merged += self._skip_to(upto)
        assert merged == body.get("merged", 0), "merged counts add up to the numbers that do not come"
        assert self.cursor == body["cursor"]

    def _skip_to(self, upto: int) -> int:
        assert self.project is not None
        count = upto - self.at[self.project]
        assert count >= 0, "a cursor never goes back"
        if count:
            self.take({"type": "merged", "project": self.project, "count": count, "upto": upto}, 0, {})
        return count


def _state_of(wire: Message) -> JobState:
    """A state object as a client keeps it: its progress is what its fields say."""
    progress = {name: wire[name] for name in PROGRESS_FIELDS} | {"stage": wire["stage"] or ""}
    return JobState.from_row(wire | {"progress": progress, "progress_seq": 0, "progress_at": 0})
