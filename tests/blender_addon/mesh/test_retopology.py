"""Quads for hostile and for real meshes, and levels of detail, in fresh processes."""

import shutil
import sys
from pathlib import Path

import pytest

from blender_addon.engine.client import WorkerClient
from blender_addon.engine.locate import find_engine
from tests.conftest import PATIENCE_SECONDS

SCRIPT = Path(__file__).with_name("inside_retopology.py")

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def reconstructed(tmp_path_factory):
    """A face's folder, with surface and head, of the astronaut."""
    data = pytest.importorskip("skimage.data")
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("reconstructed")
    image.fromarray(data.astronaut()).save(folder / "astronaut.jpg", quality=95)
    with WorkerClient(find_engine(sys.executable)) as client:
        options = {"head": True, "texture": 1024}
        result = client.submit_reconstruct(folder / "astronaut.jpg", folder / "out", options=options).wait(
            PATIENCE_SECONDS
        )
    (face,) = result["faces"]
    return Path(face["folder"])


@pytest.fixture
def folder(reconstructed, tmp_path):
    """A copy of it."""
    return Path(shutil.copytree(reconstructed, tmp_path / "face"))


def run(run_in_blender, name, *arguments):
    done = run_in_blender(SCRIPT, "--check", name, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"{one} passed" in done.stdout for one in name.split(","))


def test_hostile_meshes(run_in_blender, tmp_path):
    run(run_in_blender, "crossing,touching,plane,dirty,scaled,not_possible", tmp_path)


def test_what_hangs_on_the_mesh_comes_along(run_in_blender, tmp_path):
    run(run_in_blender, "carried_over,modifiers", tmp_path)


def test_other_numbers_are_tried(run_in_blender, tmp_path):
    run(run_in_blender, "other_density,spikes", tmp_path)


def test_nothing_is_lost_on_the_way_to_the_process_and_back(run_in_blender, tmp_path):
    run(run_in_blender, "process", tmp_path)


def test_button_as_users_expect(run_in_blender, tmp_path):
    run(run_in_blender, "operator,linked", tmp_path)


def test_real_surface(run_in_blender, folder):
    run(run_in_blender, "surface", folder, "1500")


@pytest.mark.parametrize("source", ["head", "surface"])
def test_levels_of_detail(run_in_blender, folder, source):
    run(run_in_blender, "lods", folder, source)


def test_levels_tear_nothing_off(run_in_blender, folder):
    run(run_in_blender, "attached", folder)
