"""The queue as a machine: whoever is first in age and may start is next, and holding loses nobody."""

from hypothesis import given
from hypothesis import strategies as st

from hub.core.events import JobBody, State
from hub.jobs.base import Kind, Target
from hub.jobs.orders import Order
from hub.jobs.queue import Queue

KIND = Kind(name="odd", title="Odd", stages=(), check=lambda *_: None, run=lambda *_: {})


def order(number: int, project: str = "p") -> Order:
    return Order(
        id=f"{number:03}", kind=KIND, target=Target(id=project, name=project), secrets={},
        body=JobBody(state=State.QUEUED),
    )  # fmt: skip


STEPS = st.lists(st.tuples(st.sampled_from(["add", "remove", "hold", "release"]), st.integers(0, 9)), max_size=40)


@given(STEPS)
def test_those_that_wait_are_all_that_were_added_less_the_held_in_order_of_age(steps) -> None:
    queue, orders, held = Queue(), set(), set()
    for step, number in steps:
        job = f"{number:03}"
        if step == "add" and job not in orders:
            queue.add(order(number))
            orders.add(job)
        elif step == "remove":
            assert (queue.remove(job) is not None) == (job in orders)
            orders.discard(job)
            held.discard(job)
        elif job in orders:
            (queue.hold if step == "hold" else queue.release)(job)
            (held.add if step == "hold" else held.discard)(job)
        assert [waiting.id for waiting in queue.waiting()] == sorted(orders - held)
        assert len(queue) == len(orders)
        assert all((job in queue, queue.is_held(job)) == (True, job in held) for job in orders)


def test_the_oldest_that_may_start_is_next() -> None:
    queue = Queue()
    for number, project in enumerate("aabc"):
        queue.add(order(number, project))
    assert queue.next(lambda one: one.target.id != "a").id == "002"
    assert queue.next(lambda one: True).id == "000"
    assert queue.next(lambda one: False) is None
    queue.hold("000")
    assert queue.next(lambda one: True).id == "001"


def test_a_job_added_again_has_its_turn_by_its_age() -> None:
    queue = Queue()
    for number in (5, 7, 6, 1):
        queue.add(order(number))
    assert [one.id for one in queue.waiting()] == ["001", "005", "006", "007"]
