"""A job's state as lines: never a lie, never wider than the terminal, never more than text."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.core.events import Failure, ProgressBody, State
from hub.core.job import JobState, StageState
from hub.core.retries import Retry
from hub.terminal import Style, bar, cells, fit, live_line, plain_line, stage_line, summary
from hub.words import amount, clean, counts, duration, eta, percent_of, rate

ASCII = Style(unicode=False)
STAGES = (
    StageState(stage="connect", title="Connecting", weight=1, state="done", started=0, ended=400),
    StageState(stage="receiving", title="Receiving objects", weight=6, state="running", started=400),
    StageState(stage="checkout", title="Checking out files", weight=2),
)
PROGRESS = ProgressBody(
    stage="receiving",
    step=2,
    steps=3,
    current=1234,
    total=2870,
    unit="objects",
    percent=43.9,
    rate=812.4,
    eta_s=(14.0, 38.0),
    detail={"received_bytes": 12_900_000},
)
JOB = JobState(
    id="0190", project="demo", kind="clone", state=State.RUNNING, seq=9, created=0, started=0, stages=STAGES,
    progress=PROGRESS,
)  # fmt: skip


def with_progress(**changes):
    return replace(JOB, progress=replace(PROGRESS, **changes))


def ended(state, **changes):
    return replace(JOB, state=state, ended=8200, **changes)


def test_a_wide_terminal_shows_everything():
    assert live_line(JOB, Style(columns=160)) == (
        "demo  Receiving objects (2 of 3)  █████████████▏░░░░░░░░░░░░░░░░   43 %  "
        "1,234 of 2,870 objects, 12.3 MiB  812 objects/s  10 to 40 s left"
    )


def test_a_narrow_terminal_drops_the_rate_then_the_counts_then_the_time_left():
    lines = {columns: live_line(JOB, Style(columns=columns, unicode=False)) for columns in range(20, 161)}
    first = {word: min(columns for columns, line in lines.items() if word in line) for word in ("/s", "1,234", "left")}
    assert first["/s"] > first["1,234"] > first["left"]


@example(columns=20, percent=0.0, project="", title="\u1dc0", unicode=False)
@given(
    columns=st.integers(1, 200),
    percent=st.floats(0, 99.9),
    project=st.text(max_size=30),
    title=st.text(max_size=60),
    unicode=st.booleans(),
)
def test_a_live_line_always_fits_and_is_one_line(columns, percent, project, title, unicode):
    stages = (replace(STAGES[1], title=title),)
    job = replace(with_progress(percent=percent), project=project, stages=stages)
    line = live_line(job, Style(columns=columns, unicode=unicode))
    assert cells(line) <= max(columns - 1, 0)
    assert line.isprintable()
    assert unicode or line.isascii()


@pytest.mark.parametrize(("percent", "shown"), [(0.0, 0), (0.9, 0), (42.99, 42), (99.9, 99), (100.0, 99)])
def test_percent_is_floored_and_never_100_before_the_end(percent, shown):
    assert percent_of(with_progress(percent=percent)) == shown


def test_only_success_is_100_percent():
    assert percent_of(ended(State.SUCCEEDED)) == 100
    assert percent_of(ended(State.FAILED)) == 43


@given(fraction=st.floats(0, 1, exclude_max=True), columns=st.integers(1, 60), unicode=st.booleans())
def test_a_bar_keeps_its_width_and_is_not_full_before_the_end(fraction, columns, unicode):
    drawn = bar(fraction, columns, Style(unicode=unicode))
    assert len(drawn) == columns
    assert drawn != bar(1, columns, Style(unicode=unicode))


def test_without_unicode_everything_is_ascii():
    job = replace(JOB, stages=(replace(STAGES[1], title="Réception"),))
    assert live_line(job, replace(ASCII, columns=60)).isascii()
    done = ended(State.SUCCEEDED, result={"head": "1a2b3c4d5e", "branch": "main", "files": 3})
    assert all(line.isascii() for line in summary(done, ASCII))


def test_color_is_only_there_when_asked_for():
    assert "\x1b[" not in live_line(JOB, Style(columns=120))
    assert "\x1b[36m" in live_line(JOB, Style(columns=120, color=True))


def test_foreign_text_can_neither_steer_the_terminal_nor_break_the_line():
    assert clean("a\x1b[2Jb\r\nc\u202ed\x9b1m\te") == "a [2Jb c d 1m e"


def test_wide_characters_count_twice():
    assert cells("日本") == 4
    assert cells("e\u0301") == 1
    assert fit("日本語", 5) == "日本…"


@pytest.mark.parametrize(
    ("value", "unit", "total", "shown"),
    [
        (1234, "objects", None, "1,234 objects"),
        (1234, "objects", 2870, "1,234 of 2,870 objects"),
        (512, "bytes", None, "512 bytes"),
        (12_900_000, "bytes", None, "12.3 MiB"),
        (1024, "bytes", 10 * 1024**2, "0.0 of 10.0 MiB"),
        (3, "", 7, "3 of 7"),
    ],
)
def test_amounts_are_in_sensible_units(value, unit, total, shown):
    assert amount(value, unit, total) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.04, "0.0 s"), (9.96, "10.0 s"), (42.4, "42 s"), (59.7, "1 min 0 s"), (65, "1 min 5 s"), (7380, "2 h 3 min")],
)
def test_durations_are_rounded_to_what_matters(seconds, shown):
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("eta_s", "shown"),
    [
        (None, ""),
        ((2.0, 8.0), "a few seconds left"),
        ((14.0, 38.0), "10 to 40 s left"),
        ((3.0, 14.0), "about 10 s left"),
        ((100.0, 300.0), "2 to 5 min left"),
        ((3000.0, 20000.0), "1 to 6 h left"),
    ],
)
def test_time_left_is_a_rounded_range(eta_s, shown):
    assert eta(with_progress(eta_s=eta_s)) == shown


def test_a_paused_job_shows_neither_rate_nor_time_left():
    paused = replace(JOB, state=State.PAUSED)
    assert rate(paused) == eta(paused) == ""
    assert "Paused" in live_line(paused, Style(columns=120))


def test_counts_of_an_earlier_stage_are_not_shown_under_the_next_one():
    stages = (*STAGES[:1], replace(STAGES[1], state="done", ended=900), replace(STAGES[2], started=900))
    assert counts(replace(JOB, stages=stages)) == ""


def test_a_waiting_job_says_its_place():
    again = replace(JOB, state=State.QUEUED, stages=(), progress=None, retry=Retry(attempts=3, attempt=2), starts_at=5)
    assert "Waiting for try 2 of 3" in plain_line(again)
    waiting = replace(JOB, state=State.QUEUED, queue=2, stages=(), progress=None)
    assert plain_line(waiting) == "demo: Waiting, number 2 in the queue, 0 %"


def test_a_plain_line_reads_as_a_sentence():
    assert plain_line(JOB) == (
        "demo: Receiving objects, step 2 of 3, 43 %, 1,234 of 2,870 objects, 12.3 MiB, 812 objects/s, 10 to 40 s left"
    )


def test_a_finished_stage_says_how_much_and_how_long():
    stage = replace(STAGES[1], state="done", ended=3500, current=2870, total=2870, unit="objects")
    assert stage_line(stage, Style()) == "  ✓  Receiving objects  2,870 objects  3.1 s"


def test_success_says_what_came_of_it():
    result = {
        "path": "/data/demo",
        "head": "1a2b3c4d5e6f",
        "branch": "main",
        "files": 214,
        "objects": 2870,
        "bytes": 900,
    }
    assert summary(ended(State.SUCCEEDED, result=result), Style()) == [
        "✓ demo: clone succeeded after 8.2 s",
        "  main at 1a2b3c4 · 214 files · 2,870 objects · 900 bytes · /data/demo",
    ]


def test_an_empty_repository_is_a_success_without_a_head():
    assert summary(ended(State.SUCCEEDED, result={"head": None, "branch": None}), Style()) == [
        "✓ demo: clone succeeded after 8.2 s"
    ]


def test_failure_says_where_why_and_what_to_do():
    error = Failure(code="timeout", message="The server\nstopped.", stage="receiving", hint="Try again later.")
    assert summary(ended(State.FAILED, error=error), ASCII) == [
        "x demo: clone failed after 8.2 s in Receiving objects",
        "  The server stopped.",
        "  What to do: Try again later.",
        "  Run it again: progress-hub retry 0190",
    ]


def test_a_job_of_another_program_is_not_the_hubs_to_run_again():
    error = Failure(code="exit_1", message="make ended with exit code 1.", retry=True)
    assert summary(ended(State.FAILED, error=error, silence_s=30.0), ASCII)[1:] == ["  make ended with exit code 1."]
    assert summary(ended(State.INTERRUPTED, silence_s=30.0), ASCII) == ["x demo: clone was interrupted after 8.2 s"]


def test_cancelled_and_interrupted_are_told_apart():
    assert summary(ended(State.CANCELLED), ASCII) == ["x demo: clone was cancelled after 8.2 s"]
    assert "interrupted" in summary(ended(State.INTERRUPTED), ASCII)[0]
    assert summary(ended(State.INTERRUPTED), ASCII)[1] == "  Run it again: progress-hub retry 0190"
