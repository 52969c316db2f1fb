"""What publishers may say: every wrong word gets a sentence, and nothing wrong gets through."""

import json
import math
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from hub.core import strict_json
from hub.core.errors import BadRequest
from hub.core.events import BODIES, Stage, State
from hub.core.fields import COMPACT, JSON_DEPTH, LARGEST, TEXT_LENGTH, json_object
from hub.core.publication import (
    DETAIL_BYTES,
    FIELDS,
    MAX_EVENTS,
    OBJECT_BYTES,
    parts,
    read,
)
from hub.core.said import SaidJob, SaidLog, SaidProgress, SaidStage


def event(type_: str = "progress", **fields: Any) -> dict[str, Any]:
    least: dict[str, dict[str, Any]] = {"progress": {"current": 1}, "stage": {"stage": "s"}, "log": {"message": "m"}}
    return {"job": "j", "kind": "train", "type": type_, **least.get(type_, {}), **fields}


def one(*args: Any, **fields: Any) -> Any:
    return read([event(*args, **fields)])[0]


def refusal(events: Any) -> BadRequest:
    with pytest.raises(BadRequest) as refused:
        read(events)
    return refused.value


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("job", {"job": None}, "job must be"),
    ("job", {"job": ""}, "job must be"),
    ("job", {"job": 5}, "job must be"),
    ("job", {"job": "a/b"}, "job must be"),
    ("job", {"job": "-a"}, "job must be"),
    ("job", {"job": "~a"}, "job must be"),
    ("job", {"job": "a" * 129}, "job must be"),
    ("job", {"job": "jób"}, "job must be"),
    ("job", {"job": "j\n"}, "job must be"),
    ("job", {"kind": ""}, "kind must be"),
    ("job", {"kind": "1st"}, "kind must be"),
    ("job", {"kind": "a b"}, "kind must be"),
    ("job", {"kind": "k" * 65}, "kind must be"),
    ("job", {"kind": "clone"}, "run by the hub alone"),
    ("job", {"key": "k" * 256}, "key must be"),
    ("job", {"key": 7}, "key must be"),
    ("job", {"key": "a\nb"}, "key must be"),
    ("job", {"key": "\ud800"}, "key must be"),
    ("job", {"state": "done"}, "state must be one of"),
    ("job", {"state": []}, "state must be one of"),
    ("job", {"state": None}, "state must be one of"),
    ("job", {"params": []}, "params must be an object"),
    ("job", {"params": {"a": [[[[[[[[1]]]]]]]]}}, "levels deep"),
    ("job", {"params": {"a": math.nan}}, "not JSON"),
    ("job", {"params": {"a": "x" * OBJECT_BYTES}}, "bytes as JSON"),
    ("job", {"result": {}}, "belongs to the end"),
    ("job", {"error": {"message": "m"}}, "an error belongs to"),
    ("job", {"state": "succeeded", "error": {"message": "m"}}, "an error belongs to"),
    ("job", {"state": "failed", "error": "m"}, "error must be an object"),
    ("job", {"state": "failed", "error": {"code": "c"}}, "error must be an object"),
    ("job", {"state": "failed", "error": {"message": "m", "why": 1}}, "error has no field 'why'"),
    ("job", {"state": "failed", "error": {"message": "m", "retry": 1}}, "error.retry"),
    ("job", {"stages": {}}, "stages must be a list"),
    ("job", {"stages": ["a"]}, "stages must be a list"),
    ("job", {"stages": [{}]}, "Each of stages"),
    ("job", {"stages": [{"stage": "a", "percent": 3}]}, "Each of stages"),
    ("job", {"stages": [{"stage": "a"}, {"stage": "a"}]}, "the same name"),
    ("job", {"stages": [{"stage": "a", "weight": -1}]}, "weight"),
    ("job", {"stages": [{"stage": "a", "weight": True}]}, "weight"),
    ("job", {"stages": [{"stage": "a", "weight": math.inf}]}, "weight"),
    ("job", {"stages": [{"stage": "a", "weight": 0}]}, "more than 0"),
    ("job", {"stages": [{"stage": str(n)} for n in range(101)]}, "100 stages"),
    ("job", {"silence_s": 0}, "silence_s"),
    ("job", {"silence_s": "60"}, "silence_s"),
    ("job", {"silence_s": 1e9}, "silence_s"),
    ("job", {"current": 3}, "no field 'current'"),
    ("stage", {"stage": None}, "stage is missing"),
    ("stage", {"stage": "s" * 101}, "stage must be a text"),
    ("stage", {"title": ["t"]}, "title must be a text"),
    ("log", {"message": None}, "message is missing"),
    ("log", {"message": 5}, "message must be a text"),
    ("log", {"level": "fatal"}, "level must be one of"),
    ("log", {"level": {}}, "level must be one of"),
    ("progress", {"current": None}, "current is missing"),
    ("progress", {"current": -1}, "current must be a number"),
    ("progress", {"current": "5"}, "current must be a number"),
    ("progress", {"current": True}, "current must be a number"),
    ("progress", {"current": math.nan}, "current must be a number"),
    ("progress", {"current": math.inf}, "current must be a number"),
    ("progress", {"current": LARGEST + 1}, "current must be a number"),
    ("progress", {"total": -5}, "total must be a number"),
    ("progress", {"total": [9]}, "total must be a number"),
    ("progress", {"detail": [1]}, "detail must be an object"),
    ("progress", {"detail": {str(n): n for n in range(51)}}, "50 fields"),
    ("progress", {"detail": {"a": "x" * DETAIL_BYTES}}, "bytes as JSON"),
    ("progress", {"percent": 50}, "percent is the hub's own"),
    ("progress", {"seq": 1}, "seq is the hub's own"),
    ("log", {"at": 1}, "at is the hub's own"),
    ("progress", {"speed": 3}, "no field 'speed'"),
    ("party", {}, "type must be one of"),
]


@pytest.mark.parametrize(("type_", "fields", "words"), BAD, ids=lambda value: str(value)[:40])
def test_what_is_wrong_is_named_with_its_place(type_: str, fields: dict[str, Any], words: str) -> None:
    found = refusal([event("log"), event(type_, **fields)])
    assert found.message.startswith("events[1]: ")
    assert words in found.message
    assert found.detail == {"event": 1}
    assert len(found.message) < 500


@pytest.mark.parametrize("events", [None, {}, "x", 5, [], [[]], [None], [event()] * (MAX_EVENTS + 1)])
def test_what_is_no_list_of_events_is_refused(events: Any) -> None:
    assert refusal(events).message


def test_reserved_kinds_have_a_code_of_their_own() -> None:
    assert refusal([event(kind="index")]).narrow_code == "reserved_kind"
    with pytest.raises(BadRequest):
        read([event(kind="mine")], {"mine"})


def test_each_type_becomes_what_it_says() -> None:
    job = one("job", params={"a": 1}, stages=[{"stage": "x", "weight": 2}, {"stage": "y", "title": "Y"}], silence_s=9)
    assert isinstance(job, SaidJob)
    assert (job.state, job.params, job.silence_s) == (State.RUNNING, {"a": 1}, 9.0)
    assert job.stages == (Stage(name="x", title="x", weight=2.0), Stage(name="y", title="Y", weight=1.0))
    assert one("job").params is None
    assert one("stage", title="T") == SaidStage(job="j", kind="train", key=None, fingerprint="", stage="s", title="T")
    assert one("log", level="error") == SaidLog(
        job="j", kind="train", key=None, fingerprint="", level="error", message="m"
    )
    failed = one("job", state="failed", error={"message": "m", "code": "c", "hint": "h", "retry": True})
    assert (failed.error.code, failed.error.hint, failed.error.retry) == ("c", "h", True)
    assert one("job", state="failed").error.message


@pytest.mark.parametrize(
    ("current", "total", "read_as"),
    [(0, 0, (0, None)), (3, None, (3, None)), (2.0, 4.0, (2, 4)), (0.25, 1, (0.25, 1)), (9, 5, (9, 5))],
)
def test_counts_are_whole_where_they_can_be(current: Any, total: Any, read_as: Any) -> None:
    said = one(current=current, total=total)
    assert isinstance(said, SaidProgress)
    assert (said.current, said.total) == read_as
    assert type(said.current) is type(read_as[0])


def test_counts_may_be_as_large_as_they_come() -> None:
    assert one(current=LARGEST, total=LARGEST).current == 10**18


def test_long_texts_are_cut_and_say_so() -> None:
    said = one("log", message="x" * (TEXT_LENGTH + 1))
    assert len(said.message) == TEXT_LENGTH
    assert said.message.endswith("…")
    assert len(one("log", message="x" * TEXT_LENGTH).message) == TEXT_LENGTH


def test_a_fingerprint_is_of_everything_but_the_order() -> None:
    first = one(key="k", detail={"a": 1, "b": 2}).fingerprint
    assert read([dict(reversed(event(key="k", detail={"b": 2, "a": 1}).items()))])[0].fingerprint == first
    assert one(key="k", detail={"a": 1, "b": 3}).fingerprint != first
    assert one().fingerprint == ""


def test_the_types_are_those_of_events() -> None:
    assert set(FIELDS) == set(BODIES)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "-Infinity", "1e999", "[-1e400]", "{'a': 1}", "[1", "\ud800"])
def test_what_is_no_json_is_no_value(text: str) -> None:
    with pytest.raises(ValueError):
        strict_json.value(text.encode("utf-8", "surrogatepass"))


numbers = st.integers() | st.floats() | st.just(10**30)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=5),
    max_leaves=20,
)
names = st.sampled_from(sorted({"job", "kind", "type", "key"}.union(*FIELDS.values())))
near_events = st.fixed_dictionaries(
    {"job": st.just("j") | values, "kind": st.just("k") | values, "type": st.sampled_from(sorted(FIELDS)) | values}
).flatmap(lambda base: st.dictionaries(names, values, max_size=4).map(lambda more: base | more))


@settings(max_examples=400, deadline=None)
@given(st.lists(near_events | values, max_size=3) | values)
@example([event("job", stages=[{"stage": "a", "weight": 5e-324}])])
@example([{1: 2, "type": "job", "job": "j", "kind": "k"}])
def test_whatever_comes_is_read_or_refused(events: Any) -> None:
    try:
        said = read(events)
    except BadRequest as exc:
        json.dumps(exc.to_wire(), allow_nan=False)
        return
    for each in said:
        assert each.job == "j" or len(each.job) <= 128
        if isinstance(each, SaidProgress):
            assert 0 <= each.current <= LARGEST
            assert each.total is None or 0 < each.total <= LARGEST


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.text() | st.integers(), values | st.text(min_size=20), max_size=6), st.integers(2, 300))
@example({"a": "\U0001f600" * 10}, 124)
@example({"a": -(10**300), "b": -1.7976931348623157e308}, 330)
def test_an_object_is_measured_as_the_json_it_is(value: dict[Any, Any], most_bytes: int) -> None:
    try:
        size = len(COMPACT(value))
    except (TypeError, ValueError):
        size = most_bytes + 1
    if size <= most_bytes and _depth(value) <= JSON_DEPTH:
        assert json_object({"detail": value}, "detail", most_bytes) == value
    else:
        with pytest.raises(BadRequest):
            json_object({"detail": value}, "detail", most_bytes)


def _depth(value: Any) -> int:
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(_depth, value.values() if isinstance(value, dict) else value), default=0)


def test_a_large_request_is_read_in_parts_and_a_mistake_keeps_its_place() -> None:
    events = [event(message=str(n)) for n in range(MAX_EVENTS)]
    read_so = list(parts(events))
    assert len(read_so) > 5
    assert [each for part in read_so for each in part] == read(events)
    events[777]["current"] = -1
    refused = refusal(events)
    assert refused.message.startswith("events[777]: ")
    assert refused.detail == {"event": 777}
