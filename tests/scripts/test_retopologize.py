"""scripts/retopologize.py on a .blend of somebody's, in plain Python with bpy and in Blender."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts/retopologize.py"
#: Makes FOLDER/face.blend, or tells what is in a .blend: name, faces, all of them quads, hidden.
HELPER = """
import sys
import bpy

what, path = sys.argv[-2:]
if what == "make":
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    bpy.ops.mesh.primitive_uv_sphere_add(location=(3, 0, 0))
    bpy.context.active_object.name = "Face"
    bpy.ops.object.light_add()
    bpy.ops.wm.save_as_mainfile(filepath=path)
else:
    bpy.ops.wm.open_mainfile(filepath=path)
    for one in sorted(bpy.data.objects, key=lambda one: one.name):
        if one.type == "MESH":
            quads = all(len(face.vertices) == 4 for face in one.data.polygons)
            print("FOUND", one.name, len(one.data.polygons), quads, one.hide_get(), sep="|")
sys.stdout.flush()
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def blend(run_in_blender, tmp_path):
    helper = tmp_path / "helper.py"
    helper.write_text(HELPER)
    path = tmp_path / "face.blend"
    done = run_in_blender(helper, "make", path)
    assert done.returncode == 0 and path.is_file(), done.stdout + done.stderr
    return path


def found(run_in_blender, path):
    """{name: (faces, all quads, hidden)} of the meshes in a .blend."""
    done = run_in_blender(path.parent / "helper.py", "tell", path)
    lines = [line.split("|")[1:] for line in done.stdout.splitlines() if line.startswith("FOUND")]
    return {name: (int(count), quads == "True", hidden == "True") for name, count, quads, hidden in lines}


def test_copy_beside_the_file(run_in_blender, blend):
    before = blend.read_bytes()
    done = run_in_blender(SCRIPT, blend, "--object", "Face", "--quads", "600")
    assert done.returncode == 0, done.stdout + done.stderr
    assert blend.read_bytes() == before
    meshes = found(run_in_blender, blend.with_name("face_quads.blend"))
    assert meshes["Face"][2] and not meshes["Face quads"][2] and not meshes["Cube"][2]
    count, quads, _ = meshes["Face quads"]
    assert quads and abs(count - 600) <= 90
    assert str(blend.with_name("face_quads.blend")) in done.stdout


def test_in_place_and_mistakes(run_in_blender, blend):
    before = blend.read_bytes()
    for arguments, words in (
        (["--object", "Nobody"], 'no object "Nobody". Mesh objects here: Cube, Face'),
        (["--object", "Camera"], '"Camera" is no mesh'),
        (["--object", "Face", "--quads", "3"], "Ask for 50"),
        (["--object", "Face", "--out", "face.doc"], "--out must end in"),
        ([], "Say which object"),
    ):
        done = run_in_blender(SCRIPT, blend, *arguments)
        assert done.returncode == 1 and words in done.stderr, (done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
    assert blend.read_bytes() == before
    done = run_in_blender(SCRIPT, blend, "--object", "Face", "--quads", "400", "--in-place")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Face quads" in found(run_in_blender, blend)
    assert not blend.with_name("face_quads.blend").exists()


@pytest.mark.parametrize("end", ["glb", "ply"])
def test_other_formats(run_in_blender, blend, end):
    out = blend.with_name(f"quads.{end}")
    done = run_in_blender(SCRIPT, blend, "--object", "Face", "--quads", "400", "--out", out)
    assert done.returncode == 0, done.stdout + done.stderr
    assert out.read_bytes()[:3] == (b"glT" if end == "glb" else b"ply")
    assert not [path for path in blend.parent.iterdir() if path.name.startswith(".")]
