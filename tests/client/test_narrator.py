"""What a command prints, as what its job is told: bounded in time and memory, and masked."""

import time

import pytest

from hub.cli.narrator import HELD_BYTES, Allowance, Ear, Narrator
from hub.client import Stage


class FakeJob:
    def __init__(self):
        self.said = []

    def plan_stages(self, *stages):
        self.said.append(("plan", [stage.title if isinstance(stage, Stage) else stage for stage in stages]))

    def stage(self, name, title=None, *, total=None, unit=""):
        self.said.append(("stage", name, title, total, unit))

    def update(self, current, *, unit, message):
        self.said.append(("update", current, unit, message))

    def set_total(self, total):
        self.said.append(("total", total))

    def log(self, message, level="info"):
        self.said.append(("log", level, message))


class Never(Allowance):
    def begin(self):
        return False


def narrator(*command, logs=True, clean=lambda text: text):
    job = FakeJob()
    return job, Narrator(job, command or ["make"], logs=logs, clean=clean)


def test_lines_are_logged_with_their_level_and_the_last_ones_are_kept():
    job, story = narrator()
    story.out(b"one\n\n  \ntwo\n")
    story.err(b"fatal: three\nwarning: four\nerror: five")
    assert story.end() == ["one", "two", "fatal: three", "warning: four", "error: five"]
    assert job.said == [
        ("log", "info", "one"), ("log", "info", "two"), ("log", "error", "fatal: three"),
        ("log", "warning", "warning: four"), ("log", "error", "error: five"),
    ]  # fmt: skip


def test_a_known_programs_bar_is_a_stage_with_counts():
    job, story = narrator("curl", "-O", "x")
    story.err(b"\r 10 5859k   10  585k    0     0  2314k      0  0:00:02 --:--:--  0:00:02 2306k\r")
    assert job.said == [
        ("plan", ["Downloading"]),
        ("stage", "downloading", "Downloading", 5_999_616, "bytes"),
        ("update", 599_040, "bytes", ""),
    ]


@pytest.mark.parametrize(
    ("command", "is_planned"), [(["git", "clone"], True), (["/usr/bin/git", "fetch"], True), (["sh"], False)]
)
def test_gits_commands_are_planned_and_a_shells_are_not(command, is_planned):
    job, story = narrator(*command)
    story.err(b"Receiving objects:  42% (42/100)\r")
    assert (job.said[0][0] == "plan") is is_planned
    assert job.said[-1] == ("update", 42, "objects", "")


def test_a_line_that_waits_for_its_end_is_read_when_nothing_comes():
    job, story = narrator("curl")
    story.err(b"\r####   10.0%")
    assert job.said == []
    story.quiet()
    assert job.said[-1] == ("update", 10, "%", "")


def test_texts_are_masked_wherever_they_go():
    job, story = narrator(clean=lambda text: text.replace("hush", "***"))
    story.out(b"the hush\nhush: 10%|##| 10/100 [00:00<00:01, 2.00it/s]\r")
    assert story.end() == ["the ***"]
    assert "hush" not in str(job.said)


def test_without_logs_only_progress_is_told():
    job, story = narrator(logs=False)
    story.out(b"one\n" * 1000)
    story.end()
    assert job.said == []


def test_more_lines_than_a_log_takes_are_counted():
    job, story = narrator()
    story.out(b"".join(b"%d\n" % n for n in range(500)))
    story.end()
    left_out = sum(int(said[2].split()[0]) for said in job.said if said[2].endswith("left out"))
    assert left_out + len([said for said in job.said if not said[2].endswith("left out")]) == 500


def test_what_there_is_no_time_for_is_counted_and_the_newest_is_read_at_the_end():
    lines = []
    ear = Ear(lines.append)
    left_out = 0
    for n in range(100):
        left_out += ear.hear(b"".join(b"%08d\n" % (n * 10_000 + m) for m in range(10_000)), Never())
    ear.end()
    assert left_out + len(lines) == 1_000_000
    assert lines[-1].text == "00999999"
    assert sum(len(line.text) + 1 for line in lines) <= HELD_BYTES


def test_reading_takes_no_more_than_its_share_of_the_time():
    _, story = narrator()
    data = b"y\n" * 32_768
    began, spent = time.perf_counter(), 0.0
    while time.perf_counter() - began < 1.0:
        start = time.perf_counter()
        story.out(data)
        spent += time.perf_counter() - start
        time.sleep(0.001)
    assert spent < 0.75  # the share, the burst and room for a machine that is busy
