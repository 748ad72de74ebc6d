"""Checks of surfaces and previews, run by test_previews.py in a fresh process.

`inside_previews.py --check NAME FOLDER ...`.

Prints "CHECK passed" at the end; an assertion that fails ends the process with code 1.
"""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

import bpy
import numpy as np

from blender_addon.blender import images as pictures
from blender_addon.errors import RenderError
from blender_addon.heads import surface_import
from blender_addon.heads.ply import read_ply
from blender_addon.render import previews as rendering
from tests.blender_addon.inside import main

SKIN = (200, 150, 120)


def fake_worker():
    path = ROOT / "tests/fake_engine/core/worker.py"
    spec = importlib.util.spec_from_file_location("fake_worker", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_ball(folder):
    worker = fake_worker()
    vertices, faces, colors, confidence = worker.ball(SKIN)
    # Green on the subject's left, blue at the top; the fake engine makes the nose red.
    colors[vertices[:, 0] > 0.07] = (20, 180, 20)
    colors[vertices[:, 2] > 0.06] = (20, 20, 200)
    path = folder / "ball" / "surface.ply"
    path.parent.mkdir()
    worker.write_ply(path, vertices, faces, colors, confidence)
    return path


def counts():
    kinds = ("scenes", "worlds", "objects", "meshes", "cameras", "lights", "materials", "collections")
    return {kind: sorted(getattr(bpy.data, kind).keys()) for kind in kinds}


def check_import(folder):
    path = write_ball(folder)
    surface = read_ply(path)
    mesh = surface_import.import_surface(path)
    assert mesh.name == "ball"
    assert len(mesh.vertices) == len(surface.vertices)
    assert len(mesh.polygons) == len(surface.faces)
    assert not mesh.validate(verbose=True), "Blender had to repair the mesh"
    co = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", co)
    assert np.array_equal(co.reshape(-1, 3), surface.vertices)
    corners = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    assert np.array_equal(corners.reshape(-1, 3), surface.faces)
    outward = sum((p.center - sum_of(mesh)).dot(p.normal) > 0 for p in mesh.polygons)
    assert outward == len(mesh.polygons)
    assert all(p.use_smooth for p in mesh.polygons)
    # Closed: Euler's formula for a ball.
    assert len(mesh.vertices) - len(mesh.edges) + len(mesh.polygons) == 2

    assert mesh.color_attributes.active_color.name == "Color"
    assert mesh.color_attributes.render_color_index == 0
    stored = np.empty(len(mesh.vertices) * 4, np.float32)
    mesh.color_attributes["Color"].data.foreach_get("color_srgb", stored)
    assert np.array_equal(np.rint(stored.reshape(-1, 4)[:, :3] * 255), surface.colors)
    values = np.empty(len(mesh.vertices), np.float32)
    mesh.attributes["confidence"].data.foreach_get("value", values)
    assert np.array_equal(values, surface.confidence)


def sum_of(mesh):
    from mathutils import Vector

    return sum((v.co for v in mesh.vertices), Vector()) / len(mesh.vertices)


def close(color, other, by=60):
    return np.abs(np.asarray(color, int) - other).max() <= by


def check_views(folder):
    mesh = read_ply(write_ball(folder))
    size = 96
    for renderer in (rendering.WORKBENCH, rendering.CYCLES):
        views = rendering.render_views(mesh, [0, 90, -90], size, renderer)
        assert views.shape == (size, 3 * size, 3)
        front, right_side, left_side = np.split(views, 3, 1)
        for view in (front, right_side, left_side):
            assert close(view[2, 2], rendering.BACKGROUND, 2), renderer
            # The ball is 0.2 m of the 0.3 m that a view shows.
            covered = (np.abs(view.astype(int) - rendering.BACKGROUND).max(2) > 12).mean()
            assert abs(covered - np.pi / 9) < 0.03, (renderer, covered)
        center, edge = size // 2, int(size * 0.29)
        red = front[center, center].astype(int)
        assert red[0] > 2 * red[1], ("nose in front", renderer, red)
        top = front[center - edge, center].astype(int)
        assert top[2] > 1.5 * top[0], ("up is up", renderer, top)
        left = front[center, center + edge].astype(int)
        assert left[1] > 1.5 * left[0], ("the subject's left is on the viewer's right", renderer, left)
        for view, side in ((right_side, 1), (left_side, -1)):
            nose = view[center, center + side * (edge + 3)].astype(int)
            assert nose[0] > 1.5 * nose[1], ("nose to the side", renderer, nose)
        assert left_side[center, center, 1] > 1.5 * left_side[center, center, 0], renderer
        middle = right_side[center, center].astype(int)
        assert middle[0] > middle[1] > middle[2], ("the subject's right cheek", renderer, middle)


def check_preview(folder):
    path = write_ball(folder)
    photo = np.zeros((40, 40, 3), np.uint8)
    photo[:20] = (250, 10, 10)
    photo[20:] = (10, 10, 250)
    pictures.save_png(folder / "photo.png", photo)
    assert np.array_equal(pictures.load_picture(folder / "photo.png")[..., :3], photo)
    out = rendering.render_preview(path, folder / "with ü.png", photo=folder / "photo.png", size=64)
    preview = pictures.load_picture(out)
    assert preview.shape == (64, 256, 4)
    assert close(preview[10, 32, :3], (250, 10, 10), 4)
    assert close(preview[54, 32, :3], (10, 10, 250), 4)
    without = pictures.load_picture(rendering.render_preview(path, folder / "without.png", size=64))
    assert without.shape == (64, 192, 4)
    assert close(without[..., :3], preview[:, 64:, :3], 6)
    assert not list(folder.glob("*.part*"))


def check_nothing_of_the_users_is_touched(folder):
    path = write_ball(folder)
    scene = bpy.context.scene
    scene.name = "photobust"  # even so
    scene.render.resolution_x = 321
    scene.render.filepath = "/mine/####"
    bpy.data.meshes.new("photobust head")
    bpy.data.materials.new("photobust")
    for ob in scene.objects:
        ob.select_set(True)
    before = counts()
    for renderer in (rendering.WORKBENCH, rendering.CYCLES):
        rendering.render_preview(path, folder / "preview.png", size=32, renderer=renderer)
        assert counts() == before, (counts(), before)
    assert bpy.context.scene == scene
    assert (scene.render.resolution_x, scene.render.filepath) == (321, "/mine/####")
    assert all(ob.select_get() for ob in scene.objects)
    images = len(bpy.data.images)
    for _ in range(3):
        rendering.render_preview(path, folder / "preview.png", size=32)
    assert len(bpy.data.images) == images


def check_pictures_that_cannot_be(folder):
    path = write_ball(folder)
    (folder / "broken.png").write_bytes(b"not a picture")
    for photo in (folder / "broken.png", folder / "none.png"):
        try:
            rendering.render_preview(path, folder / "preview.png", photo=photo, size=32)
        except RenderError as error:
            assert photo.name in str(error)
        else:
            raise AssertionError("no error")
    try:
        rendering.render_preview(path, folder / "ball/surface.ply/preview.png", size=32)
    except RenderError as error:
        assert "cannot be written" in str(error)
    else:
        raise AssertionError("no error")


def check_probe(folder, renderer):
    assert rendering.WorkbenchProbe().renderer() == renderer


if __name__ == "__main__":
    main(globals())
