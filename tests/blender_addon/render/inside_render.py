"""Checks of stills, turntables and assets, run by test_render.py in a fresh process.

`inside_render.py --check NAME FOLDER ...`; FOLDER has head/ and surface/, two results' folders. Prints
"NAME passed" at the end; an assertion that fails ends the process with code 1.
"""

import json
import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

import bpy
import numpy as np
from mathutils import Matrix

from blender_addon.blender.images import load_picture, save_png, two_thirds
from blender_addon.blender.temporary_data import block_names
from blender_addon.blender_worker.steps import load_step
from blender_addon.errors import AddonError
from blender_addon.heads.build import build_head
from blender_addon.heads.head_materials import IMAGE_NODE
from blender_addon.heads.head_npz import read_head
from blender_addon.render import render_scene, renderers, stills, subjects, turntable, video
from tests.blender_addon.inside import main

WORKBENCH = "BLENDER_WORKBENCH"
#: sRGB of the head's texture, in test_render.py.
SKIN = np.array((200, 120, 80))
SIZE = 96


def everything():
    """What a user would notice: all data-blocks, scene, selection, settings, lights."""
    scene = bpy.context.scene
    return {
        "blocks": block_names() | {("shapes", key.name) for key in bpy.data.shape_keys},
        "scene": scene.name,
        "selected": [ob.name for ob in scene.objects if ob.select_get()],
        "active": bpy.context.view_layer.objects.active,
        "engine": scene.render.engine,
        "size": (scene.render.resolution_x, scene.render.resolution_y, scene.render.filepath),
        "frame": scene.frame_current,
        "matrices": [tuple(map(tuple, ob.matrix_world)) for ob in scene.objects],
        "lights": [light.name for light in bpy.context.preferences.studio_lights],
    }


def error_of(function, *arguments, **options):
    try:
        function(*arguments, **options)
    except AddonError as error:
        return str(error)
    raise AssertionError("no error")


def rgb(path):
    return load_picture(path)[..., :3].astype(int)


def covered(picture):
    """Which pixels are not backdrop: it is gray."""
    return np.ptp(picture, -1) > 12


def check_stills(folder):
    before = everything()
    step = load_step("render")
    for kind in ("head", "surface"):
        result = step(
            folder / kind, {"size": SIZE, "renderer": WORKBENCH, "views": ["front", "side", "back"]}
        )
        assert list(result.files) == ["render_front.png", "render_side.png", "render_back.png"]
        assert result.facts == {"shows": kind, "size": SIZE, "renderer": WORKBENCH}
        front, side, back = (rgb(folder / kind / name) for name in result.files)
        assert front.shape == (SIZE, SIZE, 3)
        assert np.ptp(front[:3, :3], -1).max() <= 1, "the backdrop is a neutral gray"
        assert not covered(front)[[0, -1]].any() and not covered(front)[:, [0, -1]].any(), "all of it is seen"
        assert 0.15 < covered(front).mean() < 0.7
        assert np.abs(front - side).mean() > 3 and np.abs(front - back).mean() > 1
    # The colors are the texture's, neither washed out nor dark.
    front = rgb(folder / "head/render_front.png")
    cheek = front[int(SIZE * 0.52) : int(SIZE * 0.6), int(SIZE * 0.4) : int(SIZE * 0.6)].reshape(-1, 3)
    cheek = np.median(cheek, 0)
    assert np.abs(cheek - SKIN).max() < 40, cheek
    assert np.abs(cheek / cheek.sum() - SKIN / SKIN.sum()).max() < 0.03, cheek
    # The photo saw the subject's left better: the nose, red, points to the viewer's left.
    side = rgb(folder / "surface/render_side.png")
    red = (side[..., 0] > 1.6 * side[..., 1]) & (side[..., 0] > 1.6 * side[..., 2])
    assert red.any() and np.nonzero(red)[1].mean() < SIZE / 3
    assert everything() == before
    assert not list(folder.rglob("*.part*"))
    assert "no view 'above'" in error_of(step, folder / "head", {"views": ["above"]})
    assert "nothing to show" in error_of(step, folder, {"renderer": WORKBENCH})
    assert "not 5" in error_of(step, folder / "head", {"size": 5})
    assert "no renderer" in error_of(step, folder / "head", {"renderer": "crayons"})


def check_cycles(folder):
    before = everything()
    step = load_step("render")
    for kind in ("head", "surface"):
        pictures = []
        for renderer in (WORKBENCH, "cycles"):
            step(folder / kind, {"size": 64, "renderer": renderer, "views": ["front"], "samples": 4})
            pictures.append(rgb(folder / kind / "render_front.png"))
        quick, slow = pictures
        both = covered(quick) & covered(slow)
        assert both.sum() > 0.9 * covered(quick).sum(), "they show the same"
        # About as bright, whoever renders.
        assert np.abs(quick[both].mean(0) - slow[both].mean(0)).max() < 30
    assert everything() == before


def check_displacement(folder):
    """What a shader moves beyond its mesh's vertices is in the picture."""
    bpy.ops.mesh.primitive_uv_sphere_add()
    ball = bpy.context.object
    material = bpy.data.materials.new("bulge")
    material.use_nodes = True
    for settings in (material, getattr(material, "cycles", None)):  # where it is differs by Blender's version
        if hasattr(settings, "displacement_method"):
            settings.displacement_method = "DISPLACEMENT"
    nodes, links = material.node_tree.nodes, material.node_tree.links
    displacement = nodes.new("ShaderNodeDisplacement")
    for name, value in (("Height", 0.65), ("Midlevel", 0.5), ("Scale", 1.0)):  # 0.15 outward
        displacement.inputs[name].default_value = value
    links.new(displacement.outputs["Displacement"], nodes["Material Output"].inputs["Displacement"])
    ball.data.materials.append(material)
    subject = subjects.of_object(bpy.context, ball)
    with render_scene.RenderScene(subject.build, renderers.CYCLES, SIZE, 4, transparent=True) as scene:
        seen = scene.render_view(0.0)[..., 3] > 128
    bpy.data.objects.remove(ball)
    # The ball alone leaves a margin: what it bulges to reaches the picture's borders.
    assert seen[1:-1].any(1).all() and seen[:, 1:-1].any(0).all()


def check_turntable(folder):
    before = everything()
    step = load_step("turntable")
    out = folder / "surface"
    (out / "turntable").mkdir()
    (out / "turntable/mine.txt").write_text("not Photobust's")
    options = {"size": SIZE + 1, "renderer": WORKBENCH, "video": "none"}
    step(out, {**options, "frames": 12})
    result = step(out, {**options, "frames": 8, "video": "blender", "fps": 10})
    names = [f"turntable/{k:03d}.png" for k in range(8)]
    assert list(result.files) == [*names, "turntable.mp4"]
    assert result.facts["video"] == "blender" and result.facts["frames"] == 8
    there = sorted(path.name for path in (out / "turntable").iterdir())
    assert there == [*(name.split("/")[1] for name in names), "mine.txt"], there
    frames = [rgb(out / name) for name in names]
    for k, one in enumerate(frames):
        for other in frames[:k]:
            assert np.abs(one - other).max() > 60, "every picture is another"
    # Each is what a still at that angle is, so the steps are equal and the first is frontal.
    subject = subjects.of_folder(out)
    turns = {folder / f"{k}.png": 45.0 * k for k in range(8)}
    stills.render(subject.build, turns, WORKBENCH, SIZE + 1)
    for path, frame in zip(turns, frames, strict=True):
        assert np.array_equal(rgb(path), frame)
    assert everything() == before
    assert not list(folder.rglob("*.part*"))
    # The right side comes first: the nose, red, goes to the viewer's right.
    red = (frames[1][..., 0] > 1.6 * frames[1][..., 1]) & (frames[1][..., 0] > 1.6 * frames[1][..., 2])
    assert np.nonzero(red)[1].mean() > SIZE / 2 + 5
    # Without a video, an earlier turn's is gone: it would show something else.
    step(out, {**options, "frames": 2})
    assert not (out / "turntable.mp4").exists()
    step(out, {**options, "frames": 6, "video": "auto", "fps": 10})
    assert "to 1000 pictures" in error_of(step, out, {**options, "frames": 1})
    assert "by 'magic'" in error_of(step, out, {**options, "video": "magic"})


def check_video(folder):
    """By ffmpeg if there is one and it works, else by Blender; a name with a per cent sign is no pattern."""
    pictures = folder / "100% of %03d"
    pictures.mkdir()
    for k in range(4):
        save_png(pictures / f"{k:03d}.png", np.full((48, 64, 3), 60 * k, np.uint8))
    real = shutil.which("ffmpeg")
    out = folder / "film.mp4"
    os.environ["PATH"] = str(folder / "bin")
    assert "no program ffmpeg" in error_of(video.encode, pictures, 4, out, 10, "ffmpeg")
    assert video.encode(pictures, 4, out, 10) == "blender" and out.stat().st_size > 300
    out.unlink()
    program = folder / "bin/ffmpeg"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'Unknown encoder libx264' >&2\nexit 1\n")
    program.chmod(0o755)
    assert "Unknown encoder libx264" in error_of(video.encode, pictures, 4, out, 10, "ffmpeg")
    assert not out.exists()
    assert video.encode(pictures, 4, out, 10, "auto") == "blender", "what does not work is not insisted on"
    assert "cannot be read" in error_of(video.encode, folder / "bin", 4, out, 10, "blender")
    assert not list(folder.glob("*.part*"))
    if real:
        program.unlink()
        program.symlink_to(real)
        assert video.encode(pictures, 4, folder / "film.mp4", 10) == "ffmpeg"


def check_stopped_turntable(folder):
    """What is not finished leaves nothing behind."""
    before = everything()
    subject = subjects.of_folder(folder / "surface")
    with turntable.Turntable(subject.build, folder / "out", WORKBENCH, frames=5, size=32) as turn:
        assert turn.step() and turn.step()
        # Somebody else's data that came meanwhile stays.
        bpy.data.meshes.new("photobust surface of somebody's")
    assert list((folder / "out").iterdir()) == []
    bpy.data.meshes.remove(bpy.data.meshes["photobust surface of somebody's"])
    assert everything() == before
    with render_scene.RenderScene(subject.build, WORKBENCH, 32) as scene:
        bpy.data.objects.remove(
            next(ob for ob in bpy.data.objects if ob.name.startswith("photobust surface"))
        )
        assert "is gone" in error_of(scene.render_view, 0.0)
    assert everything() == before


def check_asset(folder, library):
    cube = bpy.data.objects.new("somebody", bpy.data.meshes.new("somebody"))
    bpy.context.scene.collection.objects.link(cube)  # has the name that the asset has to have
    before = everything()
    step = load_step("asset")
    common = {"library": library, "renderer": WORKBENCH, "author": "Ann Artist", "licence": "CC-BY-4.0"}
    head = step(folder / "head", {**common, "name": "somebody", "tags": ["demo", "demo", " "]})
    options = {**common, "catalogue": "Mine/Surfaces", "description": "As it is"}
    surface = step(folder / "surface", options)
    assert not head.files and head.facts["shows"] == "head" and surface.facts["shows"] == "surface"
    files = sorted(path.name for path in Path(library).glob("*.blend"))
    assert files == sorted([head.facts["file"], surface.facts["file"]])
    again = step(folder / "head", {**common, "name": "somebody"})
    assert again.facts == head.facts, "the same head takes its own place"
    other = step(folder / "surface", {**options, "name": "somebody"})
    assert other.facts["file"] != head.facts["file"], "another one does not"
    Path(library, other.facts["file"]).unlink()
    assert everything() == before and cube.name == cube.data.name == "somebody"
    assert not list(Path(library).glob("*.part*"))
    (Path(library) / "a file").write_text("")
    assert "cannot be written" in error_of(step, folder / "head", {**common, "library": f"{library}/a file"})
    assert "asset library" in error_of(step, folder / "head", {})
    (folder / "facts.json").write_text(json.dumps([head.facts, surface.facts]))


def check_asset_read(folder, library):
    """In another process: what an artist finds in the library."""
    import addon_utils

    addon_utils.enable("blender_addon", default_set=True)
    written = json.loads((folder / "facts.json").read_text())
    for kind, facts in zip(("head", "surface"), written, strict=True):
        path = str(Path(library, facts["file"]))
        for link in (True, False):
            bpy.ops.wm.read_homefile(use_empty=True)
            with bpy.data.libraries.load(path, link=link, assets_only=True) as (there, wanted):
                assert there.objects == ["somebody" if kind == "head" else "surface"]
                wanted.objects = there.objects
            (ob,) = wanted.objects
            check_asset_object(ob, kind, facts)
            if not link:
                bpy.context.scene.collection.objects.link(ob)
                assert bpy.context.evaluated_depsgraph_get().objects[ob.name].data.vertices
        # Opened itself, the file shows its head and needs no other.
        bpy.ops.wm.open_mainfile(filepath=path)
        shown = [one for one in bpy.context.scene.objects if one.type == "MESH"]
        assert [one.asset_data is not None for one in shown] == [True]
        assert not bpy.utils.blend_paths(absolute=True, packed=False)
    text = (Path(library) / "blender_assets.cats.txt").read_text("utf-8")
    assert f"{facts['catalogue']}:Mine/Surfaces:Mine-Surfaces" in text


def check_asset_object(ob, kind, facts):
    data = ob.asset_data
    assert data.author == "Ann Artist" and data.catalog_id == facts["catalogue"]
    license = getattr(data, "license", None)  # since 3.5
    assert license == "CC-BY-4.0" or (license is None and "CC-BY-4.0" in data.description)
    assert kind in data.tags and "photobust" in data.tags
    assert ("52 blendshapes, 15 visemes, 10 bones" if kind == "head" else "As it is") in data.description
    assert ob["photobust_photo"] == f"{kind}.jpg" and ob["photobust_photo_sha256"]
    assert ob.photobust.is_head and json.loads(ob.photobust.manifest)["input"]["name"] == f"{kind}.jpg"
    if kind == "head":
        assert len(ob.data.shape_keys.key_blocks) == 54 + 15
        assert ob.parent.name == "somebody rig" and ob.modifiers[0].object == ob.parent
        assert len(ob.parent.data.bones) == 10
        images = {n.image for m in ob.data.materials for n in m.node_tree.nodes if n.type == "TEX_IMAGE"}
        # (Blender makes the path relative to the file that the image is appended to.)
        assert images and all(image.packed_file and image.size[0] == 64 for image in images)
        assert all(Path(bpy.path.abspath(i.filepath)).parent.name != "head" for i in images)
    else:
        assert ob.data.color_attributes and ob.data.materials[0].node_tree
    # The preview is the picture that was rendered, upright: the middle is the head's, the corners are empty.
    assert tuple(ob.preview.image_size) == (256, 256)
    values = np.array(ob.preview.image_pixels_float[:]).reshape(256, 256, 4)
    assert values[128, 128, 3] > 0.99 and values[[0, 0, -1, -1], [0, -1, 0, -1], 3].max() == 0
    assert 0.15 < (values[..., 3] > 0.5).mean() < 0.7
    rows = np.nonzero((values[..., 3] > 0.5).any(1))[0]
    if kind == "head":  # the neck, at the bottom, is cut off straight and wider than the crown
        widths = (values[..., 3] > 0.5).sum(1)
        assert widths[rows[0] + 3] > widths[rows[-1] - 3]
        middle = values[110:140, 110:140, :3].reshape(-1, 3).mean(0)
        assert np.abs(middle / middle.sum() - SKIN / SKIN.sum()).max() < 0.05


def add_head(folder, name="Face"):
    return build_head(
        read_head(folder / "head/head.npz"), folder / "head/albedo.png", bpy.context.scene.collection, name
    )


def check_object(folder):
    """Any object, framed whatever its size, place, parent and whether it is hidden; with its modifiers."""
    for one in list(bpy.data.objects):
        bpy.data.objects.remove(one)
    ob = add_head(folder)
    ob.select_set(True)
    bpy.context.view_layer.objects.active = ob
    before = everything()
    reference = picture_of(ob)
    assert everything() == before
    assert 0.15 < covered(reference).mean() < 0.7
    # In pixels, it is placed the same.
    parent = bpy.data.objects.new("parent", None)
    bpy.context.scene.collection.objects.link(parent)
    parent.matrix_world = Matrix.Translation((-700, 20, 40))
    ob.parent = parent
    ob.scale = (50, 50, 50)
    ob.location = (3, 4, 5)
    bpy.context.view_layer.update()
    placed = picture_of(ob)
    assert np.abs(placed - reference).mean() < 1.5, np.abs(placed - reference).mean()
    ob.hide_viewport = True
    assert np.abs(picture_of(ob) - placed).mean() < 0.5
    ob.hide_viewport = False
    # Its shapes and modifiers count.
    ob.data.shape_keys.key_blocks["jawOpen"].value = 1.0
    opened = np.abs(picture_of(ob) - placed)
    assert opened.mean() > 0.5 and opened.max() > 20, (opened.mean(), opened.max())
    array = ob.modifiers.new("two", "ARRAY")
    array.count = 2
    two = picture_of(ob)
    assert not covered(two)[:, [0, -1]].any()
    wide, high = (covered(two).any(axis).sum() for axis in (0, 1))
    assert wide > 1.15 * high, ("two side by side", wide, high)
    # Turned first: its back is at the front.
    ob.modifiers.clear()
    back = picture_of(ob, turn=180.0)
    assert np.abs(back - picture_of(ob)).mean() > 2
    assert "no mesh" in error_of(subjects.of_object, bpy.context, parent)
    assert "Choose a mesh" in error_of(subjects.of_object, bpy.context, None)
    empty = bpy.data.objects.new("empty", bpy.data.meshes.new("empty"))
    assert '"empty" has no faces' in error_of(picture_of, empty)
    # Workbench is for what it can show.
    assert subjects.of_object(bpy.context, ob).faithful
    red = bpy.data.materials.new("red")
    red.use_nodes = True
    ob.material_slots[0].link = "OBJECT"
    ob.material_slots[0].material = red
    assert not subjects.of_object(bpy.context, ob).faithful


def picture_of(ob, turn=0.0):
    subject = subjects.of_object(bpy.context, ob, turn)
    with render_scene.RenderScene(subject.build, WORKBENCH, SIZE) as scene:
        return scene.render_view(0.0).astype(int)


def check_transparent(folder):
    subject = subjects.of_folder(folder / "head")
    with render_scene.RenderScene(subject.build, WORKBENCH, SIZE, transparent=True) as scene:
        picture = scene.render_view(0.0)
    assert picture.shape == (SIZE, SIZE, 4)
    alpha = picture[..., 3]
    assert alpha[0, 0] == 0 and alpha[SIZE // 2, SIZE // 2] == 255
    edge = (alpha > 60) & (alpha < 200)
    assert edge.any(), "edges are smooth"
    # Straight alpha: edges are of the skin's color, not darkened.
    hue = picture[edge][:, :3].astype(float)
    hue = (hue / hue.sum(1, keepdims=True)).mean(0)
    assert np.abs(hue - SKIN / SKIN.sum()).max() < 0.06, hue


def check_covered_part(folder):
    """Only the part of a picture in which there is something is rendered, and nothing of it is missing."""
    found = render_scene.covered_part
    subject = subjects.of_folder(folder / "head")
    sizes = (render_scene.SMALL // 2, 2 * SIZE - 1, 2 * SIZE)
    # Small pictures, and those of an odd size, are rendered another way.
    assert len({render_scene._sampling(WORKBENCH, size) for size in sizes}) == 2
    for size, turns in zip(sizes, ((0.0,), (0.0,), (0.0, 40.0, 90.0)), strict=True):
        with render_scene.RenderScene(subject.build, WORKBENCH, size, transparent=True) as scene:
            for turn in turns:
                picture, parts = scene.render_view(turn), []

                def all_of_it(points, distance, side, parts=parts):
                    parts.append(found(points, distance, side))
                    return 0, 0, side, side

                render_scene.covered_part = all_of_it
                try:
                    assert np.array_equal(scene.render_view(turn), picture)
                finally:
                    render_scene.covered_part = found
                (left, top, right, bottom) = parts[0]
                assert (right - left) * (bottom - top) < 0.8 * size * size
                assert picture.shape == (size, size, 4) and 0.15 < (picture[..., 3] > 0).mean() < 0.7
    # A box of 0.2 in the middle, from 1 away, in front of which it is 1.1 wide; and one around the camera.
    box = np.array([(x, y, z) for x in (-0.1, 0.1) for y in (-0.1, 0.1) for z in (-0.1, 0.1)])
    reach = 100 * (1 - 0.1 / (0.9 * np.tan(render_scene.HALF_ANGLE)))
    left, top, right, bottom = found(box, 1.0, 200)
    assert left == top and right == bottom == 200 - left and reach - 4 <= left <= reach
    assert found(box * 20, 1.0, 200) == (0, 0, 200, 200)
    assert found(box * 4.4, 1.0, 201) == (0, 0, 201, 201)


def check_own_reader(folder):
    """What is rendered is read as Blender reads it, and by our own reader."""
    subject = subjects.of_folder(folder / "head")
    with render_scene.RenderScene(subject.build, WORKBENCH, SIZE) as scene:
        scene.render_view(0.0)
        made = next(one for one in bpy.data.scenes if one.name.startswith("photobust"))
        picture = renderers.render_linear(made)
        renderers.read_rgba, kept = (lambda data: None), renderers.read_rgba
        try:
            assert np.array_equal(renderers.render_linear(made), picture)
        finally:
            renderers.read_rgba = kept
        path = folder / "picture.exr"
        renderers.render_file(made, path)
        assert np.array_equal(kept(path.read_bytes()), picture)


def check_reduced(folder):
    picture = np.random.default_rng(0).random((9, 6, 4)).astype(np.float32)
    small = two_thirds(picture)
    assert small.shape == (6, 4, 4)
    fine = picture.repeat(2, 0).repeat(2, 1).reshape(6, 3, 4, 3, 4).mean((1, 3))
    assert np.allclose(small, fine, atol=1e-6)


def check_small_textures(folder):
    """In small pictures a large texture is smaller: skin and lashes keep their own alpha modes."""
    large = np.zeros((2048, 2048, 4), np.uint8)
    large[:, ::2] = (100, 50, 200, 255)
    save_png(folder / "head/albedo.png", large)
    subject = subjects.of_folder(folder / "head", smooth=False)
    scene = bpy.data.scenes.new("small")
    before = {image.name for image in bpy.data.images}
    ob = subject.build(scene.collection).object
    images = {
        node.image
        for material in ob.data.materials
        for node in material.node_tree.nodes
        if node.name == IMAGE_NODE
    }
    assert {image.alpha_mode for image in images} == {"CHANNEL_PACKED", "STRAIGHT"}
    for image in images:
        assert image.name not in before and tuple(image.size) == (1024, 1024)
        values = np.array(image.pixels[:4000]).reshape(-1, 4) * 255
        assert np.abs(values - (50, 25, 100, 127.5)).max() < 1


def check_operator(folder):
    import addon_utils

    addon_utils.enable("blender_addon", default_set=True)
    for one in list(bpy.data.objects):
        bpy.data.objects.remove(one)
    assert not bpy.ops.photobust.turntable.poll()
    ob = add_head(folder)
    bpy.context.view_layer.objects.active = ob
    ob.select_set(True)
    assert bpy.ops.photobust.turntable.poll()
    before = everything()
    done = bpy.ops.photobust.turntable(directory=str(folder / "out"), frames=3, size=64, film=False)
    assert done == {"FINISHED"}
    assert everything() == before
    assert sorted(path.name for path in (folder / "out/Face_turntable").iterdir()) == [
        "000.png",
        "001.png",
        "002.png",
    ]
    assert "Wrote 3 pictures" in bpy.context.window_manager.photobust.message
    # With its hair, if there is any.
    lock = bpy.data.meshes.new("lock")
    lock.from_pydata([(-0.1, -0.12, 0.05), (0.1, -0.12, 0.05), (0.0, -0.12, 0.2)], [], [(0, 1, 2)])
    hair = bpy.data.objects.new("hair", lock)
    hair["photobust_hair"], hair.parent = "shell", ob
    bpy.context.scene.collection.objects.link(hair)
    before = everything()
    bald = rgb(folder / "out/Face_turntable/000.png")
    bpy.ops.photobust.turntable(directory=str(folder / "out"), frames=3, size=64, film=False)
    assert everything() == before
    assert (np.abs(rgb(folder / "out/Face_turntable/000.png") - bald).max(-1) > 20).mean() > 0.1
    try:
        bpy.ops.photobust.turntable(directory="", frames=3)
    except RuntimeError as error:
        assert "Choose a folder" in str(error)
    else:
        raise AssertionError("no error")
    # Hair that hangs down far does not make the face small.
    near = subjects.of_object(bpy.context, ob).build(bpy.context.scene.collection).distance
    lock.vertices[2].co.z = -0.9
    assert subjects.of_object(bpy.context, ob).build(bpy.context.scene.collection).distance <= near


if __name__ == "__main__":
    main(globals())
