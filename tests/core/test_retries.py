"""The policy of trying again: its waits, its cap, and what a request may say."""

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hub.core.errors import BadRequest
from hub.core.retries import JITTER, LARGEST_FACTOR, LONGEST_S, MOST_ATTEMPTS, Retry

USUAL = Retry(attempts=0, backoff_s=30.0, max_backoff_s=3600.0)
SECONDS = st.floats(0, LONGEST_S)
POLICIES = st.builds(
    Retry,
    attempts=st.integers(1, MOST_ATTEMPTS),
    backoff_s=SECONDS,
    factor=st.floats(1, LARGEST_FACTOR),
    max_backoff_s=SECONDS,
)
CHANCES = st.floats(0, 1, exclude_max=True)


def tries(policy: Retry) -> list[Retry]:
    """The policy as each of the tries has it."""
    found = [policy]
    while found[-1].has_more:
        found.append(found[-1].next())
    return found


@given(POLICIES)
def test_there_are_as_many_tries_as_were_asked_for(policy: Retry) -> None:
    assert [one.attempt for one in tries(policy)] == list(range(1, policy.attempts + 1))


@given(POLICIES, CHANCES)
def test_a_wait_is_never_longer_than_said_and_never_much_shorter(policy: Retry, chance: float) -> None:
    for number, one in enumerate(tries(policy)):
        said = min(policy.backoff_s * policy.factor**number, policy.max_backoff_s)
        assert (1 - JITTER) * said <= one.wait_s(chance) <= said


@given(POLICIES, CHANCES)
def test_waits_do_not_become_shorter(policy: Retry, chance: float) -> None:
    waits = [one.wait_s(chance) for one in tries(policy)]
    assert waits == sorted(waits)


@given(POLICIES)
def test_chance_tells_those_apart_that_failed_together(policy: Retry) -> None:
    assume(policy.wait_s(0) > 1e-3)
    assert policy.wait_s(0.2) > policy.wait_s(0.8)


def test_not_even_a_thousand_tries_are_a_number_too_large() -> None:
    assert Retry(attempts=2000, attempt=1999, factor=LARGEST_FACTOR, max_backoff_s=60).wait_s(0) == 60


@given(POLICIES)
def test_a_policy_survives_json_whatever_try_it_is_at(policy: Retry) -> None:
    for one in tries(policy):
        assert Retry.from_wire(json.loads(json.dumps(one.to_wire()))) == one
        assert one.renewed() == policy


@given(POLICIES)
def test_after_the_last_try_the_count_stands_still(policy: Retry) -> None:
    last = tries(policy)[-1]
    assert last.next().attempt == last.attempt
    assert not last.next().has_more


def test_what_a_request_leaves_out_is_the_hubs_own() -> None:
    assert Retry.asked({"attempts": 3}, USUAL) == Retry(attempts=3, backoff_s=30.0, factor=2.0, max_backoff_s=3600.0)
    long = Retry.asked({"attempts": 2, "backoff_s": 7200}, USUAL)
    assert long.wait_s(0) == 7200
    given_ = {"attempts": 5, "backoff_s": 1, "factor": 3, "max_backoff_s": 10}
    assert Retry.asked(given_, USUAL) == Retry(attempts=5, backoff_s=1.0, factor=3.0, max_backoff_s=10.0)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (3, "object"),
        ([3], "object"),
        ({}, "attempts"),
        ({"attempts": 0}, "attempts"),
        ({"attempts": 21}, "attempts"),
        ({"attempts": True}, "attempts"),
        ({"attempts": 2.0}, "attempts"),
        ({"attempts": "3"}, "attempts"),
        ({"attempts": 3, "backoff_s": -1}, "backoff_s"),
        ({"attempts": 3, "backoff_s": True}, "backoff_s"),
        ({"attempts": 3, "backoff_s": 86_401}, "backoff_s"),
        ({"attempts": 3, "backoff_s": float("nan")}, "backoff_s"),
        ({"attempts": 3, "backoff_s": 10**400}, "backoff_s"),
        ({"attempts": 3, "factor": 0.5}, "factor"),
        ({"attempts": 3, "factor": 11}, "factor"),
        ({"attempts": 3, "backoff_s": 60, "max_backoff_s": 30}, "max_backoff_s"),
        ({"attempts": 3, "max_backoff_s": float("inf")}, "max_backoff_s"),
        ({"attempts": 3, "attempt": 2}, "attempt"),
        ({"attempts": 3, "jitter": 1}, "jitter"),
    ],
)
def test_what_is_no_policy_is_refused_by_name(value: object, named: str) -> None:
    with pytest.raises(BadRequest, match=named):
        Retry.asked(value, USUAL)
