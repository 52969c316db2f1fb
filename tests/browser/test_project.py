"""What a person finds about a project, against the real program with real repositories."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import Check, Complaints, chromium
from tests.browser.project_world import ENDLESS, MARKUP, Receiver, World, until
from tests.jobs.git_server import GitServer
from tests.processes import HubProcess

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

CRAWL = 300.0
"""Bytes a second at which nothing ends by itself."""
TURN = "turn⟨U+202E⟩ed"
SHOWN = {"jobs", "search-text", "links", "snapshots", "snapshot-diff", "fresh-search"}
"""Kept as pictures."""
FIT = "document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("project")
    repositories, roots = root / "repositories", root / "roots"
    repositories.mkdir()
    roots.mkdir()
    hub = HubProcess(
        root / "data", "--heartbeat-s", "2", "--drain-s", "1", "--roots", str(roots), "--max-running-jobs", "4"
    )
    try:
        with GitServer(repositories) as git:
            world = World(hub, git, repositories, roots)
            world.build()
            yield world
    finally:
        hub.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One for all: starting it takes longer than most of what is tried in it."""
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, watched: Complaints) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport={"width": 1200, "height": 900})
    yield watched(await context.new_page())
    await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def lab(page: Page, world: World, watched: Complaints) -> Page:
    # A hub without sign-in or an index says so by 404, and browsers report every refused request as an error.
    watched.forgive("404 (Not Found)")
    world.git.behaviour.bytes_per_s = None
    await page.goto(f"{world.hub.url}#/p/lab")
    await expect(page.locator("nav.parts [aria-current]")).to_be_visible()
    return page


async def go(page: Page, rest: str) -> None:
    await page.evaluate("hash => { location.hash = hash; }", f"#/p/{rest}")


def parts(world: World) -> dict[str, tuple[str, str]]:
    """Place in the address, and what shows that it is drawn, by name."""
    new, old = [each["id"] for each in world.hub.call("GET", "projects/lab/snapshots")["items"]][:2]
    return {
        "jobs": ("lab", "td:has-text('52 new commits')"),
        "jobs-none": ("lab?state=paused", "text=No job is like that"),
        "search": ("lab/search", ".languages li >> nth=0"),
        "search-text": ("lab/search?q=needle", ".hit mark >> nth=0"),
        "search-symbol": ("lab/search?q=needle&kind=symbol", ".hit .symbol >> nth=0"),
        "search-path": ("lab/search?q=txt&kind=path", ".hit mark >> nth=0"),
        "search-nothing": ("lab/search?q=nowhere_to_be_found", "text=Try fewer letters"),
        "commits": ("lab/commits", "td:has-text('Change')"),
        "links": ("lab/links", "td:has-text('to spare') >> nth=0"),
        "links-near": ("lab/links?show=near", "td:has-text('before the session began')"),
        "links-sessions": ("lab/links?show=sessions", "text=3 sessions"),
        "snapshots": ("lab/snapshots", "text=2 snapshots"),
        "snapshot": (f"lab/snapshots/{new}", "td:has-text('src/needle.py')"),
        "snapshot-diff": (f"lab/snapshots/{old}..{new}", ".added"),
        "settings": ("lab/settings", "text=Nobody is told yet"),
        "fresh-search": ("fresh/search", "text=Nothing is indexed yet"),
        "fresh-commits": ("fresh/commits", "text=No commit is known yet"),
        "fresh-snapshots": ("fresh/snapshots", "text=No snapshot yet"),
        "fresh-jobs": ("fresh", "text=Nothing has run here yet"),
    }


SCREENS = {
    "dark": {"color_scheme": "dark"},
    "forced": {"color_scheme": "light", "forced_colors": "active", "reduced_motion": "reduce"},
    "narrow": {"forced_colors": "none"},
}


async def test_every_part_is_drawn_fits_holds_hostile_text_and_passes_axe_on_every_screen(
    lab: Page, world: World, check: Check
) -> None:
    places = parts(world)

    async def look(name: str, screen: str = "") -> None:
        place, sign = places[name]
        await go(lab, place)
        await expect(lab.locator(sign)).to_be_visible()
        await expect(lab.locator("[aria-busy]")).to_have_count(0)
        await check(lab, f"project-{name}{screen}", is_kept=name in SHOWN)
        assert await lab.locator("main img").count() == 0

    for name in places:
        await look(name)
    for screen, media in SCREENS.items():
        await lab.emulate_media(**media)
        if screen == "narrow":
            await lab.set_viewport_size({"width": 360, "height": 780})
        for name in ("jobs", "search-text", "settings", *(("links-near", "snapshots") if screen == "narrow" else ())):
            await look(name, f"-{screen}")
    assert await lab.evaluate("document.title") != "owned"


async def test_hostile_names_and_texts_are_shown_as_text(lab, world):
    await go(lab, "lab/search?q=needle")
    await expect(lab.locator(".hit h3", has_text="<img src=x onerror=alert(1)>.txt")).to_be_visible()
    await expect(lab.locator(".hit h3", has_text=r"raw-\xff\xfe.txt")).to_be_visible()
    await expect(lab.locator(".hit h3", has_text=f"{TURN}.txt")).to_be_visible()
    await expect(lab.locator(".hit code", has_text=TURN)).to_be_visible()
    emoji = lab.locator(".hit code", has_text="emoji")
    await expect(emoji.locator("mark")).to_have_text("needle")
    await go(lab, "lab/commits?text=img")
    await expect(lab.locator(".sheet .name")).to_have_text(f"{MARKUP} {TURN}")
    await expect(lab.locator("td", has_text=f"Eve {TURN}").last).to_be_visible()
    await go(lab, "lab/commits?text=long")
    await expect(lab.locator(".sheet .name")).to_contain_text(ENDLESS[:200])
    await go(lab, "lab/links?show=sessions")
    await expect(lab.locator("td", has_text=MARKUP).first).to_be_visible()
    await go(lab, "outside")
    await expect(lab.locator("h1")).to_have_text(f"{MARKUP} {TURN}")
    await expect(lab.locator("text=Its jobs run elsewhere")).to_be_visible()
    assert await lab.evaluate(FIT)
    assert await lab.locator("main img").count() == 0


async def test_a_search_is_in_the_address_and_survives_reload_and_back(lab):
    await lab.click("nav.parts >> text=Search")
    await lab.fill("[name=q]", "needle")
    await lab.press("[name=q]", "Enter")
    await expect(lab.locator(".count >> text=9 files")).to_be_visible()
    assert lab.url.endswith("#/p/lab/search?q=needle")
    await lab.focus("[name=kind]")
    await lab.select_option("[name=kind]", "symbol")
    await expect(lab.locator(".hit .symbol").first).to_be_visible()
    await expect(lab.locator("[name=kind]")).to_be_focused()
    await expect(lab.locator(".hit")).to_have_count(22)
    await lab.reload()
    await expect(lab.locator("[name=kind]")).to_have_value("symbol")
    await expect(lab.locator(".hit .symbol").first).to_be_visible()
    await lab.go_back()
    await expect(lab.locator("[name=kind]")).to_have_value("")
    await expect(lab.locator(".hit .lines").first).to_be_visible()
    await lab.fill("[name=lang]", "python")
    await lab.press("[name=lang]", "Enter")
    await expect(lab.locator(".count >> text=2 files")).to_be_visible()
    await lab.go_back()
    await lab.go_back()
    await expect(lab.locator("[name=q]")).to_have_value("")


async def test_what_is_wrong_with_a_query_is_said_beside_it(lab, watched):
    watched.forgive("400 (Bad Request)")
    for query, words in {
        "q=(&kind=regex": "regex cannot be understood",
        "q=x&lang=klingon": "There is no language 'klingon'",
    }.items():
        await go(lab, f"lab/search?{query}")
        await expect(lab.locator("#query-says .says")).to_contain_text(re.compile(words, re.IGNORECASE))
        await expect(lab.locator("[name=q]")).to_have_attribute("aria-invalid", "true")
    await lab.fill("[name=lang]", "")
    await lab.fill("[name=q]", "needle")
    await lab.press("[name=q]", "Enter")
    await expect(lab.locator(".hit").first).to_be_visible()
    await expect(lab.locator("[name=q]")).not_to_have_attribute("aria-invalid", "true")


async def test_an_index_under_way_is_searched_and_says_how_far_it_is(lab, world, shot):
    await go(lab, "bulk/search")
    await lab.evaluate(
        """() => {
            window.covers = new Set();
            new MutationObserver(() => window.covers.add(document.querySelector('.cover')?.textContent ?? ''))
                .observe(document.body, {subtree: true, childList: true, characterData: true});
        }"""
    )
    await lab.click("text=Clone and index")
    await expect(lab.locator(".project .running")).to_contain_text("ingest")
    await expect(lab.locator(".cover")).to_contain_text("% indexed so far", timeout=30_000)
    await lab.fill("[name=q]", "bulky_1")
    await lab.press("[name=q]", "Enter")
    await expect(lab.locator(".cover")).to_contain_text("files indexed", timeout=60_000)
    await expect(lab.locator(".hit mark").first).to_be_visible()
    await expect(lab.locator(".doubts li")).to_have_count(0)
    shares = [int(words.split(" %")[0]) for words in await lab.evaluate("[...window.covers]") if "so far" in words]
    assert shares == sorted(shares)
    await lab.click("text=Show more")
    await expect(lab.locator(".hit")).to_have_count(100)
    assert await lab.evaluate("document.activeElement.tagName") != "BODY"


async def test_a_job_is_started_watched_and_refused_twice_and_secrets_are_told_to_the_hub_alone(lab, world, watched):
    watched.forgive("409 (Conflict)")
    world.git.behaviour.bytes_per_s = CRAWL
    bodies = []
    lab.on("request", lambda request: bodies.append(request.post_data or "") if request.method == "POST" else None)
    await lab.click("text=Options…")
    dialog = lab.get_by_role("dialog", name="Start a job on lab")
    await dialog.locator("[name=kind]").select_option("clone")
    await dialog.locator("[name=depth]").fill("1")
    await dialog.locator("[name=token]").fill("s3cret-t0ken")
    await dialog.get_by_role("button", name="Start").click()
    card = lab.locator(".project .running .job", has_text="clone").first
    await expect(card.get_by_role("progressbar")).to_be_visible()
    await expect(dialog).to_have_count(0)
    assert "s3cret-t0ken" in "".join(bodies)
    assert "s3cret" not in await lab.content()
    await lab.get_by_role("button", name="clone", exact=True).click()
    await expect(lab.locator(".deeds .says").first).to_contain_text("clone")
    await card.get_by_role("button", name="Cancel clone lab").click()
    await expect(lab.locator(".project .running")).to_contain_text("Cancelled")
    await expect(lab.locator("tbody tr", has_text="Cancelled").first).to_be_visible()


async def test_past_jobs_are_narrowed_paged_and_exported(lab, world):
    await expect(
        lab.locator("svg.runs[aria-label^='clone: 3 runs']").or_(lab.locator("svg.runs[aria-label^='clone: 4 runs']"))
    ).to_be_visible()
    await lab.select_option("[name=state]", "failed")
    await expect(lab.locator("tbody td >> text=no-such-branch")).to_be_visible()
    await expect(lab.locator(".count")).to_have_text("1 job")
    assert "state=failed" in lab.url
    link = lab.locator(".exports a", has_text="CSV").first
    async with lab.expect_download() as started:
        await link.click()
    text = Path(await (await started.value).path()).read_text()
    assert text.startswith("id,project,kind,state")
    assert text.count("lab,clone,failed") == 1
    await go(lab, "lab/commits")
    await expect(lab.locator(".count")).to_have_text("50 of 52 commits")
    await lab.click("text=Show more")
    await expect(lab.locator(".count")).to_have_text("52 commits")
    await lab.fill("[name=author]", "Eve")
    await lab.press("[name=author]", "Enter")
    await expect(lab.locator(".count")).to_have_text("1 commit")
    await go(lab, "lab/links?tier=1")
    await expect(lab.locator("td >> text=after a commit action of the session").first).to_be_visible()


async def test_snapshots_are_taken_compared_downloaded_restored_pruned_and_deleted(lab, world, watched, shot):
    watched.forgive("400 (Bad Request)")
    await go(lab, "lab/snapshots")
    await lab.get_by_role("button", name="Compare two").click()
    await expect(lab.locator(".deeds .says", has_text="Choose two snapshots")).to_be_visible()
    await expect(lab.get_by_role("checkbox")).to_have_count(2)
    for box in await lab.get_by_role("checkbox").all():
        await box.check()
    await lab.get_by_role("button", name="Compare two").click()
    await expect(lab.locator("text=1 added · 1 removed")).to_be_visible()
    await expect(lab.locator("h2", has_text="From ")).to_be_focused()
    await lab.go_back()
    await lab.locator(".sheet .name").first.click()
    await lab.fill("[name=path]", "raw-")
    await lab.press("[name=path]", "Enter")
    async with lab.expect_download() as started:
        await lab.click(r"text=raw-\xff\xfe.txt")
    assert "no UTF-8" in Path(await (await started.value).path()).read_text()
    await lab.click("text=All snapshots")
    async with lab.expect_download() as started:
        await lab.get_by_role("link", name=re.compile("Download")).first.click()
    assert Path(await (await started.value).path()).read_bytes()[:4] == b"\x28\xb5\x2f\xfd"
    last = lab.locator(".project .running .job").last
    await lab.click("text=Verify")
    await expect(last).to_contain_text("nothing is damaged")
    await lab.click("text=Prune…")
    await lab.fill("[name=keep_last]", "1")
    await expect(lab.locator("[name=dry_run]")).to_be_checked()
    await shot(lab, "project-dialog")
    await lab.get_by_role("dialog").get_by_role("button", name="Prune").click()
    await expect(last).to_contain_text("would remove 1 snapshot")
    await lab.get_by_role("button", name=re.compile("Restore")).first.click()
    await lab.fill("[name=to]", "/nowhere")
    await lab.get_by_role("dialog").get_by_role("button", name="Restore").click()
    await expect(lab.get_by_role("dialog").get_by_role("alert")).to_contain_text(re.compile("roots", re.IGNORECASE))
    await lab.fill("[name=to]", str(world.roots / "restored"))
    await lab.get_by_role("dialog").get_by_role("button", name="Restore").click()
    await expect(last).to_contain_text("restored")
    assert (world.roots / "restored" / "src" / "needle.py").exists()
    await lab.click("text=Take one now")
    await expect(lab.locator(".count")).to_have_text("3 snapshots")
    await lab.get_by_role("button", name=re.compile("Delete")).first.click()
    await lab.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(lab.locator(".count")).to_have_text("2 snapshots")


async def test_a_schedule_is_made_run_paused_and_deleted(lab, watched):
    watched.forgive("400 (Bad Request)")
    await go(lab, "lab/settings")
    await lab.click("text=Add a schedule…")
    dialog = lab.get_by_role("dialog", name="New schedule")
    await dialog.locator("[name=kind]").select_option("index")
    await dialog.locator("[name=name]").fill(MARKUP)
    await dialog.locator("[name=cron]").fill("61 * * * *")
    await dialog.get_by_role("button", name="Add").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("cron")
    await dialog.locator("[name=cron]").fill("0 3 * * *")
    await dialog.locator("[name=attempts]").fill("3")
    await dialog.get_by_role("button", name="Add").click()
    line = lab.locator("tr", has_text=MARKUP)
    await expect(line).to_contain_text("3 tries")
    await expect(line.locator("time").first).to_contain_text("in ")
    await line.get_by_role("button", name=f"Pause {MARKUP}").click()
    await expect(line).to_contain_text("paused")
    await line.get_by_role("button", name="Run now").click()
    await expect(line).to_contain_text("started: Done")
    await line.get_by_role("button", name="Delete").click()
    await lab.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(lab.locator("text=Nothing comes back by itself yet")).to_be_visible()


async def test_a_webhook_shows_its_secret_once_is_tested_told_and_enabled_again(lab, world, watched, shot):
    watched.forgive("400 (Bad Request)")
    with Receiver() as receiver:
        await go(lab, "lab/settings")
        await lab.click("text=Add a webhook…")
        dialog = lab.get_by_role("dialog", name="New webhook")
        await dialog.get_by_role("button", name="Add").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("url is missing")
        await dialog.locator("[name=url]").fill(receiver.url)
        await dialog.locator("[name=name]").fill("our receiver")
        await dialog.locator("[name=states]").select_option("failed,interrupted")
        await dialog.get_by_role("button", name="Add").click()
        secret = await lab.locator(".secret code").text_content()
        assert secret.startswith("whsec_")
        await shot(lab, "project-secret")
        line = lab.locator("tr", has_text="our receiver")
        await line.get_by_role("button", name="Test").click()
        await expect(line).to_contain_text("Test: delivered, answered 200")
        assert json.loads(receiver.bodies[0])["type"]
        receiver.status = 410
        assert world.run("lab", "clone", {"branch": "no-such-branch"})["state"] == "failed"
        until(lambda: len(receiver.bodies) > 1)
        await lab.reload()
        assert secret not in await lab.content()
        await expect(line).to_contain_text("disabled")
        await line.locator("summary").click()
        await expect(line).to_contain_text("answered 410")
        await line.get_by_role("button", name="Enable").click()
        await expect(line).to_contain_text("enabled")
        await line.get_by_role("button", name="Delete").click()
        await lab.get_by_role("dialog").get_by_role("button", name="Delete").click()
        await expect(lab.locator("text=Nobody is told yet")).to_be_visible()


async def test_a_watch_link_is_made_where_the_hub_has_them(lab, world):
    await go(lab, "lab/settings")
    await lab.click("text=Make a link…")
    dialog = lab.get_by_role("dialog", name="New watch link")
    await dialog.locator("[name=ttl_s]").select_option("3600")
    await dialog.get_by_role("button", name="Make").click()
    link = await lab.locator(".secret code").text_content()
    assert "/api/v1/projects/lab/events?watch=" in link
    assert (await lab.request.get(link)).ok


async def test_a_project_is_deleted_only_by_its_name(lab, world):
    project = world.hub.call("POST", "projects", {"id": "goner", "name": "Goes"})
    await go(lab, f"{project['id']}/settings")
    await lab.click("text=Delete this project…")
    dialog = lab.get_by_role("dialog")
    await expect(dialog.get_by_role("button", name="Delete")).to_be_disabled()
    await dialog.get_by_label("Type Goes").fill("Goe")
    await expect(dialog.get_by_role("button", name="Delete")).to_be_disabled()
    await dialog.get_by_label("Type Goes").fill("Goes")
    await dialog.get_by_role("button", name="Delete").click()
    await expect(lab).to_have_url(re.compile("#/$"))
    assert "goner" not in [each["id"] for each in world.hub.call("GET", "projects")["items"]]
    await go(lab, "goner")
    await expect(lab.get_by_role("alert").filter(has_text="There is no such project")).to_be_visible()


async def test_the_keyboard_alone_reaches_every_part_and_closes_dialogs(lab):
    await lab.focus("nav.parts a >> nth=0")
    await lab.keyboard.press("Tab")
    await lab.keyboard.press("Enter")
    await expect(lab.locator("nav.parts [aria-current]")).to_have_text("Search")
    await expect(lab.locator("nav.parts [aria-current]")).to_be_focused()
    await lab.focus("text=Options…")
    await lab.keyboard.press("Enter")
    await expect(lab.get_by_role("dialog", name="Start a job on lab")).to_be_visible()
    await lab.keyboard.press("Escape")
    await expect(lab.get_by_role("dialog", name="Start a job on lab")).to_have_count(0)
    await expect(lab.get_by_role("button", name="Options…")).to_be_focused()
