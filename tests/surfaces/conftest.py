"""The git server that the jobs' own tests have."""

from tests.jobs.conftest import repositories, server

__all__ = ["repositories", "server"]
