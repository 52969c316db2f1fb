"""The promises of the delivery core, held against random histories of everything at once.

Publishers on several projects; watchers on every transport, of any view and cadence, that stall, leave, come back with
any cursor and change their minds; a journal that is slow, full or pruned; crashes, drains and deletions. The model
clients (`machines/client.py`) know only what a real one knows, and check each message; at every history's end what
they know must be the hub's truth, and nothing of them may be left in the hub.

`HYPOTHESIS_PROFILE=thorough` runs it a hundred times as long: see `machines/profiles.py`.
"""

import os

from tests.core.machines.mishaps import Mishaps
from tests.core.machines.profiles import paced
from tests.core.machines.promises import Promises
from tests.core.machines.publishing import Publishing
from tests.core.machines.scene import STATS
from tests.core.machines.watching import Watching


class Delivery(Publishing, Watching, Mishaps, Promises):
    """All rules on one hub."""


TestDelivery = Delivery.TestCase
TestDelivery.settings = paced(100, 50)


def teardown_module() -> None:
    if os.environ.get("MACHINE_STATS"):
        print(*(f"{name}: {count}" for name, count in sorted(STATS.items())), sep="\n")
