"""Whom the hub is measured against, a file each; `tests.bench.contest` is their table."""
