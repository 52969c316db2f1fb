"""What waits for a hub: progress in one place, the rest in order, and a bound that is told."""

from hypothesis import given
from hypothesis import strategies as st

from hub.client.outbox import Outbox


def log(n):
    return {"type": "log", "message": str(n)}


def progress(n):
    return {"type": "progress", "current": n}


def names(events):
    return [event.get("message", event.get("current", event.get("stage"))) for event in events]


def test_progress_replaces_progress_but_not_beyond_what_came_between():
    box = Outbox()
    for event in (progress(1), progress(2)):
        box.progress(event)
    box.say(log("a"))
    box.progress(progress(3))
    box.progress(progress(4))
    assert names(box.take(10)) == [2, "a", 4]


def test_what_is_on_its_way_is_not_changed_and_comes_back_in_order():
    box = Outbox()
    box.say(log("a"))
    box.progress(progress(1))
    first = box.take(10)
    box.progress(progress(2))
    assert names(first) == ["a", 1]
    box.back()
    assert names(box.take(10)) == ["a", 1, 2]
    assert first[0]["key"] == box.take(10)[0]["key"]


def test_a_loss_makes_the_last_acknowledged_progress_be_said_again():
    box = Outbox()
    box.progress(progress(9))
    box.done(len(box.take(10)))
    box.say({"type": "stage", "stage": "b"})
    box.take(10)
    box.lost()
    assert names(box.take(10)) == [9, "b"]


def test_beyond_the_bound_the_oldest_lines_go_and_are_counted():
    box = Outbox(limit=10)
    box.say({"type": "stage", "stage": "s"})
    for n in range(100):
        box.say(log(n))
    events = box.take(1000)
    assert len(events) <= 12
    assert names(events)[:2] == ["91 lines left out: the hub was away for too long", "s"]
    assert names(events)[-1] == "99"


@given(st.lists(st.sampled_from(["say", "progress", "take", "done", "back", "lost"]), max_size=60))
def test_whatever_happens_lossless_events_arrive_once_and_in_order(steps):
    box, said, arrived, taken = Outbox(), 0, [], []
    for step in [*steps, "take", "done", "take", "done"]:
        if step == "say":
            box.say(log(said))
            said += 1
        elif step == "progress":
            box.progress(progress(said))
        elif step == "take":
            taken = box.take(7 if len(steps) % 2 else 1000)
        elif step in {"back", "lost"}:
            getattr(box, step)()
            taken = []
        else:
            box.done(len(taken))
            arrived += [event["message"] for event in taken if event["type"] == "log"]
            taken = []
    while events := box.take(100):
        box.done(len(events))
        arrived += [event["message"] for event in events if event["type"] == "log"]
    assert arrived == [str(n) for n in range(said)]
