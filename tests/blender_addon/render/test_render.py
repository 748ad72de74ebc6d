"""Stills, turntables and assets, in fresh processes with bpy and in Debian's Blender."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from blender_addon.render.mp4 import boxes
from tests.conftest import ROOT

SCRIPT = Path(__file__).with_name("inside_render.py")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two results' folders: the average head in one color, and a ball with a red nose."""
    from core.io.head_files import texture_bytes
    from core.io.head_npz import head_npz_bytes
    from core.template.topology import HeadTopology
    from tests.core.head_samples import MODELS, rigged_head
    from tests.fake_engine.core import worker

    folder = tmp_path_factory.mktemp("render")
    head, surface = folder / "head", folder / "surface"
    head.mkdir()
    surface.mkdir()
    topology = HeadTopology.load(MODELS)
    provenance = {"photo": "head.jpg", "photo_sha256": "0" * 64}
    (head / "head.npz").write_bytes(head_npz_bytes(rigged_head(topology), provenance))
    texture = np.full((64, 64, 4), 255, np.uint8)
    texture[..., :3] = (200, 120, 80)
    (head / "albedo.png").write_bytes(texture_bytes(texture))
    vertices, faces, colors, _ = worker.ball((200, 150, 120))
    colors[vertices[:, 0] > 0.05] = (60, 180, 60)
    colors[vertices[:, 1] > 0.12] = (60, 60, 200)
    # The photo saw the subject's left, x > 0, better.
    worker.write_ply(surface / "surface.ply", vertices, faces, colors, 0.5 + 4.0 * vertices[:, 0])
    for where in (head, surface):
        document = {"input": {"name": f"{where.name}.jpg", "sha256": where.name * 8}, "files": {}}
        (where / "face.json").write_text(json.dumps(document))
    return folder


@pytest.fixture
def folder(made, tmp_path):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def check(run_in_blender, folder):
    def run(name, *arguments):
        done = run_in_blender(SCRIPT, "--check", name, folder, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert all(f"{one} passed" in done.stdout for one in name.split(","))

    return run


def test_pictures(check):
    check(
        "stills,cycles,displacement,stopped_turntable,object,transparent,covered_part,own_reader,reduced,"
        "small_textures,operator"
    )


def test_a_turntable_and_its_video_as_others_read_it(check, folder):
    cv2 = pytest.importorskip("cv2")
    check("turntable")
    video = folder / "surface/turntable.mp4"
    kinds = [kind for kind, *_ in boxes(video.read_bytes())]
    assert kinds.index(b"moov") < kinds.index(b"mdat"), "a web page can play it while it loads"
    reader = cv2.VideoCapture(str(video))
    frames = []
    while (read := reader.read())[0]:
        frames.append(read[1].astype(int))
    assert len(frames) == 6 and round(reader.get(cv2.CAP_PROP_FPS)) == 10
    assert int(reader.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little").lower() in (b"h264", b"avc1")
    for k, frame in enumerate(frames):
        picture = cv2.imread(str(folder / f"surface/turntable/{k:03d}.png")).astype(int)
        assert picture.shape == (97, 97, 3) and frame.shape == (96, 96, 3)
        # One row and column are cut off, on whichever side; colors are coarser, 4:2:0.
        away = min(np.abs(picture[y : y + 96, x : x + 96] - frame).mean() for y in (0, 1) for x in (0, 1))
        assert away < 6, (k, away)


def test_whichever_program_makes_the_video_it_is_readable(check, folder):
    cv2 = pytest.importorskip("cv2")
    check("video")
    reader = cv2.VideoCapture(str(folder / "film.mp4"))
    means = []
    while (read := reader.read())[0]:
        assert read[1].shape == (48, 64, 3)
        means.append(read[1].mean())
    assert np.abs(np.array(means) - [0, 60, 120, 180]).max() < 4, means


def test_an_asset_as_another_blender_process_finds_it(check, folder, tmp_path):
    library = tmp_path / "library"
    check("asset", library)
    check("asset_read", library)


@pytest.fixture
def blend(folder, run_in_blender):
    """A .blend with two meshes: a head at an odd place, large, and a cube."""
    script = folder / "make.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "import bpy\n"
        "from blender_addon.heads.head_npz import read_head\n"
        "from blender_addon.heads.build import build_head\n"
        f"folder = {str(folder / 'head')!r}\n"
        "for one in list(bpy.data.objects): bpy.data.objects.remove(one)\n"
        "head = build_head(read_head(folder + '/head.npz'), folder + '/albedo.png',\n"
        "                  bpy.context.scene.collection, 'Face')\n"
        "head.location, head.scale = (40, 50, -6), (30, 30, 30)\n"
        "bpy.context.scene.collection.objects.link(bpy.data.objects.new('Lamp', None))\n"
        "bpy.ops.mesh.primitive_cube_add()\n"
        f"bpy.ops.wm.save_as_mainfile(filepath={str(folder / 'some.blend')!r})\n"
    )
    done = run_in_blender(script)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "some.blend"


def test_the_script_for_any_object(run_in_blender, blend, folder):
    from PIL import Image

    script, out = ROOT / "scripts/render.py", folder / "pictures"
    before = blend.read_bytes()
    options = ("--size", "80", "--turntable-size", "64", "--renderer", "workbench")
    done = run_in_blender(
        script, blend, "--object", "Face", "--out", out, "--views", "front,side", "--turntable", "4", *options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in out.iterdir()) == [
        "render_front.png",
        "render_side.png",
        "turntable",
        "turntable.mp4",
    ]
    pictures = [np.array(Image.open(out / f"render_{view}.png")).astype(int) for view in ("front", "side")]
    assert all(picture.shape == (80, 80, 3) for picture in pictures)
    for picture in pictures:
        assert 0.15 < (np.ptp(picture, -1) > 12).mean() < 0.7
    assert np.abs(pictures[0] - pictures[1]).mean() > 3
    assert blend.read_bytes() == before, "the file is not changed"
    assert len(list((out / "turntable").glob("*.png"))) == 4
    for wrong, words in (
        (("--object", "Nobody"), 'no object "Nobody"'),
        (("--object", "Lamp"), "no mesh"),
        (("--views", "above"), "choose from front"),
        (("--turntable", "1"), "2 to 1000"),
    ):
        done = run_in_blender(script, blend, "--out", out, *wrong)
        assert done.returncode == 1 and words in done.stderr, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    done = run_in_blender(script, folder / "none.blend", "--out", out)
    assert done.returncode == 1 and "There is no file" in done.stderr
