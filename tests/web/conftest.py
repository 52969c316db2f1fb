"""Whatever the hub answers in these tests is held against its document."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.contract_api.conformance import problem_of
from tests.hubs import Running


@pytest.fixture(autouse=True)
def _by_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    call = Running.call

    async def checked(
        self: Running, method: str, path: str, body: Any = None, **kwargs: Any
    ) -> tuple[int, Any, Mapping[str, str]]:
        status, answer, headers = await call(self, method, path, body, **kwargs)
        text = b"" if answer is None else json.dumps(answer).encode()
        problem = problem_of(method, path, status, headers, text)
        assert problem is None, problem
        return status, answer, headers

    monkeypatch.setattr(Running, "call", checked)
