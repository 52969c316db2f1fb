"""A hub that wants to know who asks, and the keys to it."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from hub.access.doorkeeper import Wanted
from hub.core.tokens import Role, Token
from tests.hubs import Running, running


@contextlib.asynccontextmanager
async def guarded(folder: Path, **settings: Any) -> AsyncIterator[Running]:
    """With the projects `p` and `q`, and a job under way in each: `j1` and `j2`."""
    async with running(folder, **{"sign_in": "always", **settings}) as hub:
        for project, job in (("p", "j1"), ("q", "j2")):
            token = await key(hub, "run", name="maker")
            body = {"url": f"https://example.org/{project}.git", "id": project}
            status, _, _ = await hub.call("POST", "/api/v1/projects", body, headers=bearer(token))
            assert status == 201
            await hub.begin(project, job)
        yield hub


async def made(hub: Running, *roles: str, **wanted: Any) -> tuple[Token, str]:
    projects = tuple(wanted.pop("projects", ()))
    return await hub.hub.keeper.make(Wanted(roles=tuple(map(Role, roles)), projects=projects, **wanted))


async def key(hub: Running, *roles: str, **wanted: Any) -> str:
    return (await made(hub, *roles, **wanted))[1]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
