"""The doorkeeper: who may come in, by what, and who is shown out when."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hub.access import secret, watch_links
from hub.access.doorkeeper import Doorkeeper, Wanted, minted
from hub.access.visitor import ANYBODY
from hub.core.errors import EndReason, Forbidden, NotFound, Unauthorised
from hub.core.tokens import SIGN_INS_KEPT, Role
from hub.journal.memory import MemoryJournal
from tests.fakes import FakeClock


class Scene:
    """A doorkeeper over a journal that somebody else may write to as well."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.folder = folder
        self.journal = MemoryJournal()
        self.shown_out: list[Any] = []

    async def keeper(self, policy: str = "auto", *, is_exposed: bool = False) -> Doorkeeper:
        keeper = Doorkeeper(self.journal.tokens, self.folder, self.clock, policy=policy, is_exposed=is_exposed)
        await keeper.open()
        return keeper

    def watch(self, keeper: Doorkeeper, visitor: Any) -> Any:
        return keeper.hold(visitor, lambda reason: self.shown_out.append((visitor.means.name, reason)))


@pytest.fixture
async def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


WATCH = Wanted(roles=(Role.WATCH,), name="w")


async def test_nobody_need_sign_in_where_there_is_no_token_and_no_way_in(scene: Scene) -> None:
    keeper = await scene.keeper()
    assert not keeper.is_wanted
    assert keeper.by_nothing() is ANYBODY


@pytest.mark.parametrize(("policy", "is_exposed"), [("always", False), ("auto", True)])
async def test_everybody_must_where_it_is_set_or_others_reach_the_hub(
    scene: Scene, policy: str, is_exposed: bool
) -> None:
    keeper = await scene.keeper(policy, is_exposed=is_exposed)
    assert keeper.is_wanted
    assert keeper.by_nothing() is None


async def test_the_first_token_closes_the_hub_and_shows_out_who_came_by_nothing(scene: Scene) -> None:
    keeper = await scene.keeper()
    scene.watch(keeper, ANYBODY)
    _, text = await keeper.make(WATCH)
    assert keeper.is_wanted
    assert scene.shown_out == [("NOTHING", EndReason.UNAUTHORISED)]
    visitor = keeper.by_token(text)
    assert visitor is not None
    assert visitor.roles == {Role.WATCH}


async def test_a_hub_whose_last_token_was_revoked_does_not_open_again(scene: Scene) -> None:
    keeper = await scene.keeper()
    token, _ = await keeper.make(WATCH)
    await keeper.revoke(token.id)
    assert keeper.is_wanted
    assert (await scene.keeper()).is_wanted
    assert not keeper.has_token


async def test_a_token_is_kept_as_its_digest_alone(scene: Scene) -> None:
    keeper = await scene.keeper()
    token, text = await keeper.make(WATCH)
    kept = repr(await scene.journal.tokens.all())
    assert text.split("_", 2)[2] not in kept
    assert token.digest == secret.digest(text)
    assert len(text) > 43
    assert "digest" not in token.to_wire()


async def test_tokens_are_told_apart_by_comparing_two_digests_whatever_was_given(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = await scene.keeper()
    token, text = await keeper.make(WATCH)
    compared: list[tuple[str, str]] = []
    monkeypatch.setattr(secret, "is_same", lambda one, other: bool(compared.append((one, other))) or one == other)
    wrong = f"hub_{token.id}_{'x' * 43}"
    for given in (wrong, "hub_0000000000_" + "x" * 43, "", "é", text[:-1], text + "x"):
        assert keeper.by_token(given) is None
    assert keeper.by_token(text) is not None
    assert len(compared) == 7
    assert all(len(one) == len(other) == 64 for one, other in compared)


def test_the_comparison_is_the_one_that_takes_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr("hmac.compare_digest", lambda one, other: bool(called.append((one, other))) or one == other)
    assert secret.is_same("a" * 64, "a" * 64)
    assert called == [(b"a" * 64, b"a" * 64)]


async def test_a_token_ends_when_it_expires_and_so_does_what_it_has_open(scene: Scene) -> None:
    keeper = await scene.keeper()
    _, text = await keeper.make(Wanted(roles=(Role.WATCH,), expires=scene.clock.now_ms() + 1000))
    cookie, visitor = await keeper.sign_in(text)
    assert visitor.expires == scene.clock.now_ms() + 1000
    scene.watch(keeper, keeper.by_token(text))
    scene.watch(keeper, keeper.by_cookie(cookie))
    scene.clock.step(1.5)
    await keeper.look()
    assert sorted(means for means, _ in scene.shown_out) == ["COOKIE", "TOKEN"]
    assert keeper.by_token(text) is keeper.by_cookie(cookie) is None
    with pytest.raises(Unauthorised):
        await keeper.sign_in(text)


async def test_what_another_process_revokes_ends_here_too(scene: Scene) -> None:
    keeper = await scene.keeper()
    token, text = await keeper.make(WATCH)
    other, kept = await keeper.make(WATCH)
    cookie, _ = await keeper.sign_in(text)
    for visitor in (keeper.by_token(text), keeper.by_cookie(cookie), keeper.by_token(kept)):
        scene.watch(keeper, visitor)
    await scene.journal.tokens.revoke([token.id], scene.clock.now_ms())
    await keeper.look()
    assert sorted(means for means, _ in scene.shown_out) == ["COOKIE", "TOKEN"]
    assert keeper.by_token(text) is keeper.by_cookie(cookie) is None
    assert keeper.by_token(kept) is not None
    with pytest.raises(NotFound):
        await keeper.revoke(token.id)
    assert (await keeper.revoke(other.id)).revoked == scene.clock.now_ms()


async def test_what_another_process_makes_is_good_here(scene: Scene) -> None:
    keeper = await scene.keeper()
    token, text = minted(WATCH, scene.clock.now_ms())
    await scene.journal.tokens.add(token)
    assert keeper.by_token(text) is None
    await keeper.look()
    assert keeper.by_token(text) is not None


async def test_signing_out_ends_this_cookie_and_no_other(scene: Scene) -> None:
    keeper = await scene.keeper()
    _, text = await keeper.make(WATCH)
    first, _ = await keeper.sign_in(text)
    second, _ = await keeper.sign_in(text)
    scene.watch(keeper, keeper.by_cookie(first))
    scene.watch(keeper, keeper.by_cookie(second))
    await keeper.sign_out(first)
    assert len(scene.shown_out) == 1
    assert keeper.by_cookie(first) is None
    assert keeper.by_cookie(second) is not None
    again = await scene.keeper()
    assert again.by_cookie(first) is None
    assert again.by_cookie(second) is not None, "a restart signs nobody out"


async def test_the_oldest_browsers_are_signed_out_when_there_are_very_many(scene: Scene) -> None:
    keeper = await scene.keeper()
    _, text = await keeper.make(WATCH)
    cookies = []
    for _ in range(SIGN_INS_KEPT + 1):
        scene.clock.step(1)
        cookies.append((await keeper.sign_in(text))[0])
    assert keeper.by_cookie(cookies[0]) is None
    assert all(keeper.by_cookie(cookie) for cookie in cookies[1:])


async def test_whoever_leaves_is_not_shown_out_later(scene: Scene) -> None:
    keeper = await scene.keeper()
    token, text = await keeper.make(WATCH)
    scene.watch(keeper, keeper.by_token(text))()
    await keeper.revoke(token.id)
    assert scene.shown_out == []


async def test_when_a_token_was_used_last_is_noted_to_the_minute(scene: Scene) -> None:
    keeper = await scene.keeper()
    _, text = await keeper.make(WATCH)
    used = []
    for _ in range(3):
        keeper.by_token(text)
        await keeper.look()
        used.append((await scene.journal.tokens.all())[0].used)
        scene.clock.step(40)
    assert used[0] == used[1] != used[2]


async def test_a_look_that_began_before_a_change_does_not_undo_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = await scene.keeper()
    made: list[str] = []
    original = scene.journal.tokens.all

    async def all_and_then_a_change() -> Any:
        found = await original()
        if not made:
            made.append("")
            made[0] = (await keeper.make(WATCH))[1]
        return found

    monkeypatch.setattr(scene.journal.tokens, "all", all_and_then_a_change)
    await keeper.look()
    assert keeper.by_token(made[0]) is not None


# -- watch links ------------------------------------------------------------------------------------------------------


async def test_a_watch_link_opens_its_project_until_it_expires(scene: Scene) -> None:
    keeper = await scene.keeper("always")
    text, link = keeper.link("p", None, 60)
    assert link.expires == scene.clock.now_ms() + 60_000
    visitor = keeper.by_link(text)
    assert visitor is not None
    visitor.check("p")
    for project in ("q", "P", "p "):
        with pytest.raises(Forbidden):
            visitor.check(project)
    scene.watch(keeper, visitor)
    scene.clock.step(61)
    await keeper.look()
    assert keeper.by_link(text) is None
    assert scene.shown_out == [("LINK", EndReason.UNAUTHORISED)]


async def test_a_watch_link_of_a_job_opens_that_job_alone(scene: Scene) -> None:
    keeper = await scene.keeper("always")
    visitor = keeper.by_link(keeper.link("p", "j1", 60)[0])
    assert visitor is not None
    visitor.check("p", "j1")
    for project, job in (("p", None), ("p", "j2"), ("q", "j1"), (None, None)):
        with pytest.raises(Forbidden):
            visitor.check(project, job)


async def test_a_watch_link_that_was_tampered_with_opens_nothing(scene: Scene) -> None:
    keeper = await scene.keeper("always")
    text, _ = keeper.link("p", None, 60)
    other, _ = keeper.link("q", None, 60)
    told, _, signature = text.partition(".")
    assert keeper.by_link(text) is not None
    wrong = [
        f"{other.partition('.')[0]}.{signature}", f"{told}.", told, signature, f"{told}.{signature[:-1]}",
        f"{text}=", f"{text} ", f" {text}", text.removeprefix("hubwatch_"), "", "hubwatch_.", "é" * 30, "x" * 100_000,
    ]  # fmt: skip
    for place in range(len("hubwatch_"), len(text)):
        flipped = "A" if text[place] != "A" else "B"
        wrong.append(text[:place] + flipped + text[place + 1 :])
    for each in wrong:
        assert keeper.by_link(each) is None, each


async def test_another_key_makes_all_links_void_and_shows_their_visitors_out(scene: Scene) -> None:
    keeper = await scene.keeper("always")
    text, _ = keeper.link("p", None, 60)
    scene.watch(keeper, keeper.by_link(text))
    watch_links.rotate(scene.folder)
    await keeper.look()
    assert keeper.by_link(text) is None
    assert scene.shown_out == [("LINK", EndReason.UNAUTHORISED)]


async def test_the_key_is_its_owners_alone_and_outlives_the_process(scene: Scene) -> None:
    text, _ = (await scene.keeper("always")).link("p", None, 60)
    path = scene.folder / watch_links.KEY_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert (await scene.keeper("always")).by_link(text) is not None
    assert [each.name for each in scene.folder.iterdir()] == [watch_links.KEY_FILE]
    path.write_bytes(b"short")
    with pytest.raises(OSError, match="rotate"):
        await scene.keeper("always")


async def test_who_signs_out_while_another_signs_in_is_out(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the other one reads of the table is older than the sign-out."""
    keeper = await scene.keeper()
    _, text = await keeper.make(WATCH)
    cookie, _ = await keeper.sign_in(text)
    table, is_read, go_on = scene.journal.tokens, asyncio.Event(), asyncio.Event()
    sign_ins = table.sign_ins

    async def slowly() -> Any:
        found = await sign_ins()
        is_read.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(table, "sign_ins", slowly)
    other = asyncio.create_task(keeper.sign_in(text))
    await is_read.wait()
    await keeper.sign_out(cookie)
    go_on.set()
    assert keeper.by_cookie((await other)[0]) is not None
    assert keeper.by_cookie(cookie) is None
