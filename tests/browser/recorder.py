"""What the SDK told a page, message by message, and whether every number is accounted for."""

import asyncio
import time
from typing import Any

from playwright.async_api import Page

RECORD = """async ({ project, share }) => {
    const { createHub } = await import('./static/hub-client.js');
    const hub = createHub({ share });
    window.recorded = { hub, messages: [] };
    hub.watch(project, ({ type, seq, upto, count, cursor, reason, message, at }) => {
        window.recorded.messages.push({ type, seq, upto, count, cursor, reason, message, lateMs: Date.now() - at });
    });
    document.addEventListener('visibilitychange', () => hub.connection.hide(document.hidden));
    addEventListener('online', () => hub.connection.online(true));
}"""


async def record(page: Page, project: str = "p", *, share: bool = True) -> None:
    """Begin to listen beside the page, and by the same link where tabs share one."""
    await page.evaluate(RECORD, {"project": project, "share": share})


async def recorded(page: Page) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = await page.evaluate("window.recorded.messages")
    return messages


async def lines(page: Page) -> list[str]:
    """What was logged, as the page was told it. Raises AssertionError for a number that was left out or came twice."""
    at: int | None = None
    said = []
    for message in await recorded(page):
        match message["type"]:
            case "snapshot":
                at = int(message["cursor"].partition("-")[2])
            case "merged":
                assert message["upto"] > (at or 0)
                at = message["upto"]
            case "log" | "job" | "stage" | "progress":
                assert at is None or message["seq"] == at + 1, (at, message)
                at = message["seq"]
                if message["type"] == "log":
                    said.append(message["message"])
    return said


async def resets(page: Page) -> list[str]:
    return [message["reason"] for message in await recorded(page) if message["type"] == "reset"]


async def page_until(page: Page, expression: str, timeout_s: float = 25.0) -> None:
    """Not `wait_for_function`, which evaluates strings within the page, where its policy forbids that."""
    deadline = time.monotonic() + timeout_s
    while not await page.evaluate(expression):
        assert time.monotonic() < deadline, f"not true within {timeout_s} s: {expression}"
        await asyncio.sleep(0.02)


async def started(page: Page) -> None:
    await page_until(page, "window.recorded.messages.some(({ type }) => type === 'snapshot')")


async def heard(page: Page, words: str, timeout_s: float = 25.0) -> None:
    await page_until(page, f"window.recorded.messages.some(({{ message }}) => message === {words!r})", timeout_s)
