from collections.abc import Iterator

import pytest

from tests.snapshots.s3 import S3, serving


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    with serving() as s3:
        yield s3
