"""The pinned packages of the private engine: complete, and those that the project is tested with."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import tomllib
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from blender_addon.engine.setup import PIP
from blender_addon.engine.setup_plan import REQUIREMENTS_FILE, read_requirements
from blender_addon.engine.state import BACKENDS, REQUIREMENTS
from blender_addon.engine.wheel_lock import (
    INSTALLER_LOCK,
    LOCKS,
    PLATFORMS,
    PYTHONS,
    lock_file,
    read_lock,
    this_platform,
)
from blender_addon.errors import SetupError
from tests.conftest import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[3]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
#: What is installed for training and tests, and must not creep into the engine.
BESIDE_THE_ENGINE = ("bpy", "igl", "numba", "onnx", "torch", "tqdm", "trimesh")
RANGES = {canonicalize_name(r.name): r.specifier for r in map(Requirement, PYPROJECT["dependencies"])}


def pins(python, platform="linux"):
    lines = read_requirements(REQUIREMENTS_FILE, python, platform)
    split = [line.split("==") for line in lines]
    found = {canonicalize_name(name): version for name, version in split}
    assert len(found) == len(lines), "a package is named twice"
    return found


@pytest.mark.parametrize("minor", [10, 11, 12, 13])
@pytest.mark.parametrize("platform", ["linux", "win32", "darwin"])
def test_pins_fit_the_projects_ranges(minor, platform):
    found = pins((3, minor, 1), platform)
    assert all(name in found and found[name] in allowed for name, allowed in RANGES.items())
    assert "torch" not in found


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_locks_are_of_these_pins(platform, python):
    """scripts/build/lock_engine.py has been run since the pins were changed."""
    version = tuple(map(int, python.split(".")))
    packages = read_lock(lock_file(version, platform))
    assert [p.pin for p in packages] == read_requirements(REQUIREMENTS_FILE, version, PLATFORMS[platform])
    assert all(p.sha256 for p in packages)


def test_locks_name_no_place():
    """A lock says what a file is, not where it comes from."""
    for path in LOCKS.iterdir():
        assert not re.search(r"//|www|\.(org|com|net)\b", path.read_text("utf-8")), path.name
        assert read_lock(path)
    (installer,) = read_lock(LOCKS / INSTALLER_LOCK)
    assert installer.pin == PIP


@pytest.mark.parametrize(
    "line",
    [
        "numpy==2.2.6",
        "numpy>=2 --hash=sha256:" + "0" * 64,
        "numpy==2.2.6 --hash=md5:" + "0" * 32,
        "numpy @ https://files.example/numpy.whl --hash=sha256:" + "0" * 64,
        "--index-url https://files.example/simple",
    ],
)
def test_a_lock_holds_names_versions_and_hashes_only(tmp_path, line):
    path = tmp_path / "lock.txt"
    path.write_text(f"# comment\n{line}\n")
    with pytest.raises(SetupError, match="not understood"):
        read_lock(path)


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("linux", "x86_64", "linux-x64"),
        ("win32", "AMD64", "windows-x64"),
        ("darwin", "arm64", "macos-arm64"),
    ],
)
def test_platforms(system, machine, name):
    assert this_platform(system, machine) == name


@pytest.mark.parametrize(
    ("system", "machine"), [("darwin", "x86_64"), ("win32", "ARM64"), ("linux", "aarch64")]
)
def test_platforms_without_wheels(system, machine):
    with pytest.raises(SetupError, match="not made for this computer"):
        this_platform(system, machine)


def test_pins_are_complete():
    """Everything that a pinned package asks for is pinned as well."""
    found = pins(sys.version_info[:3], sys.platform)
    for name in found:
        for text in metadata.requires(name) or ():
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert canonicalize_name(needed.name) in found, f"{name} needs {text}"
                assert found[canonicalize_name(needed.name)] in needed.specifier


def test_core_imports_nothing_that_is_not_pinned():
    """Outside training and the networks' definitions, which only the reference backend loads."""
    modules = [f"core.{path.stem}" for path in sorted((ROOT / "core").glob("*.py"))]
    modules = [name for name in modules if not name.endswith(("network", "__init__"))]
    code = f"""
import importlib, sys
class Unpinned:
    def find_spec(self, name, path=None, target=None):
        if name in {BESIDE_THE_ENGINE}:
            raise ImportError(name + " is not part of the engine")
sys.meta_path.insert(0, Unpinned())
for name in {modules}:
    importlib.import_module(name)
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=PATIENCE_SECONDS)


def test_pins_are_what_the_tests_run_with():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    tested = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    tested = {canonicalize_name(name): version for name, version in tested.items()}
    found = pins((3, 11, 2))
    assert {name for name, version in found.items() if tested[name] != version} == {"numpy"}


def test_checks_of_an_interpreter_have_the_projects_ranges():
    extras = PYPROJECT["optional-dependencies"]["torch"]
    ranges = {**RANGES, **{r.name: r.specifier for r in map(Requirement, extras)}}
    checked = {r.name: r for r in (*REQUIREMENTS, *BACKENDS.values()) if r.name}
    assert checked.keys() == ranges.keys()
    for name, requirement in checked.items():
        wanted = f">={requirement.lowest}" + (f",<{requirement.below}" if requirement.below else "")
        assert set(wanted.split(",")) == {str(part) for part in ranges[name]}


def test_lines_that_are_not_understood_are_no_surprise(tmp_path):
    path = tmp_path / "requirements.txt"
    for line, words in (("numpy>=2", "numpy>=2"), ('a==1 ; os_name == "nt"', "condition")):
        path.write_text(f"# comment\n{line}\n")
        with pytest.raises(SetupError, match=re.escape(words)):
            read_requirements(path, (3, 11, 0))
