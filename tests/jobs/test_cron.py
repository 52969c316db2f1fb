"""Turns by the calendar, over the nights in which clocks change."""

import datetime as dt
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import BadParams
from hub.jobs.schedules.cron import Cron

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
NOW_MS = int(dt.datetime(2026, 1, 1, tzinfo=dt.UTC).timestamp() * 1000)


def ms(text, zone=dt.UTC):
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def turns(expression, start, count, timezone="Europe/Berlin"):
    """The next ones as local time with its distance to UTC."""
    cron = Cron.of(expression, timezone, NOW_MS)
    at, found = start, []
    for _ in range(count):
        at = cron.next_ms(at)
        found.append(dt.datetime.fromtimestamp(at / 1000, cron.zone).isoformat(timespec="minutes"))
    return found


def test_a_turn_in_the_hour_that_is_left_out_comes_right_after_it():
    assert turns("30 2 * * *", ms("2026-03-28T12:00"), 3) == [
        "2026-03-29T03:00+02:00",
        "2026-03-30T02:30+02:00",
        "2026-03-31T02:30+02:00",
    ]


def test_a_turn_in_the_hour_that_comes_twice_comes_once():
    assert turns("30 2 * * *", ms("2026-10-24T12:00"), 2) == ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]


def test_whoever_looks_in_the_second_of_two_like_hours_waits_for_the_next_day():
    """The library names the first of the two then, which has passed: a hub that starts just then took a turn twice."""
    second = ms("2026-10-25T01:10")  # 2:10 for the second time
    assert dt.datetime.fromtimestamp(second / 1000, BERLIN).fold == 1
    assert turns("30 2 * * *", second, 1) == ["2026-10-26T02:30+01:00"]


def test_turns_of_every_hour_come_by_the_time_that_passes():
    assert turns("0 * * * *", ms("2026-10-24T23:30"), 4) == [
        "2026-10-25T02:00+02:00",
        "2026-10-25T02:00+01:00",
        "2026-10-25T03:00+01:00",
        "2026-10-25T04:00+01:00",
    ]
    assert turns("0 * * * *", ms("2026-03-29T00:30"), 2) == ["2026-03-29T03:00+02:00", "2026-03-29T04:00+02:00"]


def test_the_same_hour_is_another_time_elsewhere():
    for timezone, hour in (("UTC", 3), ("Asia/Kolkata", 21), ("America/New_York", 8)):
        at = Cron.of("0 3 * * *", timezone, NOW_MS).next_ms(ms("2026-06-01T12:00"))
        found = dt.datetime.fromtimestamp(at / 1000, dt.UTC)
        assert found.hour == (hour if timezone != "America/New_York" else 7), timezone


def test_a_leap_day_and_the_last_of_the_month_are_found():
    assert turns("0 0 29 2 *", NOW_MS, 1) == ["2028-02-29T00:00+01:00"]
    assert turns("0 12 L * *", NOW_MS, 2) == ["2026-01-31T12:00+01:00", "2026-02-28T12:00+01:00"]


@pytest.mark.parametrize(
    "expression",
    ["* * * *", "60 * * * *", "a b c d e", "@daily", "0 0 31 2 *", "*/0 * * * *", "0 0 * * * *", "", "٣ * * * *"],
)
def test_what_is_no_cron_expression_is_refused_with_an_example(expression):
    with pytest.raises(BadParams, match=r"cron") as refused:
        Cron.of(expression, "UTC", NOW_MS)
    assert "0 3 * * *" in str(refused.value) or "never comes" in str(refused.value)


@pytest.mark.parametrize("timezone", ["Mars/Phobos", "../../etc/passwd", "/etc/localtime", "Europe", "a\0b"])
def test_an_unknown_time_zone_is_refused_by_name(timezone):
    with pytest.raises(BadParams, match="time zone"):
        Cron.of("0 3 * * *", timezone, NOW_MS)


def test_the_shortest_time_between_two_turns_is_found():
    assert Cron.of("0,1 3 * * *", "UTC", NOW_MS).shortest_s(NOW_MS) == 60
    assert Cron.of("*/5 * * * *", "UTC", NOW_MS).shortest_s(NOW_MS) == 300
    assert Cron.of("0 3 * * *", "UTC", NOW_MS).shortest_s(NOW_MS) == 86400


def test_a_clock_that_is_corrected_brings_no_turn_twice_and_one_that_is_set_to_another_day_waits_for_its_turns():
    cron = Cron.of("0 3 * * *", "UTC", NOW_MS)
    taken = ms("2026-06-01T03:00")
    assert cron.again_ms(taken - 5_000, taken) == ms("2026-06-02T03:00")
    assert cron.again_ms(ms("2026-05-20T12:00"), taken) == ms("2026-05-21T03:00")
    assert cron.again_ms(taken - 5_000, None) == taken


FIELDS = st.sampled_from(["*", "*/7", "0", "3", "1-5", "0,1", "2/3"])


@given(
    fields=st.lists(FIELDS, min_size=2, max_size=2),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    start=st.integers(ms("2026-01-01T00:00"), ms("2027-12-31T00:00")),
)
def test_turns_only_ever_go_forward(fields, zone, start):
    cron = Cron.of(" ".join([*fields, "*", "*", "*"]), zone, start)
    at = start
    for _ in range(5):
        following = cron.next_ms(at)
        assert following is not None
        assert following > at
        at = following


def test_turns_that_are_years_apart_are_soon_looked_through():
    looked = []

    class Counting(Cron):
        def next_ms(self, after_ms):
            looked.append(after_ms)
            return super().next_ms(after_ms)

    made = Cron.of("0 0 * 2 MON#5", "UTC", NOW_MS)
    assert Counting(made.expression, made.zone).shortest_s(NOW_MS) > 86_400
    assert len(looked) <= 5
    made = Cron.of("0,1 0 29 2 *", "UTC", NOW_MS)
    assert made.shortest_s(NOW_MS) == 60
