"""Patience with interpreters that are asked something: a busy machine is no broken one."""

import pytest

from blender_addon.engine import base_python, package_sources
from tests.conftest import PATIENCE_SECONDS


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    monkeypatch.setattr(base_python, "PROBE_TIMEOUT", PATIENCE_SECONDS)
    monkeypatch.setattr(package_sources, "ASK_TIMEOUT", PATIENCE_SECONDS)
