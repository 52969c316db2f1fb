"""Mailbox, ids, cursors, redaction, catalog."""

import base64
import threading
import urllib.parse
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core import ids
from hub.core.catalog import Catalog
from hub.core.errors import Conflict, NotFound
from hub.core.events import Position
from hub.core.mailbox import Mailbox, Offer
from hub.core.ports import Project
from hub.core.redaction import MASK, Redactor
from tests.fakes import event, log_body, progress_body


def test_a_mailbox_keeps_one_progress_a_job_and_drains_in_order() -> None:
    box = Mailbox(limit=2)
    assert box.offer(event(1, progress_body(1), job="a")) is Offer.KEPT
    assert box.offer(event(2, log_body(), job="a")) is Offer.KEPT
    assert box.offer(event(3, progress_body(2), job="a")) is Offer.MERGED
    assert box.offer(event(4, progress_body(2), job="b")) is Offer.KEPT
    assert box.offer(event(5, log_body(), job="b")) is Offer.KEPT
    assert box.offer(event(6, log_body(), job="b")) is Offer.FULL
    assert [each.seq for each in box.drain()] == [2, 3, 4, 5]
    assert len(box) == 0


def test_job_ids_are_uuid7_and_sort_by_time() -> None:
    made = [ids.job_id() for _ in range(10_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert uuid.UUID(made[0]).version == 7
    assert uuid.UUID(made[0]).variant == uuid.RFC_4122


def test_job_ids_are_unique_across_threads() -> None:
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.extend(ids.job_id() for _ in range(2000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8000


@given(st.text())
def test_a_slug_is_always_a_valid_project_id(text: str) -> None:
    assert ids.SLUG.fullmatch(ids.slug(text))


@given(st.text())
def test_a_cursor_of_nonsense_is_none(text: str) -> None:
    position = Position.parse(text)
    assert position is None or str(Position(position.epoch, position.seq)) == str(position)


@pytest.mark.parametrize(
    "cursor", ["", "-", "abc", "0123abcd-", "0123abcd--1", "0123abcd-1x", "0123abcd-٣", "0123ABCD-1"]
)
def test_cursors_that_no_hub_gave_out(cursor: str) -> None:
    assert Position.parse(cursor) is None


def test_a_cursor_survives_the_round_trip() -> None:
    assert Position.parse("0123abcd-42") == Position("0123abcd", 42)


SECRET = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=40)


@given(SECRET, SECRET, st.text(max_size=20), st.text(max_size=20))
def test_no_form_of_a_secret_is_left(secret: str, user: str, before: str, after: str) -> None:
    redactor = Redactor()
    redactor.add([secret], user)
    for form in (
        secret,
        urllib.parse.quote(secret, safe=""),
        base64.b64encode(f"{user}:{secret}".encode()).decode(),
        base64.b64encode(secret.encode()).decode(),
    ):
        cleaned = redactor.value({"a": [f"{before} {form} {after}"], f"key {form}": 1})
        assert form not in str(cleaned["a"][0]).replace(MASK, "") or form in before + after + MASK
        assert MASK in cleaned["a"][0]


def test_short_words_are_not_taken_for_secrets() -> None:
    redactor = Redactor()
    redactor.add(["", "abc"])
    assert redactor.text("abcabc") == "abcabc"


def test_the_catalog_finds_by_source_and_names_apart() -> None:
    catalog = Catalog()
    for n in range(3):
        project = Project(id=catalog.free_id(None, "My Repo.git"), name="x", created=n, url=f"https://h{n}/r")
        catalog.add(project)
    assert [project.id for project in catalog.all()] == ["my-repo.git", "my-repo.git-2", "my-repo.git-3"]
    found = catalog.find(url="https://h1/r", path=None)
    assert found is not None
    assert found.id == "my-repo.git-2"
    with pytest.raises(Conflict):
        catalog.free_id("my-repo.git", "x")
    with pytest.raises(NotFound):
        catalog.get("nobody")


def test_the_hubs_own_secrets_are_masked_in_what_any_job_says_and_never_forgotten() -> None:
    redactor = Redactor(keep=2)
    redactor.add(["0perators-key"])
    for n in range(5):
        redactor.add([f"secret-of-{n}"], job=f"job-{n}")
    assert redactor.text("0perators-key secret-of-4 secret-of-3", "job-4") == f"{MASK} {MASK} secret-of-3"
    assert redactor.text("0perators-key secret-of-3 secret-of-0") == f"{MASK} {MASK} secret-of-0"
