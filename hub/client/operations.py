"""What those who run a hub ask: schedules, webhooks, statistics, and whole lists as files."""

import urllib.parse
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import aiohttp

from hub.client.api import PAGE, Hub
from hub.client.errors import HubUnreachable, refusal

SILENCE_S = 60.0
"""Longest wait for the next piece of an export."""
SCHEDULE, WEBHOOK, DELIVERY = ("id", "project", "kind", "next_runs"), ("id", "url", "state"), ("id", "webhook", "state")

Query = Sequence[tuple[str, str]]


class Operations(Hub):
    async def schedules(self, project: str | None = None) -> list[dict[str, Any]]:
        """Of a project, or of all."""
        return await self._all("/schedules" if project is None else f"/projects/{_quoted(project)}/schedules")

    async def add_schedule(self, project: str, schedule: Mapping[str, Any]) -> dict[str, Any]:
        """`{kind, params?, every_s | cron, timezone?, name?, retry?, is_paused?}`."""
        return await self._call("POST", f"/projects/{_quoted(project)}/schedules", SCHEDULE, schedule)

    async def change_schedule(self, schedule: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        return await self._call("PATCH", f"/schedules/{_quoted(schedule)}", SCHEDULE, fields)

    async def remove_schedule(self, schedule: str) -> None:
        await self._delete(f"/schedules/{_quoted(schedule)}")

    async def run_schedule(self, schedule: str) -> dict[str, Any]:
        """Start its job now; the job's state object."""
        return await self._call("POST", f"/schedules/{_quoted(schedule)}/run", ("id", "state"), {})

    async def webhooks(self) -> list[dict[str, Any]]:
        return await self._all("/webhooks")

    async def add_webhook(self, webhook: Mapping[str, Any]) -> dict[str, Any]:
        """`{url, name?, projects?, kinds?, states?}`; the answer alone has the `secret`."""
        return await self._call("POST", "/webhooks", (*WEBHOOK, "secret"), webhook)

    async def change_webhook(self, webhook: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """As `add_webhook`; an empty filter is None."""
        return await self._call("PATCH", f"/webhooks/{_quoted(webhook)}", WEBHOOK, fields)

    async def remove_webhook(self, webhook: str) -> None:
        await self._delete(f"/webhooks/{_quoted(webhook)}")

    async def test_webhook(self, webhook: str) -> dict[str, Any]:
        """Have a test sent, and wait for what comes of it; the delivery."""
        return await self._call("POST", f"/webhooks/{_quoted(webhook)}/test", DELIVERY, {})

    async def enable_webhook(self, webhook: str) -> dict[str, Any]:
        return await self._call("POST", f"/webhooks/{_quoted(webhook)}/enable", WEBHOOK, {})

    async def deliveries(self, webhook: str, limit: int) -> dict[str, Any]:
        """One page, newest first."""
        return await self._call("GET", f"/webhooks/{_quoted(webhook)}/deliveries?limit={limit}", PAGE)

    async def statistics(self, query: Query) -> dict[str, Any]:
        return await self._call("GET", f"/statistics?{urllib.parse.urlencode(query)}", PAGE)

    async def history(self, project: str, query: Query) -> AsyncGenerator[bytes, None]:
        """A project's history as a file, in the `format` that the query names, piece by piece.

        Raises HubUnreachable also when it was cut off: what has come is then not all.
        """
        url = f"{self.base}/api/v1/projects/{_quoted(project)}/history?{urllib.parse.urlencode(query)}"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=SILENCE_S, sock_read=SILENCE_S)
        try:
            async with self._open().get(url, timeout=timeout) as response:
                if response.status != 200:
                    raise await refusal(response)
                async for piece in response.content.iter_any():
                    yield piece
        except aiohttp.ClientPayloadError as exc:
            raise HubUnreachable(f"The hub at {self.base} cut the answer off; what has come is not all.") from exc
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise HubUnreachable(f"No hub answers at {self.base}.") from exc

    async def tokens(self) -> list[dict[str, Any]]:
        """Revoked ones, too."""
        return await self._all("/tokens", "&revoked=true")

    async def add_token(self, token: Mapping[str, Any]) -> dict[str, Any]:
        """`{roles, name?, projects?, ttl_s?}`; the answer alone has the `token`."""
        body = {name: value for name, value in token.items() if value is not None}
        return await self._call("POST", "/tokens", ("id", "token"), body)

    async def remove_token(self, token: str) -> None:
        await self._delete(f"/tokens/{_quoted(token)}")

    async def watch_link(self, project: str, job: str | None, ttl_s: float) -> dict[str, Any]:
        """`{token, expires, url}`."""
        body = {"ttl_s": ttl_s} | ({"job": job} if job else {})
        return await self._call("POST", f"/projects/{_quoted(project)}/watch-links", ("token", "expires", "url"), body)

    async def _all(self, path: str, query: str = "") -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        following = ""
        while True:
            page = await self._call("GET", f"{path}?limit=500{query}{following}", PAGE)
            items += page["items"]
            if "next" not in page:
                return items
            following = f"&cursor={_quoted(page['next'])}"

    async def _delete(self, path: str) -> None:
        try:
            async with self._open().delete(f"{self.base}/api/v1{path}") as response:
                if response.status != 204:
                    raise await refusal(response)
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise HubUnreachable(f"No hub answers at {self.base}.") from exc


def _quoted(identifier: str) -> str:
    return urllib.parse.quote(identifier, safe="")
