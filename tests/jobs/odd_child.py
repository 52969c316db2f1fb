"""A job's process that knows the odd kinds: `hub.jobs.process.PROGRAM`, in a test."""

import hub.jobs.child
from tests.jobs.odd_kinds import KINDS

if __name__ == "__main__":
    hub.jobs.child.KINDS = KINDS
    hub.jobs.child.main()
