import itertools
import queue
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.jobs.base import Cancelled, JobFailed
from hub.jobs.reporter import LOGS_PER_S, PROGRESS_INTERVAL_S, Reporter


class Bench:
    """A reporter with a clock that stands still until told."""

    def __init__(self, **options) -> None:
        self.now = 100.0
        self.sent: list[tuple[float, dict]] = []
        self.is_cancelled = False
        self.reporter = Reporter(
            lambda message: self.sent.append((self.now, dict(message))),
            is_cancelled=lambda: self.is_cancelled, clock=lambda: self.now, **options,
        )  # fmt: skip

    def messages(self, name: str) -> list:
        return [message[name] for _, message in self.sent if name in message]

    def counts(self) -> list[int]:
        return [progress["current"] for progress in self.messages("progress")]


def test_the_first_progress_of_a_stage_goes_out_at_once():
    bench = Bench()
    bench.reporter.stage("receiving")
    bench.reporter.progress(1, 10, "objects", "Receiving", {"a": 1})
    bench.reporter.progress(2)
    bench.reporter.stage("resolving")
    bench.reporter.progress(3)
    assert bench.messages("progress")[0] == {
        "current": 1, "total": 10, "unit": "objects", "message": "Receiving", "detail": {"a": 1},
    }  # fmt: skip
    assert bench.counts() == [1, 2, 3]


def test_the_last_progress_goes_out_before_a_stage_and_before_the_end():
    bench = Bench()
    for count in range(10):
        bench.reporter.progress(count)
    bench.reporter.stage("next")
    for count in range(20, 30):
        bench.reporter.progress(count)
    bench.reporter.close()
    assert bench.counts() == [0, 9, 20, 29]
    assert [next(iter(message)) for _, message in bench.sent] == [
        "progress", "progress", "stage", "progress", "progress",
    ]  # fmt: skip


def test_what_was_held_back_goes_out_when_its_time_has_come():
    bench = Bench()
    bench.reporter.progress(1)
    bench.reporter.progress(2)
    bench.now += PROGRESS_INTERVAL_S * 1.01
    bench.reporter.check()
    assert bench.counts() == [1, 2]


@given(st.lists(st.one_of(st.floats(0.0, 0.4), st.sampled_from(["stage", "log"])), max_size=200))
def test_no_second_holds_more_than_twenty_reports_between_stages(steps):
    bench = Bench()
    newest = None
    for number, step in enumerate(steps):
        if step == "stage":
            bench.reporter.stage(f"stage {number}")
        elif step == "log":
            bench.reporter.log("words")
        else:
            bench.now += step
            bench.reporter.progress(number)
            newest = number
    bench.reporter.close()
    told: list[float] = []
    for at, message in bench.sent[:-1]:  # the very last is always let through
        if "stage" in message:
            told = []
        elif "progress" in message:
            told.append(at)
            assert len([other for other in told if at - other < 1.0 - 1e-6]) <= 21  # the stage's last is extra
    assert bench.counts() == sorted(bench.counts())
    assert newest is None or bench.counts()[-1] == newest


def test_logs_past_fifty_a_second_are_counted_and_told():
    bench = Bench()
    for number in range(LOGS_PER_S + 7):
        bench.reporter.log(f"line {number}", "warning")
    assert len(bench.messages("log")) == LOGS_PER_S
    bench.now += 1.0
    bench.reporter.log("later")
    assert [log["message"] for log in bench.messages("log")[-2:]] == ["7 lines left out", "later"]
    assert bench.messages("log")[0] == {"level": "warning", "message": "line 0"}


def test_lines_left_out_are_told_at_the_end_too():
    bench = Bench()
    for number in range(LOGS_PER_S + 1):
        bench.reporter.log(f"line {number}")
    bench.reporter.close()
    assert bench.messages("log")[-1]["message"] == "1 line left out"


@given(st.lists(st.tuples(st.floats(0.0, 0.3), st.integers(0, 80)), max_size=30))
def test_every_line_is_told_or_counted(bursts):
    bench = Bench()
    for pause, lines in bursts:
        bench.now += pause
        for _ in range(lines):
            bench.reporter.log("line")
    bench.reporter.close()
    told = [log["message"] for log in bench.messages("log")]
    left_out = sum(int(text.split()[0]) for text in told if "left out" in text)
    assert told.count("line") + left_out == sum(lines for _, lines in bursts)


def test_a_look_at_the_memory_every_tenth_of_a_second_may_end_the_run():
    looks = []

    def check_memory():
        looks.append(bench.now)
        if len(looks) == 3:
            raise JobFailed("too_large", "Too much.")

    bench = Bench(check_memory=check_memory)
    for _ in range(4):
        bench.reporter.check()
        bench.now += 0.06
    assert len(looks) == 2
    with pytest.raises(JobFailed):
        bench.reporter.progress(1)


def test_an_odd_level_is_information_and_nothing_is_cut_before_secrets_are_masked():
    bench = Bench()
    bench.reporter.log("x" * 10_000, "shouting")
    assert len(bench.messages("log")[0]["message"]) == 10_000
    assert bench.messages("log")[0]["level"] == "info"


@pytest.mark.parametrize(
    "call", [lambda r: r.stage("x"), lambda r: r.progress(1), lambda r: r.log("x"), lambda r: r.check()]
)
def test_every_call_raises_once_cancelled(call):
    bench = Bench()
    call(bench.reporter)
    bench.is_cancelled = True
    with pytest.raises(Cancelled):
        call(bench.reporter)


def test_nothing_is_said_after_the_end():
    bench = Bench()
    bench.reporter.close()
    for call in (bench.reporter.check, lambda: bench.reporter.progress(1), lambda: bench.reporter.log("x")):
        with pytest.raises(Cancelled):
            call()
    bench.reporter.close()
    assert bench.sent == []


def test_the_disk_is_looked_at_first_and_then_every_second():
    looks = []

    def free_bytes() -> int:
        looks.append(bench.now)
        return 1000 if len(looks) < 3 else 10

    bench = Bench(free_bytes=free_bytes, min_free_bytes=100)
    for _ in range(15):
        bench.reporter.check()
        bench.now += 0.1
    assert len(looks) == 2
    bench.now += 1.0
    with pytest.raises(JobFailed) as caught:
        bench.reporter.progress(1)
    assert caught.value.failure.code == "disk_full"


def test_a_full_disk_is_noticed_at_the_first_call():
    bench = Bench(free_bytes=lambda: 1, min_free_bytes=100)
    with pytest.raises(JobFailed):
        bench.reporter.check()


def test_threads_do_not_lose_lines():
    bench = Bench()
    threads = [threading.Thread(target=lambda: [bench.reporter.log("x") for _ in range(100)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bench.reporter.close()
    assert len(bench.messages("log")) == LOGS_PER_S + 1
    assert bench.messages("log")[-1]["message"] == f"{800 - LOGS_PER_S} lines left out"


def test_what_a_silent_run_held_back_goes_out_all_the_same():
    sent = queue.Queue()
    reporter = Reporter(lambda message: sent.put((time.monotonic(), message["progress"]["current"])))
    reporter.keep_fresh()
    began = time.monotonic()
    for count in range(5):
        reporter.progress(count)
    assert sent.get(timeout=5)[1] == 0
    at, count = sent.get(timeout=5)
    assert count == 4
    assert at - began >= PROGRESS_INTERVAL_S * 0.99
    reporter.progress(5)  # and again, after a silence
    assert sent.get(timeout=5)[1] == 5
    reporter.close()
    assert sent.empty()


def test_a_busy_run_with_a_freshener_keeps_to_twenty_reports_a_second():
    told = []
    reporter = Reporter(lambda message: told.append(time.monotonic()))
    reporter.keep_fresh()
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        reporter.progress(len(told))
    reporter.close()
    assert 2 <= len(told) <= 12
    assert all(later - sooner >= PROGRESS_INTERVAL_S * 0.99 for sooner, later in itertools.pairwise(told[:-1]))


def test_a_cancelled_run_is_not_freshened():
    sent = []
    cancelled = threading.Event()
    reporter = Reporter(sent.append, is_cancelled=cancelled.is_set)
    reporter.keep_fresh()
    reporter.progress(1)
    reporter.progress(2)
    cancelled.set()
    with pytest.raises(Cancelled):
        reporter.check()
    time.sleep(3 * PROGRESS_INTERVAL_S)
    assert len(sent) == 1
