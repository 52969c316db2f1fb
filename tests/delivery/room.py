"""A network of its own, in which a machine can vanish: its packets are lost, and nobody is told.

Needs no rights but those to a user namespace (`unshare --user --net`).
"""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import missing

NOWHERE = ("nowhere0", "nowhere1")
"""A cable with nobody at its other end: whatever is sent to an address that is gone is lost there."""


@dataclass(frozen=True, slots=True)
class Room:
    inside: tuple[str, ...]
    """The command that runs a program in here."""

    async def enter(self, address: str) -> None:
        """A machine with this address comes."""
        await run(*self.inside, "ip", "address", "add", f"{address}/32", "dev", "lo")

    async def vanish(self, address: str) -> None:
        """It is gone: no packet reaches it or comes from it, and no connection of it is closed."""
        await run(*self.inside, "ip", "address", "delete", f"{address}/32", "dev", "lo")


@contextlib.asynccontextmanager
async def room() -> AsyncIterator[Room]:
    """A network with nobody in it yet; skips the test where the system lets nobody make one."""
    if not all(map(shutil.which, ("unshare", "nsenter", "ip"))):
        missing("unshare, nsenter or ip")
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    keeper = await asyncio.create_subprocess_exec("unshare", *user, "--net", "sleep", "600")
    try:
        flags = () if os.geteuid() == 0 else ("--user", "--preserve-credentials")
        inside = ("nsenter", f"--target={keeper.pid}", "--net", *flags)
        try:
            await _furnish(inside, keeper.pid)
        except OSError as exc:  # a right that the system does not give is no service that could be installed
            pytest.skip(f"no network namespace may be made here: {exc}")
        yield Room(inside)
    finally:
        with contextlib.suppress(ProcessLookupError):
            keeper.kill()
        await keeper.wait()


async def _furnish(inside: tuple[str, ...], keeper: int) -> None:
    ours = Path("/proc/self/ns/net").readlink()
    async with asyncio.timeout(5):
        while Path(f"/proc/{keeper}/ns/net").readlink() == ours:
            await asyncio.sleep(0.01)
    await run(*inside, "ip", "link", "add", NOWHERE[0], "type", "veth", "peer", "name", NOWHERE[1])
    for device in ("lo", *NOWHERE):
        await run(*inside, "ip", "link", "set", device, "up")
    await run(*inside, "ip", "route", "add", "default", "dev", NOWHERE[0])
    await run(*inside, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet")


async def run(*command: str) -> None:
    """Raises OSError where it fails."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    _, said = await process.communicate()
    if process.returncode:
        raise OSError(f"{' '.join(command)}: {said.decode().strip()}")
