"""What follows from an attempt."""

from dataclasses import replace

import pytest

from hub.core.webhooks import LATEST_MS, Delivered, Delivery, Trouble, Webhook
from hub.webhooks.backoff import DAY_MS, JITTER, WAITS_S, Answer, judged, pause_s, settled

WAITING = Delivery(id="m", webhook="w", created=0, payload="{}", next_at=0)
WEBHOOK = Webhook(id="w", url="https://example.org", created=0)
BROKEN, DOWN = Answer(status=500, error="500"), Answer(error="refused")


def test_a_success_is_the_end_of_it():
    done = settled(WAITING, Answer(status=204, took_ms=7), 1000, 0.5)
    assert (done.state, done.attempts, done.next_at, done.status, done.took_ms) == (Delivered.DONE, 1, None, 204, 7)


@pytest.mark.parametrize("answer", [BROKEN, DOWN, Answer(status=429, error="429"), Answer(status=503, error="503")])
def test_what_may_pass_is_tried_again_later_and_later_for_a_day(answer):
    delivery, now, waits = WAITING, 0, []
    while delivery.state is Delivered.WAITING:
        delivery = settled(delivery, answer, now, 0.5)
        if delivery.next_at is not None:
            waits.append((delivery.next_at - now) / 1000)
            now = delivery.next_at
    assert waits == list(WAITS_S)
    assert 24 < now / 3_600_000 < 30
    assert (delivery.state, delivery.attempts) == (Delivered.FAILED, len(WAITS_S) + 1)


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 405, 410, 422])
def test_what_will_not_pass_is_not_tried_again(status):
    assert settled(WAITING, Answer(status=status, error="no"), 0, 0.5).state is Delivered.FAILED


def test_waits_differ_and_none_looks_as_if_the_clock_had_been_set_back():
    first, last = (settled(WAITING, BROKEN, 0, chance).next_at for chance in (0.0, 0.999))
    assert first < 5000 < last
    assert max(WAITS_S) * (1 + JITTER) * 1000 < LATEST_MS


def test_a_receiver_that_names_a_time_is_left_alone_until_then_within_reason():
    busy = Answer(status=429, error="429", retry_after_s=900)
    assert settled(WAITING, busy, 0, 0.5).next_at == 900_000
    assert pause_s(1, busy) == 900
    for_ever = replace(busy, retry_after_s=1e9)
    assert settled(WAITING, for_ever, 0, 0.5).next_at == 12 * 3_600_000
    assert settled(replace(WAITING, attempts=3), replace(busy, retry_after_s=1), 0, 0.5).next_at == 7_200_000


def test_gone_disables_at_once():
    after = judged(WEBHOOK, Answer(status=410, error="gone"), 5, 5)
    assert (after.disabled, after.disabled_at) == (Trouble.GONE, 5)


def test_days_without_a_success_disable_and_a_success_begins_anew():
    failing = judged(WEBHOOK, DOWN, 0, 5)
    assert (failing.failing_since, failing.disabled) == (0, None)
    for day in range(1, 5):
        failing = judged(failing, DOWN, day * DAY_MS, 5)
        assert (failing.failing_since, failing.disabled) == (0, None)
    assert judged(failing, BROKEN, 5 * DAY_MS - 1, 5).disabled is None
    assert judged(failing, BROKEN, 5 * DAY_MS, 5).disabled is Trouble.FAILING
    assert judged(failing, BROKEN, 5 * DAY_MS, 0).disabled is None
    assert judged(failing, BROKEN, 6 * DAY_MS, 5).failing_since == 6 * DAY_MS  # nothing was tried for longer than a day
    well = judged(failing, Answer(status=200), 9, 5)
    assert (well.failing_since, well.last_success_at) == (None, 9)


def test_a_receiver_in_trouble_is_left_alone_and_one_that_says_no_is_not():
    assert [pause_s(n, DOWN) for n in (1, 2, 3, 4, 99)] == [5, 15, 60, 300, 300]
    assert pause_s(9, Answer(status=404, error="no")) == 0
    assert pause_s(0, Answer(status=200)) == 0
