"""The engine's stand-in, for tests of what talks to an engine."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from blender_addon.engine.client import WorkerClient
from blender_addon.engine.locate import Engine
from tests.conftest import FAKE_ENGINE


@pytest.fixture(scope="session")
def fake_engine() -> Engine:
    return Engine(Path(sys.executable), FAKE_ENGINE)


@pytest.fixture
def client(fake_engine: Engine) -> Iterator[WorkerClient]:
    with WorkerClient(fake_engine) as client:
        yield client
