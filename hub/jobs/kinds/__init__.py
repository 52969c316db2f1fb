"""Every kind of job that the hub can run itself, by name."""

from collections.abc import Mapping

from hub.jobs.base import Kind
from hub.jobs.kinds.clone import CLONE
from hub.jobs.kinds.index import INDEX
from hub.jobs.kinds.ingest import INGEST
from hub.jobs.kinds.prune import PRUNE
from hub.jobs.kinds.restore import RESTORE
from hub.jobs.kinds.snapshot import SNAPSHOT
from hub.jobs.kinds.sync import SYNC
from hub.jobs.kinds.verify import VERIFY

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (CLONE, SYNC, INDEX, INGEST, SNAPSHOT, RESTORE, VERIFY, PRUNE)}
