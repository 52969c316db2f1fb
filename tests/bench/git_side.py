"""Serves one repository over smart HTTP until its input ends: `python -m tests.bench.git_side REPOSITORY FOLDER`."""

import asyncio
import json
import sys
from pathlib import Path

from hub.demo.git_server import GitServer


async def main() -> None:
    server = GitServer(Path(sys.argv[1]))
    await server.start(Path(sys.argv[2]) / "address")
    print(json.dumps({"url": server.url}), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
