"""What programs print, read as progress: recordings of real ones, and lines that only look like progress."""

import itertools
from pathlib import Path

import pytest

from hub.client.output import Line, Lines, Reader, Reading
from hub.client.output.formats import FORMATS

RECORDINGS = Path(__file__).parent / "recordings"


class Heard:
    """All that a reader made of `data`."""

    def __init__(self, data: bytes) -> None:
        lines, reader = Lines(), Reader()
        self.readings: list[Reading] = []
        self.logged: list[str] = []
        for line in [*lines.feed(data), *lines.end()]:
            is_progress, reading = reader.read(line)
            if reading is not None:
                self.readings.append(reading)
            if line.stays and not is_progress and line.text.strip():
                self.logged.append(line.text.strip())

    @property
    def titles(self) -> list[str]:
        return list(dict.fromkeys(reading.title for reading in self.readings))

    @property
    def last(self) -> Reading:
        return self.readings[-1]


def heard(name: str) -> Heard:
    return Heard((RECORDINGS / name).read_bytes())


def said(*lines: str) -> Heard:
    return Heard("\n".join(lines).encode())


@pytest.mark.parametrize("where", ["tty", "pipe"])
def test_gits_phases_become_stages_with_their_counts(where):
    found = heard(f"git.{where}")
    assert found.titles == ["Counting objects", "Compressing objects", "Receiving objects", "Resolving deltas"]
    receiving = [reading for reading in found.readings if reading.title == "Receiving objects"]
    assert [receiving[0].current, receiving[-1].current] == [1, receiving[-1].total]
    assert receiving[-1].unit == "objects"
    assert found.logged[0] == "Cloning into 'copy'..."
    assert not [line for line in found.logged if "%" in line]


@pytest.mark.parametrize(
    ("name", "program", "title", "total", "unit"),
    [
        ("curl.tty", "curl", "Downloading", 5_999_616, "bytes"),
        ("curl.pipe", "curl", "Downloading", 5_999_616, "bytes"),
        ("curl-bar.tty", "curl", "Downloading", 100, "%"),
        ("wget.tty", "wget", "Downloading", 100, "%"),
        ("wget.pipe", "wget", "Downloading", 100, "%"),
        ("wget-bar.tty", "wget", "Downloading", 100, "%"),
        ("pip.tty", "pip", "Downloading", 6_000_000, "bytes"),
        ("ninja.tty", "ninja", "Building", 40, "steps"),
        ("ninja.pipe", "ninja", "Building", 40, "steps"),
        ("cargo.tty", "cargo", "Building", 6, "crates"),
        ("rsync-total.tty", "rsync", "Copying", 100, "%"),
        ("rsync-each.tty", "rsync", "Copying", 7, "files"),
        ("apt.tty", "apt", "Downloading", 100, "%"),
        ("pytest.tty", "pytest", "Testing", 100, "%"),
        ("pytest.pipe", "pytest", "Testing", 100, "%"),
    ],
)
def test_a_real_programs_bar_is_read_to_its_end(name, program, title, total, unit):
    found = heard(name)
    assert found.titles == [title]
    assert {reading.program for reading in found.readings} == {program}
    assert (found.last.total, found.last.unit) == (total, unit)
    assert found.last.current >= total * 0.8
    shares = [reading.current for reading in found.readings if reading.unit == unit and reading.is_whole]
    falls = [new for old, new in itertools.pairwise(shares) if new < old]
    assert falls == ([0] if program == "apt" else [])  # two commands, an update and a download


@pytest.mark.parametrize("where", ["tty", "pipe"])
def test_tqdms_bars_are_read_with_and_without_a_total_and_in_thousands(where):
    found = heard(f"tqdm.{where}")
    ends = {(reading.title, reading.current, reading.unit) for reading in found.readings if reading.is_over}
    assert ends == {("Epoch", 400, ""), ("Running", 3_000_000, "bytes")}
    assert (found.last.current, found.last.total, found.last.unit) == (200, None, "rows")
    assert found.logged == ["done"]


def test_a_pip_that_says_how_large_its_files_are_names_them():
    assert heard("pip.tty").last.message == "payload-1.0-py3-none-any.whl"
    assert not heard("pip.tty").last.is_whole  # nobody knows how many files will follow


@pytest.mark.parametrize(
    ("lines", "percent"),
    [
        (["Sending build context", "Step 1/5 : FROM scratch", " ---> 1", "Step 2/5 : COPY . ."], 40),
        (["#5 [1/4] FROM a", "#6 [2/4] RUN b", "#7 [builder 3/4] RUN c"], 75),
        (["[ 10%] Building CXX a.o", "[ 25%] Building CXX b.o", "[ 50%] Linking"], 50),
        (["[1/40] cc a.c", "[2/40] cc b.c", "[20/40] cc c.c"], 50),
        (["[download]  10.0% of 10.00MiB at 1.00MiB/s ETA 00:05", "[download]  42.5% of 10.00MiB at 1MiB/s"], 42),
        (["[#2089b0 4.0MiB/32MiB(12%) CN:1 DL:1.0MiB ETA:4m51s]", "[#2089b0 16MiB/32MiB(50%) CN:1 DL:1.0MiB]"], 50),
        (["Working... ━━━━━━━━━━━━━━━━ 10% 0:00:10", "Working... ━━━━━━━━━━━━━━━━ 60% 0:00:04"], 60),
        (["Progress: [  5%] [###.....] ", "Progress: [ 80%] [######..] "], 80),
        (["\x1b]9;4;1;10\x07", "\x1b]9;4;1;70\x07x"], 70),
        (["  0%|          | 0/10 [00:00<?, ?it/s]", " 30%|###       | 3/10 [00:03<00:07,  1.00s/it]"], 30),
        (["train: 50%|#####     | 50/100 [00:05<00:05, 9.99it/s, loss=0.5]"], 50),
    ],
)  # fmt: skip
def test_a_programs_own_form_is_read(lines, percent):
    last = said(*lines).last
    assert last.current * 100 // last.total == percent


def test_dockers_layers_are_counted_together():
    found = said(
        "a1b2c3d4e5f6: Pulling fs layer", "b1b2c3d4e5f6: Pulling fs layer",
        "a1b2c3d4e5f6: Downloading [=====>     ]  5MB/10MB", "b1b2c3d4e5f6: Downloading [=>  ]  1.5MB/3MB",
        "a1b2c3d4e5f6: Download complete", "a1b2c3d4e5f6: Extracting [===>  ]  5MB/10MB", "a1b2c3d4e5f6: Pull complete",
        "b1b2c3d4e5f6: Pull complete",
    )  # fmt: skip
    assert [reading.current for reading in found.readings] == [0, 0, 12, 25, 37, 50, 62, 100]
    assert found.last.message == "2 of 2 layers"


def test_a_dd_counts_what_it_has_copied():
    last = said("104857600 bytes (105 MB, 100 MiB) copied, 1.0 s, 105 MB/s").last
    assert (last.current, last.total, last.unit) == (104_857_600, None, "bytes")


@pytest.mark.parametrize(
    "lines",
    [
        ["100% cotton"],
        ["Made of 100% cotton"] * 5,
        ["Released 1/2", "Updated 3/4/2024", "see 12/2"],
        ["1/12 of the way", "2/3 of it", "3/4 tests failed"],
        ["1/4 tests failed", "2/4 tests failed", "3/4 tests failed"],
        ["accuracy: 50%", "accuracy: 60%", "accuracy: 70%", "accuracy: 80%", "accuracy: 90%"],
        ["cpu 10%", "cpu 20%", "cpu 30%", "cpu 40%", "cpu 50%", "cpu 10%"],
        ["/dev/sda1 40% /", "/dev/sda2 50% /home", "/dev/sda3 60% /var"],
        ["up 10%", "down 20%", "up 5%", "down 60%"],
        ["[100%] Built target a", "[100%] Built target b"],
        ["GET /a/1/2 200", "GET /a/2/2 200"],
        ["http://x/1/3", "http://x/2/3", "http://x/3/3"],
        ["50% off today!", "60% off today!", "70% off today!", "80% off today!"],
        ["Discount: 42% (1/3)"],
        ["v1.2/3", "v1.3/3", "width: 100%;", "height: 50%;"],
        ["[1/2] a section", "text", "[1/2] a section"],
        ["5/3 is more than 1", "1000% sure"],
        ["worker 1: 10% busy", "worker 1: 20% busy", "worker 1: 30% busy", "worker 1: 40% busy", "worker 1: 50% busy"],
        ["core0 1%", "core1 22%", "core2 33%", "core3 44%", "core4 55%"],
        ["INFO heap at 41%", "INFO heap at 43%", "INFO heap at 47%", "INFO heap at 52%", "INFO heap at 61%"],
        ["INFO buffers at 41%", "INFO buffers at 43%", "INFO buffers at 47%", "INFO buffers at 52%"],
        ["  50%      0", "  66%      1", "  75%      1", "  80%      1", "  90%      2", " 100%     12 (longest)"],
        ["     50%  635.91us", "     75%  712.34us", "     90%    1.04ms", "     99%    2.87ms"],
        ["retrying (attempt 1/5)", "retrying (attempt 2/5)", "retrying (attempt 3/5)", "retrying (attempt 4/5)"],
        ["thread 1/8 started", "thread 2/8 started", "thread 3/8 started", "thread 4/8 started"],
        ["connections: 10/100", "connections: 20/100", "connections: 30/100", "connections: 40/100"],
        ["RSS 100/8192 MB", "RSS 200/8192 MB", "RSS 300/8192 MB", "RSS 400/8192 MB"],
        ["a.py    20     10    50%", "b.py    20      8    60%", "c.py    20      6    70%", "TOTAL  102   33    87%"],
        ["  adding: a (deflated 40%)", "  adding: b (deflated 45%)", "  adding: c (deflated 50%)", "TOTAL 87%"],
        [f"ok  \ta/{n}\t0.01s\tcoverage: {n}0.0% of statements" for n in range(1, 9)],
        ["udev  3.9G  0  3.9G   0% /dev", "/dev/sda1  98G  42G  52G  45% /", "/dev/sda2  98G  52G  42G  55% /var"],
        [f"eth 192.168.1.{n}/24" for n in range(1, 9)],
    ],
)
def test_what_only_looks_like_progress_is_none(lines):
    assert said(*lines).readings == []


def test_percents_that_grow_are_believed_and_not_once_they_fall():
    lines = [f"Processing {n}%" for n in range(0, 50, 10)]
    assert said(*lines).last.current == 40
    assert [reading.current for reading in said(*lines, "Processing 5%", "Processing 90%").readings] == [30, 40]


def test_what_else_a_line_says_does_not_hide_its_progress():
    lines = [f"Copied {n * 12} MB ({n}%), 0 errors, 30 MB/s" for n in range(0, 60, 10)]
    assert said(*lines).last.current == 50


def test_a_line_that_is_written_over_needs_less_proof():
    found = Heard(b"loading 10%\rloading 20%\rloading 30%\r")
    assert [(reading.title, reading.current) for reading in found.readings] == [("loading", 20), ("loading", 30)]


def test_counts_that_grow_are_believed():
    found = said(*(f"Processing file {n}/30: name{n}.txt" for n in range(1, 11)))
    assert (found.last.current, found.last.total, found.last.title) == (10, 30, "Processing file")


def test_of_nested_bars_the_outer_one_is_the_jobs():
    outer = "epochs: {}%|##| {}/4 [00:00<00:01, 2.00it/s]"
    inner = "batches: 50%|##| {}/300 [00:00<00:01, 2.00it/s]"
    lines = [outer.format(0, 0)]
    for n in range(1, 5):
        lines += [inner.format(batch) for batch in range(0, 300, 10)]
        lines.append(outer.format(n * 25, n))
    found = said(*lines)
    assert found.titles == ["epochs"]
    assert [reading.current for reading in found.readings] == [0, 1, 2, 3, 4]


def test_an_outer_bar_that_is_silent_for_long_gets_its_place_back():
    outer, inner = "epochs: {}%|##| {}/2 [00:00<00:01, 2.00it/s]", "batches: 1%|##| {}/900 [00:00<00:01, 2.00it/s]"
    lines = [outer.format(0, 0), *(inner.format(n) for n in range(600))]
    lines += [outer.format(50, 1), *(inner.format(n) for n in range(600)), outer.format(100, 2)]
    found = said(*lines)
    assert found.last.title == "epochs"
    changes = [new.title for old, new in itertools.pairwise(found.readings) if old.title != new.title]
    assert changes == ["batches", "epochs"]


def test_numbered_epochs_are_one_bar():
    form = "Epoch {}/4: {}%|##| {}/100 [00:00<00:01, 2.00it/s]"
    found = said(*(form.format(epoch, n, n) for epoch in range(1, 5) for n in (0, 50, 100)))
    assert found.titles == ["Epoch"]
    assert [reading.current for reading in found.readings] == [0, 50, 100, 100, 150, 200, 200, 250, 300, 300, 350, 400]
    assert found.last.total == 400


def test_one_program_after_another_is_another_stage():
    found = Heard((RECORDINGS / "git.tty").read_bytes() + (RECORDINGS / "wget.tty").read_bytes())
    assert found.titles[-2:] == ["Resolving deltas", "Downloading"]


def test_a_thousand_titles_are_not_a_thousand_stages():
    titles = [f"{chr(97 + n % 26)}{chr(97 + n // 26)}x" for n in range(600)]
    found = said(*(f"{title}: {p}%|##| {p}/100 [00:00<00:01, 2.00it/s]" for title in titles for p in (1, 100)))
    assert len(found.titles) <= 40


def test_a_table_of_formats_has_a_recording_or_a_line_for_each_program():
    assert len({(row.program, row.pattern) for row in FORMATS}) == len(FORMATS)
    for row in FORMATS:
        assert row.sign, row.program


@pytest.mark.parametrize(
    "text",
    ["━" * 990, "%|" * 490, "#" * 990 + "%", ": " * 490 + "%|", "1/" * 490, "1 " * 490 + "%", "[" * 990 + "%]",
     "a" * 990 + "/s", "0" * 990, " " * 990 + "B", "K ." * 300, "1% [" + "]" * 990, "." * 990 + "%]",
     "━" * 8000 + " 1%", "a/s [" * 190, "1: " * 300 + "/s", "x" * 490 + " %|" + "|" * 490],
)  # fmt: skip
def test_no_line_takes_long(text):
    """A hundred times, within the test's time limit; a pattern that goes back and forth takes minutes."""
    reader = Reader()
    for _ in range(100):
        reader.read(Line(text, stays=True))
