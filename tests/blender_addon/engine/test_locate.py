import json
import sys
from importlib import metadata
from pathlib import Path

import pytest

from blender_addon.blender_worker.client import BlenderProgram
from blender_addon.engine.locate import (
    MARKER_NAME,
    PROJECT_ROOT,
    Engine,
    environment_folder,
    environment_python,
    find_engine,
    find_root,
)
from blender_addon.errors import EngineNotFoundError

ROOT = Path(__file__).resolve().parents[3]


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
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "onnxruntime" else object())
    assert find_engine(None, {}, tmp_path, sys.executable).python == beside


def test_private_environment_counts_once_it_is_finished(tmp_path, program):
    beside, chosen = program(".venv/bin/python"), program("chosen")
    private = environment_folder(tmp_path / "user")
    inside = program("user/engine/bin/python")
    assert inside == environment_python(private)
    assert find_engine(None, {}, tmp_path, private=private).python == beside  # not made by the add-on
    (private / MARKER_NAME).write_text(json.dumps({"finished": False}))
    assert find_engine(None, {}, tmp_path, private=private).python == beside
    (private / MARKER_NAME).write_text(json.dumps({"finished": True}))
    assert find_engine(None, {}, tmp_path, private=private) == Engine(inside, tmp_path, origin="private")
    assert find_engine(chosen, {}, tmp_path, private=private).python == chosen


def test_core_is_found_in_a_checkout_and_in_an_installed_addon(tmp_path):
    assert PROJECT_ROOT == ROOT
    addon = tmp_path / "photobust"
    addon.mkdir()
    assert find_root(addon) == tmp_path
    (addon / "core/worker").mkdir(parents=True)
    (addon / "core/worker/__main__.py").touch()
    assert find_root(addon) == addon


def test_an_installed_wheel_is_run_by_its_own_name(tmp_path):
    worker = tmp_path / "photobust/worker/__main__.py"
    worker.parent.mkdir(parents=True)
    worker.touch()
    engine = Engine(tmp_path / "python", find_root(tmp_path / "photobust_blender"))
    assert engine.command()[1:] == ["-u", "-m", "photobust.worker"]
    # The site-packages of one Python would break another.
    assert "PYTHONPATH" not in engine.environment({"PYTHONPATH": "/elsewhere"})
    assert engine.environment({})["PYTHONSAFEPATH"] == "1"


def test_backend_is_handed_on(tmp_path):
    assert Engine(tmp_path / "python").command()[1:] == ["-u", "-m", "core.worker"]
    assert Engine(tmp_path / "python", backend="torch").command()[-2:] == ["--backend", "torch"]


def test_modules_of_the_addon_shadow_nothing():
    """Installed, they lie beside `core`, and so on the engine's path before everything else."""
    modules = {path.stem for path in (ROOT / "blender_addon").iterdir() if path.name != "__init__.py"}
    installed = {name for name in metadata.packages_distributions() if not name.startswith("_")}
    taken = (set(sys.stdlib_module_names) | installed) - {"blender_addon", "core"}
    assert not modules & taken


def test_results_do_not_depend_on_the_number_of_cores(tmp_path):
    base = {"OPENBLAS_NUM_THREADS": "8", "HOME": "/home"}
    for program in (
        Engine(Path("python"), tmp_path),
        BlenderProgram(Path("python")),
        BlenderProgram(Path("blender")),
    ):
        assert program.environment(base)["OPENBLAS_NUM_THREADS"] == "1"
        # Nor does memory grow with it; who knows better is heard.
        assert program.environment(base)["MALLOC_ARENA_MAX"] == "2"
        assert program.environment({"MALLOC_ARENA_MAX": "9"})["MALLOC_ARENA_MAX"] == "9"
        assert program.environment(base)["HOME"] == "/home"


def test_links_of_virtual_environments_are_not_followed(tmp_path, program):
    link = tmp_path / "venv-python"
    link.symlink_to(program("system-python"))
    assert find_engine(link, {}, tmp_path).python == link


def test_what_is_missing_is_told(tmp_path):
    with pytest.raises(EngineNotFoundError, match=r"make setup.*--engine-python.*PHOTOBUST_PYTHON"):
        find_engine(None, {}, tmp_path)
    with pytest.raises(EngineNotFoundError, match="press Set up engine"):
        find_engine(None, {}, tmp_path, private=tmp_path / "engine")
    with pytest.raises(EngineNotFoundError, match=r"chosen interpreter is .*nothing, which is no program"):
        find_engine(tmp_path / "nothing", {}, tmp_path)
    with pytest.raises(EngineNotFoundError, match="PHOTOBUST_PYTHON is a folder"):
        find_engine(None, {"PHOTOBUST_PYTHON": str(tmp_path)}, tmp_path)
