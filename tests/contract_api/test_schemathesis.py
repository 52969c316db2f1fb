"""schemathesis, with every check it has, over the document and a hub that has something of everything.

`CONTRACT_S=600 CONTRACT_EXAMPLES=100` makes a long run of it, with other examples each time, and with sequences of
operations that go on with what earlier ones have made.
"""

import asyncio
import os
import random
from pathlib import Path

import pytest

from tests.contract_api.house import furnished
from tests.contract_api.run import conform

LONGEST_S = float(os.environ.get("CONTRACT_S", "30"))
EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "2"))
IS_LONG = "CONTRACT_EXAMPLES" in os.environ
CONFIG = {
    "seed": random.randrange(2**32) if IS_LONG else 1,
    "max-time": LONGEST_S,
    "generation": {"max-examples": EXAMPLES, "deterministic": not IS_LONG, "database": "none"},
    "phases": {"stateful": {"enabled": IS_LONG}},
}


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@pytest.mark.timeout(LONGEST_S + 140)
async def test_the_hub_does_what_its_document_says(tmp_path: Path) -> None:
    async with furnished(tmp_path) as hub:
        found = await asyncio.to_thread(conform, hub.url, hub.token, CONFIG)
    told = "\n\n".join(f"{name}\n{text}" for name, text in found.failures.items())
    assert not found.failures, f"{len(found.failures)} in {found.cases} cases:\n{told}"
    assert found.by_operation
    print(f"{found.cases} cases of {len(found.by_operation)} operations, {found.checks} checks")
