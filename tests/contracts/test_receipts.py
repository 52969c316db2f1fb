"""What journals keep of keys that came with published events, and of jobs."""

from collections.abc import Callable
from dataclasses import replace

from hub.core.events import State
from hub.core.ports import Batch, Journal, Receipt
from tests.contracts.test_journal import PROJECT, job_of, journal, reopen  # noqa: F401 - fixtures
from tests.fakes import event, job_body, log_body


def receipt(key: str, seq: int, job: str = "j1") -> Receipt:
    return Receipt(job=job, key=key, project="p", seq=seq, fingerprint=f"print of {key}")


async def filled(journal: Journal) -> None:  # noqa: F811
    await journal.add_project(PROJECT)
    events = (event(1, job_body()), event(2, log_body()))
    receipts = (receipt("a", 1), receipt('b" \u00e9', 2))
    batch = Batch(events=events, jobs=(job_of(*events),), reserved={"p": 10}, receipts=receipts)
    await journal.commit(batch)
    await journal.commit(batch)  # the same again changes nothing


async def test_receipts_are_found_by_job_and_key(reopen: Callable[[], Journal]) -> None:  # noqa: F811
    first = reopen()
    await first.open(recent_jobs=3)
    await filled(first)
    await first.close()
    second = reopen()
    await second.open(recent_jobs=3)
    wanted = [("j1", "a"), ("j1", 'b" \u00e9'), ("j1", "c"), ("j2", "a")]
    found = await second.receipts(wanted)
    assert sorted(found, key=lambda each: each.seq) == [receipt("a", 1), receipt('b" \u00e9', 2)]
    assert await second.receipts([]) == []
    await second.close()


async def test_a_receipt_is_kept_as_long_as_its_event(journal: Journal) -> None:  # noqa: F811
    await filled(journal)
    await journal.prune({"p": 1})
    assert await journal.receipts([("j1", "a"), ("j1", 'b" \u00e9')]) == [receipt('b" \u00e9', 2)]
    await journal.delete_project("p")
    assert await journal.receipts([("j1", "a"), ("j1", 'b" \u00e9')]) == []


async def test_a_receipt_of_a_project_that_is_gone_is_none(journal: Journal) -> None:  # noqa: F811
    await filled(journal)
    events, receipts = (event(3, log_body(), project="q"),), (replace(receipt("c", 3), project="q"),)
    await journal.commit(Batch(events=events, receipts=receipts))
    assert await journal.receipts([("j1", "c")]) == []


async def test_a_job_is_known_by_its_row_or_by_any_of_its_events(journal: Journal) -> None:  # noqa: F811
    await filled(journal)
    await journal.commit(Batch(events=(event(5, log_body(), job="told of"),)))
    found = await journal.known(["j1", "told of", "never heard of"])
    assert found == {"j1": await journal.job("j1"), "told of": None}
    assert found["j1"] is not None
    assert await journal.known([]) == {}


async def test_jobs_that_succeeded_are_found_newest_end_first_whatever_their_ids(journal: Journal) -> None:  # noqa: F811
    await journal.add_project(PROJECT)
    states = [State.SUCCEEDED, State.SUCCEEDED, State.FAILED, State.SUCCEEDED, State.RUNNING]
    told = enumerate(zip("zaxmb", states, strict=True), 1)
    jobs = [job_of(event(n, job_body(state), job=id_)) for n, (id_, state) in told]
    await journal.commit(Batch(jobs=tuple(jobs)))
    assert [job.id for job in await journal.succeeded("p", "clone", 2)] == ["m", "a"]
    assert [job.id for job in await journal.succeeded("p", "clone", 9)] == ["m", "a", "z"]
    assert await journal.succeeded("p", "other", 9) == []
    assert await journal.succeeded("q", "clone", 9) == []
