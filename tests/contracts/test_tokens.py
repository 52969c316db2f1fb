"""One suite for the tokens of every journal: what `TokenTable` promises, in memory and in SQLite."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from hub.core.stores import Store, TokenTable
from hub.core.tokens import KEPT_REVOKED, SIGN_INS_KEPT, Role, SignIn, Token
from hub.journal.beside import opened_tokens
from hub.journal.memory import MemoryJournal
from hub.journal.sqlite import SqliteJournal

TOKEN = Token(
    id="t1", digest="d1", roles=(Role.WATCH, Role.PUBLISH), created=5, name="ö", projects=("p", "q"), expires=99
)


@pytest.fixture(params=["memory", "sqlite"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    if request.param == "memory":
        store = MemoryJournal()
        return lambda: store
    return lambda: SqliteJournal(tmp_path / "journal.sqlite3")


@pytest.fixture
async def table(reopen: Callable[[], Store]) -> AsyncIterator[TokenTable]:
    store = reopen()
    await store.open(recent_jobs=3)
    yield store.tokens
    await store.close()


def token(n: int) -> Token:
    return Token(id=f"t{n}", digest=f"d{n}", roles=(Role.ADMIN,), created=n)


def sign_in(n: int, token: str = "t1", expires: int = 10**6) -> SignIn:
    return SignIn(digest=f"c{n:03}", token=token, created=n, expires=expires)


async def test_a_token_comes_back_as_it_was(table: TokenTable, reopen: Callable[[], Store]) -> None:
    for each in (token(10), TOKEN, token(9)):
        await table.add(each)
    assert await table.all() == [TOKEN, token(9), token(10)]


async def test_use_is_noted_and_never_goes_back(table: TokenTable) -> None:
    await table.add(TOKEN)
    await table.use({"t1": 7, "gone": 1})
    await table.use({"t1": 6})
    assert [each.used for each in await table.all()] == [7]


async def test_revoking_is_for_good_and_takes_the_browsers_along(table: TokenTable) -> None:
    await table.add(TOKEN)
    await table.add(token(2))
    assert await table.sign_in(sign_in(1), 0)
    assert await table.sign_in(sign_in(2, "t2"), 0)
    assert await table.revoke(["t1", "gone", "t1"], 50) == ["t1"]
    assert await table.revoke(["t1"], 60) == []
    assert {each.id: each.revoked for each in await table.all()} == {"t1": 50, "t2": None}
    assert await table.sign_ins() == [sign_in(2, "t2")]
    assert not await table.sign_in(sign_in(3), 0), "nobody signs in with it any more"
    assert not await table.sign_in(sign_in(3, "gone"), 0)


async def test_the_newest_of_what_was_revoked_is_remembered(table: TokenTable) -> None:
    count = KEPT_REVOKED + 2
    for n in range(count):
        await table.add(token(n))
        await table.revoke([f"t{n}"], n + 1)
    assert [each.id for each in await table.all()] == [f"t{n}" for n in range(2, count)]


async def test_of_one_tokens_browsers_the_newest_stay(table: TokenTable) -> None:
    await table.add(TOKEN)
    await table.add(token(2))
    await table.sign_in(sign_in(0, "t2"), 0)
    for n in range(1, SIGN_INS_KEPT + 3):
        assert await table.sign_in(sign_in(n), 0)
    assert await table.sign_ins() == [sign_in(0, "t2"), *(sign_in(n) for n in range(3, SIGN_INS_KEPT + 3))]


async def test_what_has_expired_goes_with_the_next_sign_in(table: TokenTable) -> None:
    await table.add(TOKEN)
    await table.sign_in(sign_in(1, expires=10), 0)
    await table.sign_in(sign_in(2, expires=30), 10)
    assert await table.sign_ins() == [sign_in(2, expires=30)]
    await table.sign_out("c002")
    await table.sign_out("c002")
    assert await table.sign_ins() == []


async def test_all_of_it_outlives_the_process(reopen: Callable[[], Store]) -> None:
    for turn in range(2):
        store = reopen()
        await store.open(recent_jobs=3)
        if not turn:
            await store.tokens.add(TOKEN)
            await store.tokens.sign_in(sign_in(1), 0)
        assert await store.tokens.all() == [TOKEN]
        assert await store.tokens.sign_ins() == [sign_in(1)]
        await store.close()


async def test_another_process_may_write_beside_the_hub_and_disturbs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "journal.sqlite3"
    async with opened_tokens(path) as beside:  # before there is a hub at all
        await beside.add(TOKEN)
    assert path.stat().st_mode & 0o777 == 0o600
    journal = SqliteJournal(path)
    epoch = await journal.open(recent_jobs=3)
    async with opened_tokens(path) as beside:
        await beside.add(token(2))
        assert await journal.tokens.all() == [token(2), TOKEN]
        await journal.tokens.revoke(["t2"], 9)
        assert [each.revoked for each in await beside.all()] == [9, None]
    await journal.close()
    assert await journal.open(recent_jobs=3) == epoch
    await journal.close()
