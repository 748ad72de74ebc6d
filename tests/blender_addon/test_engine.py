import sys

import pytest

from blender_addon.engine import find_engine
from blender_addon.errors import EngineNotFoundError


@pytest.fixture
def program(tmp_path):
    def make(name):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return path

    return make


def test_option_beats_variable_beats_environment_beside_the_project(tmp_path, program):
    option, variable, beside = program("option"), program("variable"), program(".venv/bin/python")
    environ = {"PHOTOBUST_PYTHON": str(variable)}
    assert find_engine(option, environ, tmp_path).python == option
    assert find_engine(None, environ, tmp_path).python == variable
    assert find_engine(None, {}, tmp_path).python == beside


def test_running_interpreter_is_taken_only_with_the_engines_packages(tmp_path, program, monkeypatch):
    beside = program(".venv/bin/python")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert str(find_engine(None, {}, tmp_path, sys.executable).python) == sys.executable
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "torch" else object())
    assert find_engine(None, {}, tmp_path, sys.executable).python == beside


def test_links_of_virtual_environments_are_not_followed(tmp_path, program):
    link = tmp_path / "venv-python"
    link.symlink_to(program("system-python"))
    assert find_engine(link, {}, tmp_path).python == link


def test_what_is_missing_is_told(tmp_path):
    with pytest.raises(EngineNotFoundError, match=r"make setup.*--engine-python.*PHOTOBUST_PYTHON"):
        find_engine(None, {}, tmp_path)
    with pytest.raises(EngineNotFoundError, match=r"--engine-python names .*no program"):
        find_engine(tmp_path / "nothing", {}, tmp_path)
    with pytest.raises(EngineNotFoundError, match="PHOTOBUST_PYTHON names a folder"):
        find_engine(None, {"PHOTOBUST_PYTHON": str(tmp_path)}, tmp_path)
