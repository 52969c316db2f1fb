"""Guessing: who was wrong too often waits, longer each time; nobody else does."""

from hub.access import guesses
from hub.access.guesses import FIRST_S, FORGOTTEN_S, FREE, LONGEST_S, Guesses


def wrong(found: Guesses, address: str, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        found.was_wrong(address, now)


def test_some_mistakes_cost_nothing() -> None:
    found = Guesses()
    wrong(found, "192.0.2.1", FREE)
    assert found.wait_s("192.0.2.1", 0.0) == 0


def test_each_further_one_doubles_the_wait_up_to_a_bound() -> None:
    found, waits = Guesses(), []
    wrong(found, "192.0.2.1", FREE)
    for _ in range(20):
        found.was_wrong("192.0.2.1", 0.0)
        waits.append(found.wait_s("192.0.2.1", 0.0))
    assert waits[:3] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S]
    assert waits[-1] == LONGEST_S


def test_nobody_else_waits() -> None:
    found = Guesses()
    wrong(found, "192.0.2.1", FREE + 5)
    assert found.wait_s("192.0.2.2", 0.0) == 0


def test_an_ipv6_network_is_one_guesser() -> None:
    found = Guesses()
    for n in range(FREE + 1):
        found.was_wrong(f"2001:db8::{n + 1:x}", 0.0)
    assert found.wait_s("2001:db8::ffff", 0.0) > 0
    assert found.wait_s("2001:db8:0:1::1", 0.0) == 0


def test_the_wait_is_over_in_the_end_and_all_is_forgotten_after_a_while() -> None:
    found = Guesses()
    wrong(found, "192.0.2.1", FREE + 1)
    assert found.wait_s("192.0.2.1", FIRST_S) == 0
    wrong(found, "192.0.2.1", 1, now=FORGOTTEN_S + 1)
    assert found.wait_s("192.0.2.1", FORGOTTEN_S + 1) == 0


def test_being_right_ends_it() -> None:
    found = Guesses()
    wrong(found, "192.0.2.1", FREE + 1)
    found.was_right("192.0.2.1")
    assert found.wait_s("192.0.2.1", 0.0) == 0


def test_only_so_many_are_remembered(monkeypatch) -> None:
    monkeypatch.setattr(guesses, "MOST", 3)
    found = Guesses()
    for n in range(10):
        found.was_wrong(f"192.0.2.{n}", 0.0)
    assert len(found) == 3
