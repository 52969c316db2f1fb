"""A real hub for the tests of a folder, and a project for each of them."""

import itertools
import sys

import pytest

from hub.client import Client, Pace
from tests.processes import HubProcess

numbers = itertools.count()


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    process = HubProcess(tmp_path_factory.mktemp("hub"), "--drain-s", "0.1")
    yield process
    process.close()


@pytest.fixture
def hub(process):
    with Client.sync(process.url, pace=Pace(shortest_s=0.01, longest_s=0.1)) as hub:
        yield hub


@pytest.fixture
def project():
    return f"p{next(numbers)}"


@pytest.fixture
def program(process, project):
    """The words before the command."""
    return [sys.executable, "-m", "hub", "run", "--hub", process.url, "--project", project]
