"""The ledger: numbering, and nothing lossless told before it is durable."""

import json
from collections.abc import Sequence

import pytest

from hub.core.errors import ForeignJob, JobEnded, NotFound
from hub.core.events import Event, StageBody, State
from hub.core.ledger import BLOCK, Ledger
from hub.core.redaction import Redactor
from tests.fakes import job_body, log_body, progress_body, stage_body


class Scene:
    def __init__(self) -> None:
        self.told: list[int] = []
        self.wakes = 0
        self.redactor = Redactor()
        self.ledger = Ledger(share=self._share, now_ms=lambda: 5, redactor=self.redactor)
        self.ledger.on_waiting(self._wake)
        self.ledger.open_project("p", 0)

    def _share(self, events: Sequence[Event]) -> None:
        self.told += [event.seq for event in events]

    def _wake(self) -> None:
        self.wakes += 1

    def commit(self) -> None:
        batch = self.ledger.take()
        assert batch is not None
        self.ledger.commit()

    def publish(self, body: object, job: str = "j") -> Event:
        return self.ledger.publish("p", job, "clone", body)  # type: ignore[arg-type]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_lossless_waits_for_the_commit_and_progress_behind_it_waits_too(scene: Scene) -> None:
    scene.publish(job_body())
    scene.publish(progress_body(1))
    assert scene.told == []
    scene.commit()
    assert scene.told == [1, 2]


def test_progress_alone_never_waits(scene: Scene) -> None:
    scene.publish(job_body())
    scene.commit()
    wakes = scene.wakes
    scene.publish(progress_body(1))
    scene.publish(progress_body(2))
    assert scene.told == [1, 2, 3]
    assert scene.wakes == wakes
    assert not scene.ledger.is_urgent


def test_what_is_published_during_a_commit_waits_for_the_next(scene: Scene) -> None:
    scene.publish(job_body())
    assert scene.ledger.take() is not None
    scene.publish(log_body())
    scene.publish(progress_body(3))
    scene.ledger.commit()
    assert scene.told == [1]
    scene.commit()
    assert scene.told == [1, 2, 3]


def test_progress_never_gets_a_number_that_is_not_reserved(scene: Scene) -> None:
    scene.publish(job_body())
    scene.commit()
    for n in range(BLOCK + 10):
        scene.publish(progress_body(n / 100))
    assert max(scene.told) == BLOCK
    scene.commit()
    assert scene.told == [*range(1, BLOCK + 1), BLOCK + 11]


def test_progress_that_waits_is_merged_however_long_the_disk_is_full(scene: Scene) -> None:
    scene.publish(job_body())
    for n in range(20_000):
        scene.publish(progress_body(n / 1000))
    assert len(scene.ledger._lines["p"].pending) == 2
    scene.commit()
    assert scene.told == [1, 20_001]


def test_a_batch_holds_the_state_that_its_events_make(scene: Scene) -> None:
    scene.publish(job_body())
    scene.publish(progress_body(7))
    batch = scene.ledger.take()
    assert batch is not None
    assert [event.seq for event in batch.events] == [1]
    assert [(job.seq, job.percent) for job in batch.jobs] == [(2, 7.0)]
    assert batch.reserved["p"] >= 2
    assert scene.ledger.take() is batch, "the same until it is committed"
    scene.ledger.commit()
    assert scene.ledger.take() is None


def test_nothing_is_published_after_an_end_or_before_a_beginning(scene: Scene) -> None:
    scene.publish(job_body())
    scene.publish(job_body(State.FAILED))
    for body in (log_body(), progress_body(1), job_body(State.RUNNING)):
        with pytest.raises(JobEnded):
            scene.publish(body)
    with pytest.raises(JobEnded):
        scene.publish(log_body(), job="never begun")
    with pytest.raises(NotFound):
        scene.ledger.publish("nobody", "j", "clone", job_body())


def test_a_secret_never_gets_a_number(scene: Scene) -> None:
    scene.redactor.add(["s3cret!token"], job="j")
    event = scene.publish(job_body(result={"nested": [{"url": "https://x:s3cret%21token@h/"}]}))
    log = scene.publish(log_body("fatal: s3cret!token refused"))
    assert "s3cret" not in repr((event, log))


@pytest.mark.parametrize("secret", ["state", "queued", "running", "fetch", "message", "[redacted]", "null", "main"])
def test_a_secret_that_is_a_common_word_breaks_nothing(scene: Scene, secret: str) -> None:
    """Names are never masked, and a secret is looked for in its own job only."""
    scene.redactor.add([secret], job="j")
    own = scene.publish(job_body(State.RUNNING, result={"branch": "main"}))
    other = scene.publish(job_body(State.RUNNING, result={"branch": "main"}), job="k")
    assert (own.body.state, own.body.plan[0].name) == (State.RUNNING, "fetch")  # type: ignore[union-attr]
    assert other.body.result == {"branch": "main"}  # type: ignore[union-attr]


def test_what_is_no_unicode_is_written_out(scene: Scene) -> None:
    """A branch named in Latin-1 once stopped the journal, and with it the hub."""
    event = scene.publish(job_body(result={"branch": "caf\udce9"}))
    json.dumps(event.to_wire(), ensure_ascii=False).encode()
    assert "caf" in repr(event)


def test_a_deleted_project_takes_its_waiting_events_along(scene: Scene) -> None:
    scene.publish(job_body())
    scene.ledger.close_project("p")
    assert scene.ledger.take() is None
    assert scene.ledger.live_jobs() == []


def test_a_job_belongs_to_one_project(scene: Scene) -> None:
    scene.ledger.open_project("q", 0)
    scene.publish(job_body())
    with pytest.raises(ForeignJob):
        scene.ledger.publish("q", "j", "clone", log_body())


def test_a_stage_carries_the_counts_of_the_one_before(scene: Scene) -> None:
    """Its last progress may be merged away, and whoever comes later must still know them."""
    scene.publish(job_body())
    scene.publish(stage_body("fetch"))
    scene.publish(progress_body(1, current=40))
    body = scene.publish(stage_body("unpack")).body
    assert isinstance(body, StageBody)
    assert body.left == {"stage": "fetch", "current": 40, "total": 100, "unit": "objects"}


def test_what_is_owed_forgets_a_deleted_project(scene: Scene) -> None:
    """A commit fails, its project is deleted and made again: the second try must not pass the old for the new."""
    scene.ledger.open_project("q", 0)
    scene.publish(job_body())
    scene.ledger.publish("q", "k", "clone", job_body())
    assert scene.ledger.take() is not None
    scene.ledger.close_project("p")
    scene.ledger.open_project("p", 0)
    scene.publish(job_body(), job="again")
    again = scene.ledger.take()
    assert again is not None
    assert ([event.project for event in again.events], list(again.reserved)) == (["q"], ["q"])
    scene.ledger.commit()
    assert scene.told == [1]
    scene.commit()
    assert scene.told == [1, 1]


def test_jobs_leave_nothing_behind_where_something_always_waits(scene: Scene) -> None:
    for n in range(100):
        scene.publish(job_body(), f"job {n}")
        scene.publish(progress_body(1), f"job {n}")
        batch = scene.ledger.take()
        assert batch is not None
        scene.publish(log_body(), f"job {n}")  # while the batch is written
        scene.publish(job_body(State.FAILED), f"job {n}")
        scene.ledger.commit()
    assert len(scene.ledger._lines["p"]._newest) <= 1
