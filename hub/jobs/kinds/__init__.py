"""Every kind of job that the hub can run itself, by name."""

from collections.abc import Mapping

from hub.jobs.base import Kind
from hub.jobs.kinds.clone import CLONE
from hub.jobs.kinds.index import INDEX
from hub.jobs.kinds.sync import SYNC

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (CLONE, SYNC, INDEX)}
