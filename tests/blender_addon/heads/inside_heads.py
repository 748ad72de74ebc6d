"""Checks of the animation-ready head in Blender, run by test_head.py in a fresh process.

`inside_heads.py --check build|export|read|real FOLDER ...`; FOLDER has head.npz, albedo.png and face.json.
Prints "CHECK passed" at the end; an assertion that fails ends the process with code 1.
"""

import dataclasses
import json
import re
import struct
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

import bpy

import addon_utils  # isort: skip  # after bpy, which brings it
import numpy as np
from mathutils import Quaternion, Vector

from blender_addon.blender import glb_document
from blender_addon.blender.glb_file import glb_chunks
from blender_addon.blender.images import load_picture, save_png
from blender_addon.blender_worker.open_head import open_head
from blender_addon.errors import AddonError
from blender_addon.heads import armature, hair, hair_follow, hair_strands, lookup, photographed
from blender_addon.heads import export as head_export
from blender_addon.heads.armature import rig_of
from blender_addon.heads.build import SUBDIVISION, build_head
from blender_addon.heads.engine_glb import engine_glb
from blender_addon.heads.face_document import FaceDocument
from blender_addon.heads.hair_copies import hair_copies
from blender_addon.heads.hair_solid import TONES_LAYER, add_tones, picture_node, without_tones
from blender_addon.heads.head_materials import FINISHES, IMAGE_NODE, true_refraction
from blender_addon.heads.head_npz import MATERIALS, read_head
from blender_addon.heads.loaded import LoadedHead
from blender_addon.heads.refresh import refresh_head
from blender_addon.operators import polls
from blender_addon.render import subjects
from blender_addon.render.renderers import CYCLES, WORKBENCH
from tests.blender_addon.heads.head_file_samples import hair_arrays, hanging_hair_arrays, npz
from tests.blender_addon.inside import assert_no_path_of, main

#: Meters: an adult's head without the neck's end, in the template.
HEIGHT = (0.22, 0.33)
IMPORTERS = {
    "fbx": lambda path: bpy.ops.import_scene.fbx(filepath=path),
    "obj": lambda path: bpy.ops.wm.obj_import(filepath=path),
    "usd": lambda path: bpy.ops.wm.usd_import(filepath=path),
    "glb": lambda path: bpy.ops.import_scene.gltf(filepath=path),
}


def coordinates(points, count):
    values = np.empty(3 * count, np.float32)
    points.foreach_get("co", values)
    return values.reshape(-1, 3)


def check_build(folder):
    data = read_head(folder / "head.npz")
    head = build_head(data, folder / "albedo.png", bpy.context.scene.collection, "somebody")
    mesh = head.data
    count = len(data.neutral)
    assert (len(mesh.vertices), len(mesh.polygons)) == (count, len(data.quads))
    assert all(len(face.vertices) == 4 for face in mesh.polygons)
    assert all(face.use_smooth for face in mesh.polygons)
    assert FINISHES.keys() == MATERIALS
    keys = mesh.shape_keys.key_blocks
    assert [key.name for key in keys] == ["Basis", "Photo", *data.blendshape_names, *data.visemes.names]
    assert len(keys) == 54 + 15
    assert np.array_equal(coordinates(keys["Basis"].data, count), data.neutral)
    assert np.array_equal(coordinates(keys["Photo"].data, count), data.photo)
    jaw = data.blendshapes[data.blendshape_names.index("jawOpen")]
    assert np.allclose(coordinates(keys["jawOpen"].data, count) - data.neutral, jaw, atol=1e-6)
    assert keys["Photo"].value == 1.0 and keys["jawOpen"].value == 0.0
    uv = np.empty(2 * len(mesh.loops), np.float32)
    mesh.uv_layers.active.data.foreach_get("uv", uv)
    assert np.array_equal(uv.reshape(-1, 2), data.uv[data.quad_uv].reshape(-1, 2))
    names = {group.name for group in head.vertex_groups}
    assert names == {*data.part_names, "landmarks", *data.rig.names}
    assert list(head["photobust_landmarks"]) == data.landmark.tolist()
    assert head["photobust_photo"] == data.provenance["photo"]
    assert len(mesh.materials) == 6 and all(m.node_tree for m in mesh.materials)
    assert [modifier.type for modifier in head.modifiers] == ["ARMATURE", "SUBSURF"]
    assert (head.modifiers[SUBDIVISION].levels, head.modifiers[SUBDIVISION].render_levels) == (1, 2)
    smooth = head.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
    assert len(smooth.polygons) == 4 * len(data.quads)
    teeth = np.unique(data.quads[data.face_part == data.part_names.index("teeth_upper")])
    points = coordinates(smooth.vertices, len(smooth.vertices))
    assert np.allclose(points[teeth], data.photo[teeth], atol=1e-6), "creased"
    # Every view takes the lashes' alpha for holes, and it darkens no other color.
    textured = [m for m in mesh.materials if IMAGE_NODE in m.node_tree.nodes]
    clear = {m.name: m for m in mesh.materials if m not in textured}
    assert set(clear) == {"somebody cornea", "somebody tears"}
    assert all(m.diffuse_color[3] < 0.2 for m in clear.values()), "the solid view must show the iris"
    for m in clear.values():
        shader = next(node for node in m.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
        assert shader.inputs["Alpha"].default_value < 0.1
    alpha = {m.name: m.node_tree.nodes[IMAGE_NODE].image.alpha_mode for m in textured}
    assert alpha.pop("somebody lashes") == "STRAIGHT" and set(alpha.values()) == {"CHANNEL_PACKED"}
    assert next(m for m in mesh.materials if m.name == "somebody lashes").diffuse_color[3] < 0.5
    image = head_export.head_image(head)
    assert image.packed_file and tuple(image.size) == (64, 64)
    maps = head_export.map_images(head)
    assert set(maps) == {"normal", "roughness"} and all(one.packed_file for one in maps.values())
    assert all(one.colorspace_settings.name == "Non-Color" for one in maps.values())
    skin = next(m for m in mesh.materials if m.name == "somebody skin").node_tree
    principled = next(node for node in skin.nodes if node.type == "BSDF_PRINCIPLED")
    assert principled.inputs["Normal"].is_linked and principled.inputs["Roughness"].is_linked
    check_thin_and_occluded(skin, principled)
    check_refraction(next(m for m in mesh.materials if m.name == "somebody cornea"))
    assert not mesh.validate(verbose=True), "Blender had to repair the mesh"
    assert_no_path_of(folder / "albedo.png")
    # In a window of its own it takes the place of the startup file's cube.
    if "Cube" not in bpy.data.objects:
        bpy.ops.mesh.primitive_cube_add()
    opened = open_head(folder, "opened")
    assert "Cube" not in bpy.data.objects and bpy.context.view_layer.objects.active == opened
    assert bpy.context.selected_objects == [opened] and len(opened.data.polygons) == len(data.quads)
    assert head_export.head_image(opened).packed_file
    # It survives saving, without its folder.
    (folder / "albedo.png").unlink()
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "head.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(folder / "head.blend"))
    head = bpy.data.objects["somebody"]
    assert len(head.data.shape_keys.key_blocks) == 54 + 15 and len(rig_of(head).data.bones) == 10
    assert head_export.head_image(head).packed_file

    check_hair(head, folder)


def check_hair(head, folder):
    """One product of the hair is shown, moves with the head, and changes without being made anew."""
    (folder / "hair.npz").write_bytes(npz(hair_arrays()))
    for name in ("hair_cards.png", "hair_cards_normal.png", "hair_shell.png", "hair_cover.png"):
        save_png(folder / name, np.full((8, 8, 4), 200, np.uint8))
    made = {ob[hair.MARK]: ob for ob in hair.add_hair(head, folder)}
    curves = {"strands", "brows_strands"} if hair_strands.are_possible() else set()
    assert set(made) == {"shell", "cards", "cover", "brows"} | curves
    assert {ob[hair.MARK] for ob in hair.shown_of(head)} == {"shell", "cards", "cover", "brows"}
    check_brows(head, made.pop("brows"), made.pop("brows_strands", None))
    check_tones()
    nodes = made["cards"].data.materials[0].node_tree.nodes
    principled = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    turned = principled.inputs["Normal"].links[0].from_node
    side = turned.inputs["Scale"].links[0].from_node
    assert side.inputs[0].links[0].from_socket.name == "Backfacing", "backs were black"
    assert all(ob.parent == rig_of(head) and ob.parent_bone == hair.HEAD_BONE for ob in made.values())
    bpy.context.view_layer.update()
    for ob in made.values():
        assert np.allclose(np.array(ob.matrix_world), np.array(head.matrix_world), atol=1e-6)
        assert ob.type != "MESH" or not ob.data.validate(verbose=True)
    bpy.context.view_layer.objects.active = made["cards"]
    if hasattr(head, "photobust") and head.photobust.is_head:
        assert lookup.active_head(bpy.context) == head
    assert hair.typical_color(head)[0] > hair.typical_color(head)[2]

    def points(part):
        ob = made[part].evaluated_get(bpy.context.evaluated_depsgraph_get())
        mesh = ob.to_mesh()  # a second call frees what the first one gave
        return coordinates(mesh.vertices, len(mesh.vertices))

    below = points("shell")
    hair.show(head, "shell")
    assert {ob[hair.MARK] for ob in hair.shown_of(head)} == {"shell", "cover", "brows"}
    bpy.context.view_layer.update()
    assert np.allclose(points("shell")[:, 2] - below[:, 2], 0.01, atol=1e-6), "no cards press it in"
    hair.show(head, "cards")
    assert len(points("cards")) == 8 and hair.hair_as_made(head, folder)
    hair.show(head, "strands")
    assert hair.hair_as_made(head, folder), "glTF has cards for strands"
    hair.show(head, "shell")
    assert not hair.hair_as_made(head, folder)
    hair.show(head, "cards")
    hair.set_color(head, (1.0, 0.1, 0.1))
    assert not hair.hair_as_made(head, folder)
    hair.set_color(head, hair.typical_color(head))
    hair.set_amount(head, 0.5, 1.0)
    assert len(points("cards")) == 4
    hair.set_amount(head, 1.0, 0.5)
    assert len(points("cards")) == 4
    hair.set_amount(head, 1.0, 1.0)
    assert len(points("cards")) == 8
    with hair_copies(bpy.context, head, head, False) as copies:
        names = {copy.name.removeprefix("somebody ") for copy in copies}
        assert names == {"hair shell", "hair cards", "cover", "brows"}
        assert all(TONES_LAYER not in copy.data.uv_layers for copy in copies), "files have no use for it"
    assert made["cards"].data.uv_layers.active.name == TONES_LAYER
    assert made["cards"].name == made["cards"].data.name == "somebody hair cards"
    check_hair_follows(head, made)
    hair.show(head, "none")
    hair.show_facial(head, "none")
    assert not hair.shown_of(head) and hair.products_of(head)[:3] == ["none", "shell", "cards"]
    hair.remove_hair(head)
    assert not hair.hair_of(head)
    for renderer, parts in ((WORKBENCH, {"shell"}), (CYCLES, {"shell", "cards"})):
        scene = bpy.data.scenes.new("render")
        subjects.of_folder(folder, renderer=renderer).build(scene.collection)
        made = {ob.get(hair.MARK) for ob in scene.objects} & {"shell", "cards", "strands"}
        assert made == parts, (renderer, made)
        bpy.data.scenes.remove(scene)


def check_hair_sliders(folder):
    """The panel's sliders change all that is shown, in the Solid view, too, and are undone."""
    switch_on()
    (folder / "hair.npz").write_bytes(npz(hanging_hair_arrays()))
    for name in ("hair_cards.png", "hair_shell.png", "hair_cover.png"):
        save_png(folder / name, np.full((8, 8, 3), 128, np.uint8))
    _, head, _ = neutral_head(folder)
    head.photobust.is_head, head.photobust.folder = True, str(folder)
    hair.add_hair(head, folder, "shell")
    hair.reset_hair_properties(head)
    head.select_set(True)
    bpy.context.view_layer.objects.active = head
    bpy.ops.ed.undo_push(message="made")
    note = head.photobust

    def outline():
        shell = bpy.context.scene.objects["somebody hair shell"]
        return np.ptp(shown_points(shell), axis=0)

    whole = outline()
    assert np.allclose(whole, [0.1, 0.04, 0.3], atol=1e-5)
    note.hair_length = 0.5
    assert abs(outline()[2] / whole[2] - 0.5) < 0.1 and outline()[1] < whole[1] + 0.01
    note.hair_length, note.hair_density = 1.0, 0.0
    thick = np.ptp(
        shown_points(bpy.context.scene.objects["somebody hair shell"])[40:80], axis=0
    )  # rows in the middle
    assert 0.3 < thick[1] / whole[1] < 0.6 and outline()[2] > 0.8 * whole[2], (thick, outline())
    note.hair_density = 1.0
    assert np.allclose(outline(), whole, atol=1e-5)
    check_hair_color(head)
    head = bpy.context.scene.objects["somebody"]  # undoing has read it anew
    assert bpy.ops.photobust.comb_by_photo() == {"CANCELLED"}, "there is nothing to do"
    head.photobust.hair_length = 0.5
    assert bpy.ops.photobust.comb_by_photo() == {"FINISHED"}
    assert head.photobust.hair_length == 1.0 and np.allclose(outline(), whole, atol=1e-5)
    assert bpy.ops.photobust.comb_by_photo() == {"CANCELLED"}


def check_combed(folder):
    """Hair that is made again takes the place of what was there, with its materials and pictures."""
    switch_on()
    (folder / "hair.npz").write_bytes(npz(hair_arrays()))
    for name in ("hair_cards.png", "hair_shell.png", "hair_cover.png"):
        save_png(folder / name, np.full((8, 8, 4), 200, np.uint8))
    head = named_head(folder, "Ann")
    hair.add_hair(head, folder)
    hair.reset_hair_properties(head)
    kinds = ("objects", "meshes", "materials", "images", "node_groups", "curves", "hair_curves")
    before = {kind: sorted(getattr(bpy.data, kind).keys()) for kind in kinds if hasattr(bpy.data, kind)}
    head.photobust.hair_length = 0.5
    assert bpy.ops.photobust.comb_by_photo() == {"FINISHED"}
    after = {kind: sorted(getattr(bpy.data, kind).keys()) for kind in before}
    assert after == before, {kind: set(after[kind]) ^ set(before[kind]) for kind in before}
    # Hair that the user deletes is gone, for files too, until it is made again.
    bpy.ops.object.select_all(action="DESELECT")
    next(ob for ob in hair.hair_of(head) if ob[hair.MARK] == "cards").select_set(True)
    assert bpy.ops.object.delete() == {"FINISHED"}
    assert "cards" not in {ob[hair.MARK] for ob in hair.hair_of(head)} and "cards" not in hair.products_of(
        head
    )
    assert bpy.ops.photobust.comb_by_photo() == {"FINISHED"}
    assert "cards" in {ob[hair.MARK] for ob in hair.hair_of(head)}
    after = {kind: sorted(getattr(bpy.data, kind).keys()) for kind in before}
    assert after == before, {kind: set(after[kind]) ^ set(before[kind]) for kind in before}
    # A photo without hair is no damaged folder.
    (folder / "hair.npz").unlink()
    for missing, words in (("", "No hair was made of this photo"), ("head.npz", "has no hair.npz")):
        if missing:
            (folder / missing).unlink(missing_ok=True)
        elif not (folder / "head.npz").is_file():
            (folder / "head.npz").write_bytes(b"")
        try:
            bpy.ops.photobust.comb_by_photo()
            raise AssertionError("there is no hair")
        except RuntimeError as error:
            assert words in str(error), error
    # What is used elsewhere stays.
    kept = bpy.data.materials["Ann hair shell"]
    bpy.data.meshes.new("other").materials.append(kept)
    hair.remove_hair(head)
    assert [m.name for m in bpy.data.materials if "hair" in m.name] == ["Ann hair shell"]
    assert kept.node_tree.nodes and any(
        node.type == "TEX_IMAGE" and node.image for node in kept.node_tree.nodes
    )


def check_hair_color(head):
    """What the Solid view shows of hair has the color that was chosen, and is as before if that is undone."""
    name = head.name

    def solid(part):
        (ob,) = (ob for ob in hair.hair_of(bpy.data.objects[name]) if ob[hair.MARK] == part)
        material = ob.data.materials[0]
        if ob.type != "MESH":
            return np.array(material.diffuse_color[:3])
        image = material.node_tree.nodes.active.image
        return np.array(image.pixels[:3])

    parts = {ob[hair.MARK] for ob in hair.hair_of(head)} & set(hair.DYED)
    before = {part: solid(part) for part in (*parts, "cover")}
    images = len(bpy.data.images)
    for color in ((0.0, 0.5, 0.0), (0.6, 0.0, 0.0)):
        head.photobust.hair_color = color
    for part in parts:
        assert solid(part)[0] > 0.2 and solid(part)[1:].max() < 0.05, part
    assert np.allclose(solid("cover"), before["cover"])
    assert len(bpy.data.images) == images + 2, "one for the shell, one for the cards"
    bpy.ops.ed.undo_push(message="dyed")
    bpy.data.objects[name].photobust.hair_color = (0.0, 0.0, 0.6)
    bpy.ops.ed.undo_push(message="dyed again")
    assert solid("shell")[2] > 0.2
    bpy.ops.ed.undo()
    assert solid("shell")[0] > 0.2 and solid("shell")[2] < 0.05
    bpy.ops.ed.undo()
    head = bpy.data.objects[name]
    assert all(np.allclose(solid(part), before[part], atol=0.01) for part in before)
    head.photobust.hair_color = hair.typical_color(head)
    assert len(bpy.data.images) == images


def check_hair_files(folder):
    """Files have hair's pictures, dyed, brows their own, and nothing that only the Solid view needs."""
    switch_on()
    (folder / "hair.npz").write_bytes(
        npz(hair_arrays() | {"brows_card_colors": np.full((8, 3), 30, np.uint8)})
    )
    for name in ("hair_cards.png", "hair_cards_normal.png", "hair_shell.png", "hair_cover.png"):
        save_png(folder / name, np.full((8, 8, 4), 200, np.uint8))
    head = named_head(folder, "Ann")
    hair.add_hair(head, folder)
    hair.set_color(head, (0.5, 0.0, 0.0))
    for name in {"obj", "glb", "usd"} & set(head_export.formats()):
        out = folder / f"out {name}"
        assert bpy.ops.photobust.export_head(directory=str(out), formats={name}) == {"FINISHED"}
        if name == "glb":
            pictures = {
                image["name"] for image in glb_json(out / "Ann.glb")["images"] if "cards" in image["name"]
            }
            assert pictures == {"Ann_hair_cards_color", "Ann_brows_cards_color", "Ann_hair_cards_normal"}
            modes = {m["name"]: m.get("alphaMode") for m in glb_json(out / "Ann.glb")["materials"]}
            assert modes["Ann hair cards"] == modes["Ann brows"] == "MASK", modes
            assert modes["Ann lashes"] == "BLEND" and modes["Ann hair shell"] is None
            continue
        pictures = {
            path.stem.removeprefix("Ann_"): load_picture(path)[0, 0, :3] for path in out.glob("*.png")
        }
        pictures = {part: color for part, color in pictures.items() if "hair" in part or "brows" in part}
        colors = {"hair_shell_color", "hair_cover", "hair_cards_color", "brows_cards_color"}
        assert pictures.keys() == colors | {"hair_cards_normal"}, (name, pictures.keys())
        red = {part for part in colors if pictures[part][0] > 2 * pictures[part][1]}
        assert red == {"hair_shell_color", "hair_cards_color"}, (name, pictures)
        if name == "obj":
            shown = {
                line.split()[-1] for line in (out / "Ann.mtl").read_text().splitlines() if "map_Kd" in line
            }
            assert {f"Ann_{part}.png" for part in colors} <= shown, shown
    check_files_in_folder(folder)


def check_files_in_folder(folder):
    """In a result's folder, what files refer to is listed with them, and the engine's pictures stay."""
    before = {path.name: path.read_bytes() for path in folder.glob("*.png")}
    made = head_export.export_folder(bpy.context, folder, ["obj"])
    own = {"hair_shell_color.png", "hair_cards_color.png", "brows_cards_color.png"}
    assert made.keys() >= {"head.obj", "head.mtl", *own}, made
    assert own.isdisjoint(before) and all((folder / name).read_bytes() == before[name] for name in before)
    listed = json.loads((folder / "face.json").read_text("utf-8"))["files"]
    for line in (folder / "head.mtl").read_text().splitlines():
        if line.startswith("map_"):
            assert line.split()[-1] in made.keys() | before.keys(), line
    assert made.keys() <= listed.keys()


def check_painted(folder):
    """Files show what was painted in Blender, though no picture file has it; exported again, the same."""
    switch_on()
    head, out = named_head(folder, "Ann"), folder / "out"
    paint(head_export.head_image(head), (0, 1, 0, 1))
    for _ in range(2):
        assert bpy.ops.photobust.export_head(directory=str(out), formats={"glb", "obj"}) == {"FINISHED"}
    names = {path.name for path in out.iterdir()}
    pictures = {f"Ann_{name}.png" for name in ("albedo", "normal", "roughness")}
    assert names == {"Ann.glb", "Ann.obj", "Ann.mtl", *pictures}, names
    assert tuple(load_picture(out / "Ann_albedo.png")[0, 0]) == (0, 255, 0, 255)
    document, binary = glb_chunks((out / "Ann.glb").read_bytes())
    view = document["bufferViews"][next(i for i in document["images"] if "albedo" in i["name"])["bufferView"]]
    (folder / "of_glb.png").write_bytes(binary[view["byteOffset"] :][: view["byteLength"]])
    assert tuple(load_picture(folder / "of_glb.png")[0, 0]) == (0, 255, 0, 255)
    check_painted_lashes(head, folder / "lashes")
    # Somebody's own picture is in the GLB file, too, and not once more beside it.
    own = folder / "own.bmp"
    image = bpy.data.images.new("own", 8, 8)
    image.filepath_raw, image.file_format = str(own), "BMP"
    image.save()
    for node in head_export._image_nodes(head, (IMAGE_NODE,)):
        node.image = bpy.data.images.load(str(own))
    assert bpy.ops.photobust.export_head(directory=str(folder / "own"), formats={"glb"}) == {"FINISHED"}
    assert [path.name for path in (folder / "own").iterdir()] == ["Ann.glb"]


def check_painted_lashes(head, out):
    """What was painted on the lashes, which have a copy of the texture, is a picture of its own."""
    _, copy = head_export.head_images(head)
    paint(copy, (0, 0, 1, 1))
    for packed in (False, True):
        if packed:
            copy.pack()
        there = out / str(packed)
        assert bpy.ops.photobust.export_head(directory=str(there), formats={"obj"}) == {"FINISHED"}
        shown = dict(
            re.findall(
                r"newmtl (\S+)\n(?:[^m].*\n|map_[^K].*\n)*map_Kd (\S+)", (there / "Ann.mtl").read_text()
            )
        )
        lashes = next(name for name in shown if "lashes" in name)
        assert tuple(load_picture(there / shown.pop(lashes))[0, 0, :3]) == (0, 0, 255), shown
        assert set(shown.values()) == {"Ann_albedo.png"}
        assert tuple(load_picture(there / "Ann_albedo.png")[0, 0, :3]) == (0, 255, 0)


def check_painted_hair(folder):
    """A picture of hair that was made in Blender is dyed in files, and stays as it is in Blender."""
    switch_on()
    (folder / "hair.npz").write_bytes(npz(hair_arrays()))
    for name in ("hair_cards.png", "hair_cards_normal.png", "hair_shell.png", "hair_cover.png"):
        save_png(folder / name, np.full((8, 8, 4), 200, np.uint8))
    head = named_head(folder, "Ann")
    hair.add_hair(head, folder)
    hair.set_color(head, (0.5, 0.0, 0.0))
    (shell,) = (ob for ob in hair.hair_of(head) if ob[hair.MARK] == "shell")
    made = bpy.data.images.new("made", 8, 8)
    paint(made, (0.5, 0.5, 0.5, 1))
    picture_node(shell.data.materials[0]).image = made
    shell.data.materials.append(None)  # an empty slot
    shell.data.name = "an artist's name"
    bpy.ops.object.select_all(action="SELECT")
    for name in sorted({"obj", "glb", "fbx"} & set(head_export.formats())):
        out = folder / name
        assert bpy.ops.photobust.export_head(directory=str(out), formats={name}) == {"FINISHED"}
        assert abs(made.pixels[0] - 0.5) < 0.01, "Blender's own picture was dyed"
        assert shell.data.name == "an artist's name"
    red, green, _, _ = load_picture(folder / "obj" / "Ann_made_color.png")[0, 0].tolist()
    assert red > 2 * green, (red, green)


def paint(image, color):
    image.pixels.foreach_set(np.tile(np.float32(color), image.size[0] * image.size[1]))
    image.update()


def check_tones():
    """The Solid view shows each card in about its own color; all else goes by the strand atlas."""
    colors = np.repeat(np.random.default_rng(0).integers(0, 3, 400), 3)[:, None] * [60, 40, 20] + [50, 40, 30]
    mesh = bpy.data.meshes.new("cards")
    corners = np.random.default_rng(1).random((1200, 3))
    mesh.from_pydata(corners.tolist(), [], np.arange(1200).reshape(-1, 3).tolist())
    uv = np.random.default_rng(2).random((1200, 2)).astype(np.float32)
    mesh.uv_layers.new(name="UVMap").data.foreach_set("uv", uv.ravel())
    for height, width in ((512, 1024), (1, 1)):
        material = bpy.data.materials.new("cards")
        material.use_nodes = True
        atlas = np.full((height, width, 4), 0.8, np.float32)
        add_tones(material, mesh, atlas, colors)
        image = material.node_tree.nodes.active.image
        pixels = np.array(image.pixels).reshape(image.size[1], image.size[0], 4)
        shown = np.empty(2400, np.float32)
        mesh.uv_layers.active.data.foreach_get("uv", shown)
        shown = shown.reshape(-1, 3, 2).mean(1)
        assert shown.min() >= 0.0 and shown.max() <= 1.0
        found = pixels[(shown[:, 1] * len(pixels)).astype(int), (shown[:, 0] * image.size[0]).astype(int)]
        assert np.allclose(found[:, :3], 0.8 * colors[::3] / 255.0, atol=0.01)
        assert np.allclose(found[:, 3], 0.8, atol=0.01)
        rendered = next(layer for layer in mesh.uv_layers if layer.active_render)
        assert (mesh.uv_layers.active.name, rendered.name) == (TONES_LAYER, "UVMap")
        without_tones(mesh)
        assert [layer.name for layer in mesh.uv_layers] == ["UVMap"]
        bpy.data.images.remove(image)
        bpy.data.materials.remove(material)
    bpy.data.meshes.remove(mesh)


def check_brows(head, cards, strands):
    """Brows go with the shapes of the skin that they are bound to; one product of them is shown."""
    skin, own = head.data.shape_keys.key_blocks, cards.data.shape_keys.key_blocks
    assert set(own.keys()) <= set(skin.keys()) and len(own) > 1
    name = own[-1].name
    moved = [np.array(skin[name].data[k].co) - skin[0].data[k].co for k in range(3)]
    found = np.array(own[name].data[0].co) - own[0].data[0].co
    assert np.allclose(found, np.mean(moved, axis=0), atol=1e-6)
    before = skin[name].value
    skin[name].value = 0.5
    bpy.context.view_layer.update()
    graph = bpy.context.evaluated_depsgraph_get()
    assert abs(cards.evaluated_get(graph).data.shape_keys.key_blocks[name].value - 0.5) < 1e-6
    skin[name].value = before
    assert strands is None or strands.hide_viewport
    assert hair.facial_product(head) == "cards"
    hair.show_facial(head, "strands")
    assert cards.hide_viewport == (strands is not None)
    hair.show_facial(head, "cards")
    assert not cards.hide_viewport


def check_hair_follows(head, made):
    """Corrected by hand, the head takes its hair along: what is near what moves, and nothing else."""
    skin = coordinates(head.data.vertices, len(head.data.vertices))
    lists = {part: getattr(ob.data, "vertices", None) for part, ob in made.items()}
    places = {part: coordinates(list_, len(list_)) for part, list_ in lists.items() if list_ is not None}
    hair_follow.follow(head, skin, np.tile([0.01, 0.0, 0.0], (len(skin), 1)))
    for part, before in places.items():
        assert np.allclose(coordinates(lists[part], len(before)) - before, [0.01, 0.0, 0.0], atol=1e-6), part
    if "strands" in made:
        assert abs(made["strands"].data.position_data[0].vector.x - 0.01) < 1e-6
    nearest = np.linalg.norm(skin - places["cards"][0], axis=1).argsort()
    offset = np.zeros((len(skin), 3))
    offset[nearest[40:]] = 0.02
    hair_follow.follow(head, skin, offset)
    assert np.allclose(coordinates(lists["cards"], 8)[0] - places["cards"][0], [0.01, 0.0, 0.0], atol=1e-6)


def check_export(folder, *names):
    for name in names:
        export(folder, name)


def export(folder, name):
    """Write one format; print "NAME is not here" if this Blender cannot."""
    before = {
        kind: len(getattr(bpy.data, kind))
        for kind in ("objects", "meshes", "armatures", "materials", "images")
    }
    possible = head_export.formats()
    assert {"fbx", "obj", "glb"} <= set(possible)
    if name not in possible:
        assert name == "usd"  # Debian's Blender has none
        try:
            head_export.export_folder(bpy.context, folder, [name])
        except AddonError as error:
            assert "USD" in str(error)
            print(name, "is not here")
            return
        raise AssertionError("an exporter that is not there has worked")
    path = folder / next(iter(head_export.export_folder(bpy.context, folder, [name])))
    assert path.is_file()
    document = json.loads((folder / "face.json").read_text("utf-8"))
    assert document["files"][path.name]["bytes"] == path.stat().st_size
    after = {kind: len(getattr(bpy.data, kind)) for kind in before}
    assert after == before, f"{before} has become {after}"


def check_read(folder, *names):
    """What Blender's importers find in a fresh process is what was exported."""
    for name in names:
        bpy.ops.wm.read_homefile(use_factory_startup=True)
        read_back(folder, name)


def read_back(folder, name):
    data = read_head(folder / "head.npz")
    for one in list(bpy.data.objects):
        bpy.data.objects.remove(one)
    if "bool" not in dir(np):
        np.bool = bool  # Debian 12's glTF importer is older than its numpy
    IMPORTERS[name](str(folder / f"head{head_export.SUFFIXES.get(name, '.glb')}"))
    heads = [one for one in bpy.context.scene.objects if one.type == "MESH" and one.data.materials]
    assert len(heads) == 1, heads  # beside the shape that glTF's importer draws bones with
    (head,) = heads
    mesh = head.data
    if name == "glb":  # glTF has triangles, and splits vertices where texture coordinates differ
        assert len(mesh.polygons) == 2 * len(data.quads)
    else:
        assert (len(mesh.vertices), len(mesh.polygons)) == (len(data.neutral), len(data.quads))
    bpy.context.view_layer.update()
    world = np.array(head.matrix_world)
    points = coordinates(mesh.vertices, len(mesh.vertices)) @ world[:3, :3].T + world[:3, 3]
    expected = data.photo if name == "obj" else data.neutral
    # The same place, size and axes: z up again, the face along -y, meters.
    assert np.allclose(points.min(0), expected.min(0), atol=2e-5), (points.min(0), expected.min(0))
    assert np.allclose(points.max(0), expected.max(0), atol=2e-5), (points.max(0), expected.max(0))
    assert HEIGHT[0] < np.ptp(points[:, 2]) < HEIGHT[1]
    uv = np.empty(2 * len(mesh.loops), np.float32)
    assert len(mesh.uv_layers) == (1 if name == "obj" else 2)
    first = mesh.uv_layers.get("st") or mesh.uv_layers[0]  # USD's name of the first, in alphabetical order
    first.data.foreach_get("uv", uv)
    uv = uv.reshape(-1, 2)
    assert np.allclose([uv.min(0), uv.max(0)], [data.uv.min(0), data.uv.max(0)], atol=1e-4)
    if name != "obj":
        keys = mesh.shape_keys.key_blocks
        assert {key.name for key in keys} >= {"Photo", *data.blendshape_names}
        count = len(mesh.vertices)
        basis = coordinates(keys[0].data, count)
        moved = coordinates(keys["jawOpen"].data, count) - basis
        longest = np.linalg.norm(moved @ world[:3, :3].T, axis=1).max()
        wanted = np.linalg.norm(data.blendshapes[data.blendshape_names.index("jawOpen")], axis=1).max()
        assert abs(longest - wanted) < 1e-4, (longest, wanted)
    assert len([slot for slot in head.material_slots if slot.material]) == 6
    small = [image for image in bpy.data.images if tuple(image.size) == (32, 32)]
    # Blender's importer does not know OBJ's statement for normals, and would take its numbers for colors.
    assert bool(small) == (name != "obj"), [
        (image.name, image.filepath, tuple(image.size)) for image in bpy.data.images
    ]
    if name == "obj":
        check_mtl(folder)
    images = [image for image in bpy.data.images if tuple(image.size) == (64, 64)]
    assert images, [(image.name, image.filepath) for image in bpy.data.images]
    pixels = np.empty(64 * 64 * 4, np.float32)
    images[0].pixels.foreach_get(pixels)
    assert np.allclose(pixels.reshape(64, 64, 4)[32, 32, :3], [200 / 255, 120 / 255, 80 / 255], atol=0.02)


def check_refraction(material):
    """What is clear refracts as in Blender once a file is written, also where two slots have its material."""
    index = next(n for n in material.node_tree.nodes if n.type == "BSDF_PRINCIPLED").inputs["IOR"]
    before = index.default_value
    with true_refraction([material, material]):
        assert index.default_value != before
    assert index.default_value == before


def check_thin_and_occluded(tree, principled):
    """Thin skin is clearer, thick skin as without the map; glTF's exporter finds the occlusion."""
    maps = {name: tree.nodes[name] for name in ("Thickness", "Occlusion")}
    for node in maps.values():
        assert node.image.packed_file and node.image.colorspace_settings.name == "Non-Color"
    weight = principled.inputs.get("Subsurface Weight")
    if weight is not None:  # since 4.0; before, all light goes in anyway
        fraction = weight.links[0].from_node
        assert fraction.inputs["Value"].links[0].from_node == maps["Thickness"]
        ends = ("From Min", "From Max", "To Min", "To Max")
        low, high, thin, thick = (fraction.inputs[end].default_value for end in ends)
        assert 0 < low < high < 1 and thin > 0.5 and abs(thick - weight.default_value) < 1e-6
        assert fraction.clamp
    group = next(node for node in tree.nodes if node.type == "GROUP")
    assert group.node_tree.name == "glTF Material Output"
    assert group.inputs["Occlusion"].links[0].from_node == maps["Occlusion"]
    assert not group.inputs["Thickness"].is_linked and group.inputs["Thickness"].default_value == 0


def check_mtl(folder):
    """Other programs find normals and true indices of refraction, Blender eyes that shine."""
    parts = (folder / "head.mtl").read_text().split("newmtl ")[1:]
    said = {part.split()[0].rsplit("_", 1)[-1]: part.splitlines()[1:] for part in parts}
    assert [name for name in said if any(line.startswith("norm ") for line in said[name])] == ["skin"]
    assert "norm normal.png" in said["skin"] and (folder / "normal.png").is_file()
    assert not any(
        line.startswith(("map_Bump", "map_Ns", "map_Pr")) for lines in said.values() for line in lines
    )
    for part, index in (("cornea", 1.376), ("tears", 1.336)):
        assert f"Ni {index:.6f}" in said[part], said[part]
        material = next(one for one in bpy.data.materials if one.name.endswith(part))
        shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
        assert abs(shader.inputs["IOR"].default_value - index) < 1e-3
        assert abs(shader.inputs["Alpha"].default_value - 0.06) < 1e-3
        level = shader.inputs.get("Specular IOR Level") or shader.inputs["Specular"]
        assert abs(level.default_value - 0.5 / 0.06) < 1e-2
    skin = next(one for one in bpy.data.materials if one.name.endswith("skin"))
    shader = next(node for node in skin.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    assert not shader.inputs["Normal"].is_linked and not shader.inputs["Roughness"].is_linked
    assert abs(shader.inputs["Roughness"].default_value - 0.5) < 1e-2


def check_write(folder, *names):
    """Write the head of a folder into its folder "out", as the button does."""
    switch_on()
    head = named_head(folder, "Ann")
    bpy.context.scene.photobust.photo = str(folder / "photo.jpg")
    assert bpy.ops.photobust.export_head(directory=str(folder / "out"), formats=set(names)) == {"FINISHED"}
    assert head.name == "Ann" and head.photobust.is_head
    assert head.photobust.folder == str(folder) and bpy.context.scene.photobust.photo == head.photobust.photo


def switch_on():
    assert addon_utils.enable("blender_addon", default_set=True)


def named_head(folder, name, color=None):
    """A head object as the add-on makes it, active."""
    texture = folder / "albedo.png"
    if color:
        from blender_addon.blender.images import save_png

        texture = save_png(folder / f"{name}.color.png", np.full((16, 16, 3), color, np.uint8))
    head = build_head(read_head(folder / "head.npz"), texture, bpy.context.scene.collection, name)
    note = head.photobust
    note.is_head, note.folder, note.photo = True, str(folder), str(folder / "photo.jpg")
    bpy.context.view_layer.objects.active = head
    return head


def obj_points(path):
    lines = path.read_text().splitlines()
    return np.array([line.split()[1:4] for line in lines if line.startswith("v ")], float)


def glb_json(path):
    data = path.read_bytes()
    return json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])


def check_obj_materials(text, name):
    """They name no map that Blender takes for a picture of colors; the head has kept its own."""
    assert f"map_Kd {name}_albedo.png" in text
    assert text.count("normal.png") == 1 and f"norm {name}_normal.png" in text, text
    assert "roughness.png" not in text, text
    skin = next(m for m in bpy.data.objects[name].data.materials if m.name.endswith("skin")).node_tree
    principled = next(node for node in skin.nodes if node.type == "BSDF_PRINCIPLED")
    assert principled.inputs["Normal"].links[0].from_node.type == "NORMAL_MAP"
    assert principled.inputs["Roughness"].links[0].from_node.type == "TEX_IMAGE"


def check_two_heads(folder):
    """Two heads in one folder keep their textures; the options do what they say; nothing is changed."""
    switch_on()
    if "bool" not in dir(np):
        np.bool = bool  # Debian 12's glTF exporter is older than its numpy
    export, out = bpy.ops.photobust.export_head, folder / "out"
    before = None
    for name, color in (("Ann", (200, 40, 40)), ("Bob", (40, 40, 200))):
        named_head(folder, name, color)
        before = before or counts()
        assert export(directory=str(out), formats={"obj", "glb"}) == {"FINISHED"}
        message = bpy.context.window_manager.photobust.message
        pictures = ", ".join(f"{name}_{kind}.png" for kind in ("albedo", "normal", "roughness"))
        assert f"Wrote {name}.glb, {name}.obj, {name}.mtl, {pictures} to" in message, message
        check_obj_materials((out / f"{name}.mtl").read_text(), name)
    assert sorted(path.name for path in out.iterdir()) == sorted(
        f"{name}{end}"
        for name in ("Ann", "Bob")
        for end in (".glb", ".mtl", ".obj", "_albedo.png", "_normal.png", "_roughness.png")
    )
    assert (out / "Ann_albedo.png").read_bytes() != (out / "Bob_albedo.png").read_bytes()

    head = bpy.data.objects["Bob"]
    before, points = counts(), obj_points(out / "Bob.obj")
    target = str(out / "large.obj")
    assert export(filepath=target, formats={"obj"}, scale=100.0, textures=False) == {"FINISHED"}
    assert np.allclose(obj_points(Path(target)), 100.0 * points, atol=1e-3)
    assert not (out / "large_albedo.png").exists() and "map_Kd" not in (out / "large.mtl").read_text()
    assert export(filepath=target, formats={"obj"}, pivot="neck", textures=False) == {"FINISHED"}
    moved = obj_points(Path(target))  # y up
    assert abs(moved[:, 1].min()) < 1e-5, "it stands"
    ring = moved[moved[:, 1] < 1e-4]
    assert np.abs(ring.min(0) + ring.max(0)).max() < 1e-4
    assert np.allclose(moved - moved[0], points - points[0], atol=1e-5)
    assert export(filepath=str(out / "neck.glb"), formats={"glb"}, pivot="neck") == {"FINISHED"}
    nodes = {node["name"]: node for node in glb_json(out / "neck.glb")["nodes"]}
    assert abs(nodes["Bob rig"]["translation"][1] - np.ptp([0.0, points[:, 1].min()])) < 1e-4
    modifier = head.modifiers.new("Subdivision", "SUBSURF")
    modifier.levels = 1
    target = str(out / "plain.glb")
    assert export(filepath=target, formats={"glb"}, shapes=False, textures=False) == {"FINISHED"}
    plain, full = glb_json(Path(target)), glb_json(out / "Bob.glb")
    assert "targets" not in plain["meshes"][0]["primitives"][0] and "images" not in plain
    assert len(full["meshes"][0]["primitives"][0]["targets"]) == 53 + 15 and "images" in full
    assert [node["name"] for node in plain["nodes"]] == ["Bob"] and "skins" not in plain
    assert {"Bob", "Bob rig", *rig_of(head).data.bones.keys()} == {node["name"] for node in full["nodes"]}
    assert triangles(plain) == 4 * triangles(full), "the modifier is applied"
    skinned = {number for number, node in enumerate(full["nodes"]) if "skin" in node}
    assert skinned and skinned <= set(full["scenes"][0]["nodes"]), "readers ignore what is above them"
    assert not skinned & {child for node in full["nodes"] for child in node.get("children", [])}
    skin = full["meshes"][0]["primitives"][0]
    assert "normalTexture" in full["materials"][skin["material"]] and "TANGENT" in skin["attributes"]
    target = str(out / "bare.glb")
    export(filepath=target, formats={"glb"}, shapes=False, apply_modifiers=False)
    assert triangles(glb_json(Path(target))) == triangles(full)
    assert counts() == before and modifier.show_viewport
    assert head.data.shape_keys.key_blocks["Photo"].value == 1.0

    # Another session, another head of the same name: neither picture takes the other's place.
    (out / "Bob_albedo.png").write_bytes((out / "Ann_albedo.png").read_bytes())
    assert export(directory=str(out), formats={"obj"}) == {"FINISHED"}
    assert (out / "Bob_albedo.png").read_bytes() == (out / "Ann_albedo.png").read_bytes()
    assert "Bob_2_albedo.png" in (out / "Bob.mtl").read_text()
    check_the_engines_glb(folder, out, full)


def check_hidden_heads(folder):
    """A head that is hidden and cannot be selected is written like any other, in meters, and stays so."""
    switch_on()
    head = named_head(folder, "Ann")
    rig, scene = rig_of(head), bpy.context.scene
    (folder / "hair.npz").write_bytes(npz(hair_arrays()))
    for name in ("hair_cards.png", "hair_shell.png", "hair_cover.png"):
        save_png(folder / name, np.full((8, 8, 4), 200, np.uint8))
    hair.add_hair(head, folder, "cards")
    hair.set_amount(head, 0.5, 1.0)
    head.data.shape_keys.key_blocks["jawOpen"].value = 1.0
    written = {}
    for name in ("shown", "hidden"):
        out = folder / name
        assert bpy.ops.photobust.export_head(directory=str(out), formats={"fbx", "obj"}) == {"FINISHED"}
        written[name] = {path.name: path.read_bytes() for path in out.iterdir()}
        if name == "shown":
            collection = bpy.data.collections.new("away")
            scene.collection.children.link(collection)
            for ob in (head, rig, *hair.hair_of(head)):
                collection.objects.link(ob)
                scene.collection.objects.unlink(ob)
            for ob in (head, rig):
                ob.hide_viewport = ob.hide_select = True
            collection.hide_viewport = True
            scene.unit_settings.scale_length = 0.01
    assert written["hidden"].keys() == written["shown"].keys()
    assert len(written["shown"]["Ann.obj"]) > 100_000
    for file, data in written["shown"].items():
        assert written["hidden"][file] == data, (file, len(data), len(written["hidden"][file]))
    assert all(ob.hide_viewport and ob.hide_select for ob in (head, rig))
    assert abs(scene.unit_settings.scale_length - 0.01) < 1e-6


def check_the_engines_glb(folder, out, blenders):
    """A head that is still what the engine made is written as the engine's file; one that is not, alike."""
    export = bpy.ops.photobust.export_head
    head = named_head(folder / "engine", "Cid")
    head.photobust.folder = str(folder / "engine")
    engines = (folder / "engine" / "head.glb").read_bytes()
    assert export(directory=str(out), formats={"glb"}) == {"FINISHED"}
    written, document = (out / "Cid.glb").read_bytes(), glb_json(folder / "engine" / "head.glb")
    named = glb_json(out / "Cid.glb")
    assert named["nodes"][0]["name"] == named["meshes"][0]["name"] == "Cid"
    for kind in ("nodes", "meshes"):
        named[kind][0]["name"] = document[kind][0]["name"]
    assert named == document
    assert written[-1000:] == engines[-1000:]
    # With another origin it is the engine's all the same.
    assert export(directory=str(out / "neck"), formats={"glb"}, pivot="neck") == {"FINISHED"}
    moved, accessors = glb_json(out / "neck" / "Cid.glb"), document["accessors"]
    assert moved["asset"] == document["asset"] and len(moved["accessors"]) == len(accessors)
    skin = document["meshes"][0]["primitives"][0]["attributes"]["POSITION"]
    assert abs(moved["accessors"][skin]["min"][1]) < 1e-5 < -accessors[skin]["min"][1], "it stands"
    # As Blender writes it: the same shapes, bones and roughness.
    assert set(document["meshes"][0]["extras"]["targetNames"]) == set(
        blenders["meshes"][0]["extras"]["targetNames"]
    )
    bones = {node["name"] for node in document["nodes"][1:]}
    assert bones and bones <= {node["name"] for node in blenders["nodes"]}
    roughness = [
        {
            material["name"].removeprefix("Bob "): round(
                material["pbrMetallicRoughness"].get("roughnessFactor", 1.0), 4
            )
            for material in one["materials"]
        }
        for one in (document, blenders)
    ]
    assert roughness[0] == roughness[1]
    assert engine_glb(head, folder / "engine") is not None
    for damaged in damaged_glbs(engines):
        (folder / "engine" / "head.glb").write_bytes(damaged)
        assert engine_glb(head, folder / "engine") is None, damaged[:60]
    (folder / "engine" / "head.glb").write_bytes(engines)
    image = head_export.head_image(head)
    paint(image, (0, 1, 0, 1))
    assert engine_glb(head, folder / "engine") is None
    image.reload()
    assert engine_glb(head, folder / "engine") is not None
    head.data.shape_keys.key_blocks["jawOpen"].data[7].co.z += 0.001
    assert export(directory=str(out), formats={"glb"}) == {"FINISHED"}
    assert glb_json(out / "Cid.glb")["asset"]["generator"] != document["asset"]["generator"]


def damaged_glbs(data):
    """The engine's file with documents that are none of its, and nothing of it."""
    document = glb_document.document_of(data)
    for part in (
        {"nodes": [1]},
        {"nodes": [{"mesh": 0}, 1, "x"], "meshes": [3]},
        {"nodes": 1},
        {"meshes": {}},
    ):
        yield glb_document.with_document(data, {**document, **part})
    brackets = b"[" * 400_000
    size = 20 + len(brackets)
    yield struct.pack("<4sIIII", b"glTF", 2, size, len(brackets), glb_document.JSON_CHUNK) + brackets
    yield b""


def counts():
    kinds = ("objects", "meshes", "armatures", "materials", "images")
    return {kind: sorted(getattr(bpy.data, kind).keys()) for kind in kinds}


def triangles(document):
    primitives = [part for mesh in document["meshes"] for part in mesh["primitives"]]
    return sum(document["accessors"][part["indices"]]["count"] for part in primitives) // 3


def check_confidence(folder):
    """Show Confidence works for heads, leaves nothing behind, and is not exported."""
    switch_on()
    if "bool" not in dir(np):
        np.bool = bool
    head = named_head(folder, "Ann")
    mesh, out = head.data, folder / "out"
    nodes = {material.name: sorted(material.node_tree.nodes.keys()) for material in mesh.materials}
    assert bpy.ops.photobust.export_head(directory=str(out), formats={"glb"}) == {"FINISHED"}
    check_corrected_in_files(head, out)
    assert bpy.ops.photobust.show_confidence() == {"FINISHED"}
    assert mesh.color_attributes.active_color.name == "Confidence"
    skin = next(material for material in mesh.materials if material.name.endswith("skin"))
    output = next(node for node in skin.node_tree.nodes if node.type == "OUTPUT_MATERIAL")
    assert output.inputs["Surface"].links[0].from_node.type == "EMISSION"
    legend = [tuple(getattr(bpy.context.window_manager.photobust, f"legend_{k}")) for k in range(3)]
    assert legend[0][2] > legend[0][1] and legend[2][0] > 0.9 > legend[2][2]  # from purple to yellow
    assert bpy.ops.photobust.export_head(filepath=str(out / "shown" / "Ann.glb")) == {"FINISHED"}
    shown, plain = out / "shown" / "Ann.glb", out / "Ann.glb"
    assert glb_json(shown) == glb_json(plain) and shown.stat().st_size == plain.stat().st_size
    assert mesh.color_attributes.active_color.name == "Confidence"
    assert bpy.ops.photobust.show_confidence() == {"FINISHED"}
    assert {m.name: sorted(m.node_tree.nodes.keys()) for m in mesh.materials} == nodes
    assert output.inputs["Surface"].links[0].from_node.type == "BSDF_PRINCIPLED"
    assert "Confidence" not in mesh.color_attributes and "confidence" in mesh.attributes


def check_corrected_in_files(head, out):
    """The shape that shows a further photo while points are dragged gets into no file."""

    def is_opened():
        return photographed.VIEW_SHAPE in head.data.shape_keys.key_blocks

    opened = np.ones((len(head.data.vertices), 3), np.float32)
    (written,) = out.glob("*.glb")
    # Not byte by byte: Blender 3.4's exporter has written other bytes of the same head on a busy machine.
    plain, size = glb_json(written), written.stat().st_size
    photographed.show_as_photographed(head, opened)
    assert is_opened()
    assert bpy.ops.photobust.export_head(directory=str(out), formats={"glb"}) == {"FINISHED"}
    assert glb_json(written) == plain and written.stat().st_size == size
    assert not is_opened()
    photographed.show_as_photographed(head, opened)
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "copy.blend"), copy=True)
    assert not is_opened() and photographed.KEPT not in head
    (out / "copy.blend").unlink()


def shown_points(head):
    """(V, 3): where the head's own vertices are, world: what smooths it comes after shapes and bones."""
    smoothing = head.modifiers.get(SUBDIVISION)
    if smoothing is not None:
        smoothing.show_viewport = False
    bpy.context.view_layer.update()
    evaluated = head.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    world = np.array(evaluated.matrix_world)
    points = coordinates(mesh.vertices, len(mesh.vertices)) @ world[:3, :3].T + world[:3, 3]
    evaluated.to_mesh_clear()
    return points


def neutral_head(folder):
    """What was read, the head without its expression, and its armature."""
    data = read_head(folder / "head.npz")
    head = build_head(data, None, bpy.context.scene.collection, "somebody")
    head.data.shape_keys.key_blocks["Photo"].value = 0.0
    return data, head, rig_of(head)


def unit(data, name):
    return data.neutral + data.blendshapes[data.blendshape_names.index(name)]


def turn(rig, bone, axis, radians):
    setattr(rig.pose.bones[bone].rotation_euler, axis, radians)
    rig.update_tag()


def check_pose(folder):
    """Bones bend the head as the engine's skinning does; nothing moves at rest."""
    data, head, rig = neutral_head(folder)
    assert not rig.show_in_front, "its bones do not hide the face"
    assert rig.name == "somebody rig" and head.parent == rig
    assert tuple(rig.data.bones.keys()) != () and set(rig.data.bones.keys()) == set(data.rig.names)
    for name, parent, start, end in zip(
        data.rig.names, data.rig.parents, data.rig.heads, data.rig.tails, strict=True
    ):
        bone = rig.data.bones[name]
        assert (bone.parent.name if bone.parent else None) == (
            data.rig.names[parent] if parent >= 0 else None
        )
        assert np.allclose(bone.head_local, start, atol=1e-6) and np.allclose(bone.tail_local, end, atol=1e-6)
        assert np.allclose(bone.x_axis, (1, 0, 0), atol=2e-2), "turning about x nods"
    assert not rig.data.bones["jaw"].use_connect and not rig.data.bones["eye.L"].use_connect
    assert np.allclose(shown_points(head), data.neutral, atol=1e-6)
    weights = np.zeros((len(data.neutral), len(data.rig.names)))
    np.add.at(weights, (np.arange(len(weights))[:, None], data.rig.joints), data.rig.weights)
    angle = np.radians(data.rig.jaw_open_deg)
    turn(rig, "jaw", "x", angle)
    jaw, tongue = (data.rig.names.index(name) for name in ("jaw", "tongue_01"))
    pivot, (c, s) = data.rig.heads[jaw], (np.cos(angle), np.sin(angle))
    turned = (data.neutral - pivot) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]]).T + pivot
    follows = weights[:, [jaw, tongue, tongue + 1, tongue + 2]].sum(1, keepdims=True)
    expected = data.neutral + follows * (turned - data.neutral)
    # With Preserve Volume, which engines do not have, what lies between two bones goes along an arc.
    assert np.abs(shown_points(head) - expected).max() < 0.004
    head.modifiers["Armature"].use_deform_preserve_volume = False
    assert np.allclose(shown_points(head), expected, atol=2e-5)
    rig.location = (1.0, 2.0, 3.0)
    assert np.allclose(shown_points(head), expected + np.array([1, 2, 3]), atol=2e-5), (
        "it moves with its armature"
    )

    # Corrected over its photo, it is shown as in there, and afterwards as before.
    turn(rig, "head", "x", 0.6)
    keys = head.data.shape_keys.key_blocks
    keys["jawOpen"].value = 0.6
    posed, index = shown_points(head), head.active_shape_key_index
    for chosen in (0, 5):
        photographed.show_as_photographed(head)
        assert np.allclose(shown_points(head), data.photo + np.array([1, 2, 3]), atol=1e-5)
        head.active_shape_key_index = chosen
    photographed.restore_all()
    assert (shown_points(head) == posed).all() and np.abs(posed - data.photo).max() > 0.05
    assert head.active_shape_key_index == index and not head.show_only_shape_key
    assert keys["Photo"].value == 0.0 and abs(keys["jawOpen"].value - 0.6) < 1e-6
    assert photographed.KEPT not in head and photographed.KEPT not in rig.data


def check_drive(folder):
    """Bones drive Apple's shapes, nothing counts twice, and the sliders are on the armature."""
    data, head, rig = neutral_head(folder)
    keys = head.data.shape_keys.key_blocks
    groups = weights_of(head)
    keys["jawOpen"].value = 0.25
    switch_on()
    head.photobust.is_head = True
    bpy.context.view_layer.objects.active = rig
    assert lookup.active_head(bpy.context) == head, "the armature's buttons are the head's"
    assert bpy.ops.photobust.bones_drive_shapes() == {"FINISHED"} and armature.drives_shapes(rig)
    assert rig.show_in_front
    assert np.allclose(shown_points(head), 0.75 * data.neutral + 0.25 * unit(data, "jawOpen"), atol=1e-6), (
        "what was set is kept"
    )
    rig["jawOpen"] = 0.0
    eye = np.radians(armature.EYE_LOOK_DEG)
    # x nods; about z, which points down, they look to the head's right.
    poses = [
        ("jaw", "x", np.radians(data.rig.jaw_open_deg), "jawOpen"),
        ("eye.L", "x", eye, "eyeLookDownLeft"),
        ("eye.R", "x", -eye, "eyeLookUpRight"),
        ("eye.L", "z", eye, "eyeLookInLeft"),
        ("eye.L", "z", -eye, "eyeLookOutLeft"),
        ("eye.R", "z", eye, "eyeLookOutRight"),
        ("eye.R", "z", -eye, "eyeLookInRight"),
    ]
    for bone, axis, angle, shape in poses:
        turn(rig, bone, axis, angle)
        assert np.allclose(shown_points(head), unit(data, shape), atol=1e-4), shape
        turn(rig, bone, axis, angle * 2)
        assert np.allclose(shown_points(head), unit(data, shape), atol=1e-4), f"{shape} ends at 1"
        turn(rig, bone, axis, 0.0)
    for shape in ("jawLeft", "jawRight"):
        turn(rig, "jaw", "z", rig[armature.TRAVEL + shape])
        assert np.allclose(shown_points(head), unit(data, shape), atol=1e-4), shape
    turn(rig, "jaw", "z", 0.0)
    rig.pose.bones["jaw"].location.y = rig[armature.TRAVEL + "jawForward"]
    assert np.allclose(shown_points(head), unit(data, "jawForward"), atol=1e-4)
    rig.pose.bones["jaw"].location.y = 0.0
    # By hand: the custom property is added to what the bone does.
    rig["jawOpen"] = 0.5
    turn(rig, "jaw", "x", np.radians(data.rig.jaw_open_deg) / 4)
    assert np.allclose(shown_points(head), 0.25 * data.neutral + 0.75 * unit(data, "jawOpen"), atol=1e-4)
    drivers = head.data.shape_keys.animation_data.drivers
    assert len(drivers) == 12 and all(curve.driver.is_simple_expression for curve in drivers)
    # What the jaw and the eyes carried turns with the head, as it did.
    turn(rig, "jaw", "x", 0.0)
    rig["jawOpen"] = 0.0
    turn(rig, "head", "y", 0.7)
    driven = shown_points(head)
    assert bpy.ops.photobust.bones_drive_shapes() == {"FINISHED"}
    assert np.allclose(shown_points(head), driven, atol=1e-5)
    assert not head.data.shape_keys.animation_data.drivers and "jawOpen" not in rig
    assert np.allclose(weights_of(head), groups, atol=1e-6)
    assert all(bone.use_deform for bone in rig.data.bones) and not rig.show_in_front


def weights_of(head):
    weights = np.zeros((len(head.data.vertices), len(head.vertex_groups)))
    for vertex in head.data.vertices:
        for one in vertex.groups:
            weights[vertex.index, one.group] = one.weight
    return weights


def enclosed_volume(points, quads):
    """Of what quads enclose, m3, each of their open rims closed by a fan around its middle."""
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    edges = {tuple(edge) for corners in ([0, 1], [1, 2], [2, 0]) for edge in triangles[:, corners].tolist()}
    following = {start: end for start, end in edges if (end, start) not in edges}
    fans = []
    while following:
        loop = [next(iter(following))]
        while loop[-1] in following:
            loop.append(following.pop(loop[-1]))
        rim = points[loop]
        fans.append(np.stack([rim[1:], rim[:-1], np.broadcast_to(rim[:-1].mean(0), rim[1:].shape)], 1))
    a, b, c = np.concatenate([points[triangles], *fans]).transpose(1, 0, 2)
    return abs((a * np.cross(b, c)).sum()) / 6


def check_neck(folder):
    """A head that is turned by 45 degrees, or nods by 30, keeps the volume of its neck."""
    data, head, rig = neutral_head(folder)
    skin = data.quads[data.face_part == data.part_names.index("skin")]
    # As in tests/core/wrapping/test_skeleton.py: the skin that root and neck move more than the head does.
    # A part cut off at certain heights would lose and gain volume by turning alone.
    of_neck = [data.rig.names.index(name) for name in ("root", "neck_01", "neck_02")]
    neck = (data.rig.weights * np.isin(data.rig.joints, of_neck)).sum(1) > 0.5
    chosen = skin[neck[skin].all(1)]
    assert len(chosen) > 150

    def volume(points):
        return enclosed_volume(points, chosen)

    rest = volume(shown_points(head))
    for axis, angle in (("y", 45), ("y", -45), ("x", 30), ("x", -30)):
        for bone, fraction in (("neck_01", 0.25), ("neck_02", 0.25), ("head", 0.5)):
            turn(rig, bone, axis, np.radians(angle * fraction))
        posed = volume(shown_points(head))
        print(axis, angle, f"neck's volume {100 * posed / rest - 100:+.1f} %")
        assert abs(posed / rest - 1) < 0.05
        for bone in ("neck_01", "neck_02", "head"):
            turn(rig, bone, axis, 0.0)


def check_no_rig(folder):
    """A file without bones and visemes makes what it made before there were any."""
    import dataclasses

    data = dataclasses.replace(read_head(folder / "head.npz"), rig=None, visemes=None)
    head = build_head(data, None, bpy.context.scene.collection, "plain")
    assert head.parent is None and rig_of(head) is None
    assert [modifier.name for modifier in head.modifiers] == [SUBDIVISION]
    assert len(head.data.shape_keys.key_blocks) == 54 and not bpy.data.armatures
    assert {group.name for group in head.vertex_groups} == {*data.part_names, "landmarks"}
    armature.set_bones_drive_shapes(head, True)  # does nothing
    assert not bpy.data.armatures


def check_rig_files(folder, name):
    """From a head that is posed, driven and elsewhere: bones and weights at rest, and it stays as it is."""
    if "bool" not in dir(np):
        np.bool = bool
    for one in list(bpy.data.objects):
        bpy.data.objects.remove(one)
    data, head, rig = neutral_head(folder)
    rig.location = (1.0, 2.0, 3.0)
    armature.set_bones_drive_shapes(head, True)
    turn(rig, "jaw", "x", 0.2)
    turn(rig, "head", "y", 0.3)
    before = shown_points(head)
    (path, *_) = head_export.export_head(bpy.context, head, folder / "out", name)
    assert np.allclose(shown_points(head), before, atol=1e-6) and armature.drives_shapes(rig)
    assert (head.name, rig.name, head.parent) == ("somebody", "somebody rig", rig)
    assert len(bpy.data.objects) == 2 and len(bpy.data.armatures) == 1
    for one in (head, rig):
        bpy.data.objects.remove(one)
    IMPORTERS[name](str(path))
    bpy.context.view_layer.update()
    objects = bpy.context.scene.objects
    (bones,) = [one for one in objects if one.type == "ARMATURE"]
    (head,) = [one for one in objects if one.type == "MESH" and one.data.shape_keys]
    known = [bone.replace(".", "_") if name == "usd" else bone for bone in data.rig.names]  # USD has no dots
    assert set(bones.data.bones.keys()) == set(known)
    for k, bone in enumerate(known):
        found = bones.data.bones[bone]
        assert np.allclose(bones.matrix_world @ found.head_local, data.rig.heads[k], atol=2e-5), bone
        assert (known.index(found.parent.name) if found.parent else -1) == data.rig.parents[k]
    shapes = [key.name for key in head.data.shape_keys.key_blocks if key.name not in ("Basis", "Photo")]
    assert sorted(shapes) == sorted([*data.blendshape_names, *data.visemes.names])
    rest = shown_points(head)
    assert np.allclose([rest.min(0), rest.max(0)], [data.neutral.min(0), data.neutral.max(0)], atol=2e-5)
    # Opening the mouth by the bone moves it as skinning does.
    jaw = bones.pose.bones["jaw"]
    jaw.rotation_mode = "QUATERNION"
    axis = (bones.matrix_world @ jaw.bone.matrix_local).to_3x3().inverted() @ Vector((1.0, 0.0, 0.0))
    jaw.rotation_quaternion = Quaternion(axis, np.radians(data.rig.jaw_open_deg))
    moved = np.linalg.norm(shown_points(head) - rest, axis=1)
    opened = np.linalg.norm(unit(data, "jawOpen") - data.neutral, axis=1)
    assert abs(moved.max() - opened.max()) < 0.003, (moved.max(), opened.max())


def check_rig_objects(folder):
    """Where it stands, what is removed, and what undo brings back."""
    from types import SimpleNamespace

    from blender_addon.heads import placement
    from blender_addon.heads.results import select_only

    switch_on()
    bpy.ops.ed.undo_push(message="before")
    _, head, rig = neutral_head(folder)
    head.photobust.is_head = True
    rig.location = (0.3, 0.0, 0.0)
    bpy.context.view_layer.update()
    (place,) = placement.free_places(bpy.context.scene, Vector((0.3, 0.0, 0.0)), 1)
    assert abs(place.x - 0.6) < 1e-6
    assert armature.base_of(head) == rig and armature.with_rigs([head]) == [head, rig]
    select_only(bpy.context.view_layer, armature.with_rigs([head]))
    assert lookup.active_head(SimpleNamespace(active_object=rig)) == head
    bpy.ops.ed.undo_push(message="made")
    assert bpy.ops.photobust.bones_drive_shapes("EXEC_DEFAULT", True) == {"FINISHED"}
    assert bpy.ops.object.delete("EXEC_DEFAULT", True) == {"FINISHED"}
    both = {"somebody", "somebody rig"}
    assert not both & set(bpy.context.scene.objects.keys())
    for driving, count in ((True, 12), (False, 0)):
        assert bpy.ops.ed.undo() == {"FINISHED"}
        head = bpy.context.scene.objects["somebody"]
        assert armature.drives_shapes(rig_of(head)) == driving
        animation = head.data.shape_keys.animation_data
        assert len(animation.drivers if animation else ()) == count
    assert bpy.ops.ed.undo() == {"FINISHED"}
    assert not both & set(bpy.context.scene.objects.keys()) and not bpy.data.armatures


def check_rig_retopology(folder):
    """A retopologized head hangs on the same bones, where the head is, and follows them."""
    switch_on()
    _, head, rig = neutral_head(folder)
    rig.location = (1.0, 2.0, 3.0)
    turn(rig, "head", "y", 0.4)
    turn(rig, "jaw", "x", 0.2)
    head.select_set(True)
    bpy.context.view_layer.objects.active = head
    expected = shown_points(head)
    assert bpy.ops.photobust.retopologize(quads=3000) == {"FINISHED"}
    new = bpy.context.active_object
    assert new != head and new.parent == rig and new.modifiers["Armature"].object == rig
    assert set(rig.data.bones.keys()) <= {group.name for group in new.vertex_groups}

    def apart(points):
        return max(
            np.abs(points.min(0) - expected.min(0)).max(), np.abs(points.max(0) - expected.max(0)).max()
        )

    # QuadriFlow rounds the rims of ears by up to a quad's side: how much is chance, and so is the density
    # that it succeeds with.
    count = len(new.data.polygons)
    side = (sum(polygon.area for polygon in new.data.polygons) / count) ** 0.5
    assert apart(shown_points(new)) < side, (count, side, apart(shown_points(new)))
    # Driving shapes takes the weights of the jaw to the head for both, and gives them back.
    bent = shown_points(new)
    armature.set_bones_drive_shapes(head, True)
    armature.set_bones_drive_shapes(head, False)
    assert np.allclose(shown_points(new), bent, atol=1e-5)


def check_rig_append(folder):
    """Appended into another file, the head brings its armature into the scene."""
    neutral_head(folder)
    path = folder / "head.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.wm.append(directory=str(path / "Object") + "/", filename="somebody")
    head = bpy.context.scene.objects["somebody"]
    assert rig_of(head) is not None and rig_of(head).name in bpy.context.scene.objects
    data = read_head(folder / "head.npz")
    turn(rig_of(head), "jaw", "x", 0.3)
    assert np.linalg.norm(shown_points(head) - data.neutral, axis=1).max() > 0.01


def check_linked(folder):
    """What would be lost with a linked head is grayed, and says why; the file's own head takes all."""
    switch_on()
    named_head(folder, "Ann")
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "library.blend"))
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    with bpy.data.libraries.load(str(folder / "library.blend"), link=True) as (_, wanted):
        wanted.objects = ["Ann", "Ann rig"]
    head, rig = wanted.objects
    for ob in (head, rig):
        bpy.context.scene.collection.objects.link(ob)
        ob.select_set(True)
    bpy.context.view_layer.objects.active = head
    names = ("apply_adjustments", "bones_drive_shapes", "comb_by_photo", "export_head", "export_live_link")
    names += ("face_pose", "flip_face", "ignore_here", "import_live_link", "key_face", "landmarks")
    names += ("look_target", "pose_assets", "reset_face", "reset_pins", "show_confidence")
    there = {name: getattr(bpy.ops.photobust, name) for name in names}
    assert [name for name, operator in there.items() if operator.poll()] == [
        "export_live_link",
        "pose_assets",
    ]
    assert "Make Local" in polls.local_head(bpy.context)
    bpy.ops.object.make_local(type="ALL")
    assert not bpy.context.active_object.library and not bpy.context.active_object.data.library
    assert all(operator.poll() for operator in there.values())
    assert bpy.ops.photobust.export_head(directory=str(folder / "out"), formats={"obj"}) == {"FINISHED"}
    # A file without any correction would only take the place of one with some.
    file = folder / "corrections.json"
    try:
        done = bpy.ops.photobust.save_adjustments(filepath=str(file))
        raise AssertionError(f"no error but {done}")
    except RuntimeError as error:
        assert "No head of this scene was corrected" in str(error)
    assert not file.exists()
    bpy.context.active_object.photobust.pins.add().name = "chin"
    assert bpy.ops.photobust.save_adjustments(filepath=str(file)) == {"FINISHED"}
    assert json.loads(file.read_text())[0]["pins"][0]["name"] == "chin"


def check_refreshed_bones(folder):
    """Bones go to the new head's joints, also those of an armature that is hidden; its pose stays."""
    switch_on()
    head = named_head(folder, "Ann")
    rig, data = rig_of(head), read_head(folder / "head.npz")
    turn(rig, "head", "y", 0.4)
    rig.hide_viewport = True
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.active_object
    higher = np.array([0.0, 0.0, 0.01], np.float32)
    joints = dataclasses.replace(data.rig, heads=data.rig.heads + higher, tails=data.rig.tails + higher)
    photo = folder / "photo.jpg"
    made = LoadedHead(photo, folder, None, FaceDocument({}), dataclasses.replace(data, rig=joints))
    refresh_head(head, made)
    for name, place in zip(joints.names, joints.heads, strict=True):
        assert np.allclose(rig.data.bones[name].head_local, place, atol=1e-6), name
    assert rig.hide_viewport and abs(rig.pose.bones["head"].rotation_euler.y - 0.4) < 1e-6
    assert bpy.context.active_object == cube and bpy.context.mode == "OBJECT"
    assert [scene.name for scene in bpy.data.scenes] == ["Scene"]


def check_refreshed_pictures(folder):
    """A head that is made anew has its files' pictures, lashes with holes; what was painted is kept."""
    switch_on()
    head = named_head(folder, "Ann")
    made = LoadedHead(folder / "photo.jpg", folder, None, FaceDocument({}), read_head(folder / "head.npz"))
    made = dataclasses.replace(made, albedo=folder / "albedo.png")
    before = {m.name: m.node_tree.nodes[IMAGE_NODE].image.alpha_mode for m in textured_materials(head)}
    names = {m.name: m.node_tree.nodes[IMAGE_NODE].image.name for m in textured_materials(head)}
    count = len(bpy.data.images)
    save_png(folder / "albedo.png", np.full((32, 32, 4), 90, np.uint8))
    assert refresh_head(head, made) == []
    shown = {m.name: m.node_tree.nodes[IMAGE_NODE].image for m in textured_materials(head)}
    assert {
        name: image.alpha_mode for name, image in shown.items()
    } == before and "STRAIGHT" in before.values()
    assert {name: image.name for name, image in shown.items()} == names
    assert all(image.size[0] == 32 for image in shown.values()) and len(bpy.data.images) == count
    painted = head_export.head_image(head)
    paint(painted, (0, 1, 0, 1))
    assert refresh_head(head, made) == [painted.name]
    assert head_export.head_image(head) != painted and painted.use_fake_user
    saved = head_export.head_image(head)
    paint(saved, (0, 0, 1, 1))
    saved.pack()  # as Image > Save does
    assert refresh_head(head, made) == [saved.name]
    save_png(folder / "mine.png", np.full((16, 16, 4), 30, np.uint8))
    mine = bpy.data.images.load(str(folder / "mine.png"))
    mine.pack()
    for material in textured_materials(head):
        material.node_tree.nodes[IMAGE_NODE].image = mine
    assert refresh_head(head, made) == ["mine.png"]
    assert head_export.head_image(head).name.startswith("Ann albedo")
    assert refresh_head(head, made) == []
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "refreshed.blend"))
    name = painted.name
    bpy.ops.wm.open_mainfile(filepath=str(folder / "refreshed.blend"))
    assert bpy.data.images[name].pixels[1] == 1.0


def textured_materials(head):
    return [m for m in head.data.materials if IMAGE_NODE in m.node_tree.nodes]


class NoEvents:
    """Blender's context, of which nothing is modal: in the background it gives operators no events."""

    def __init__(self, real):
        self._real = real

    def __getattr__(self, name):
        found = getattr(self._real, name)
        return NoEvents(found) if name == "window_manager" else found

    def modal_handler_add(self, operator):
        return True


def plain_brush(ignore_here):
    """Ignore Here, but for what Blender makes of an operator, which it would not invoke in the background."""
    members = vars(ignore_here.PHOTOBUST_OT_ignore_here).items()
    own = {name: value for name, value in members if callable(value) or name in ("opacity", "bl_idname")}
    return type("PlainBrush", (ignore_here.ModalPhotoTool,), {**own, "report": lambda *_: None})()


def check_brush(folder):
    """Ignore Here minds undo from the menu, a button of its panel, other workspaces, and the add-on's end."""
    switch_on()
    from blender_addon.operators import ignore_here  # as it was loaded now

    tool, context, status = plain_brush(ignore_here), NoEvents(bpy.context), {}
    say = bpy.types.WorkSpace.status_text_set

    def noted_status(workspace, text):
        assert bpy.context.workspace == workspace, "Blender takes it for another one"
        status[workspace.name] = text
        say(workspace, text)

    def event(kind, value="NOTHING", workspace="Layout"):
        with bpy.context.temp_override(workspace=bpy.data.workspaces[workspace]):
            return tool.modal(context, SimpleNamespace(type=kind, value=value, mouse_x=0, mouse_y=0))

    def stroke(x):
        ignore_here.paint_stroke(ignore_here._painting, (x, 0.5), 0.05, True)
        ignore_here._painting.last = None
        tool._keep(bpy.data.objects["Ann"])
        return ignore_here._painting.mask.copy()

    def shown():
        head = bpy.data.objects["Ann"]
        photo = head.photobust.camera.data.background_images[0].display_depth
        return head.show_only_shape_key, rig_of(head).data.pose_position, photo

    head = named_head(folder, "Ann")
    head.photobust.photo = str(save_png(folder / "photo.png", np.full((64, 64, 3), 90, np.uint8)))
    camera = {"focal_length_px": 120.0, "principal_point_px": [31.5, 31.5]}
    pose = {"rotation_head_to_camera": [[1, 0, 0], [0, 0, -1], [0, 1, 0]], "translation_m": [0, 0.05, 0.9]}
    manifest = {"input": {"name": "photo.png", "width": 64, "height": 64}, "camera": camera, "pose": pose}
    head.photobust.manifest = json.dumps(manifest)
    with patch.object(bpy.types.WorkSpace, "status_text_set", noted_status):
        assert tool.invoke(context, None) == {"RUNNING_MODAL"}
        assert shown() == (True, "REST", "FRONT")
        first = stroke(0.2)
        assert (stroke(0.8) & ~first).any()
        assert bpy.ops.ed.undo() == {"FINISHED"}
        event("TIMER")
        assert np.array_equal(ignore_here._painting.mask, first), "what was undone comes back with a stroke"
        assert bpy.ops.photobust.ignore_nothing() == {"FINISHED"}
        event("TIMER")
        assert not (stroke(0.8) & first).any(), "what was taken back comes back with a stroke"

        event("TIMER", workspace="Modeling")
        assert status["Layout"] and status["Modeling"] == status["Layout"]
        assert event("RET", "PRESS", "Modeling") == {"FINISHED"}
        assert status == {"Layout": None, "Modeling": None} and shown() == (False, "POSE", "BACK")

        # Blender drops what runs when the add-on is switched off, and calls nothing of it.
        assert tool.invoke(context, None) == {"RUNNING_MODAL"}
        assert status["Layout"] and shown() == (True, "REST", "FRONT")
        camera = bpy.data.objects["Ann"].photobust.camera
        addon_utils.disable("blender_addon", default_set=True)
    assert status["Layout"] is None and ignore_here._painting is None
    head = bpy.data.objects["Ann"]
    assert not head.show_only_shape_key and rig_of(head).data.pose_position == "POSE"
    assert camera.data.background_images[0].display_depth == "BACK"


def check_real(folder, photo):
    """The operator makes the head, and the buttons that come after it work."""
    import addon_utils

    switch_on()
    done = bpy.ops.photobust.reconstruct(filepath=str(photo), make="HEAD")
    assert done == {"FINISHED"}
    head = bpy.context.active_object
    assert head.photobust.is_head and len(head.data.shape_keys.key_blocks) == 54 + 15
    hairs = hair.hair_of(head)
    assert hairs and head.photobust.hair_product == "CARDS"
    others = [one for one in head.users_collection[0].objects if one not in (head, head.parent, *hairs)]
    (surface,) = others
    from blender_addon.viewport import view3d

    cube = bpy.data.objects.get("Cube")
    if cube is not None:
        bpy.data.objects.remove(cube)
    bpy.context.view_layer.update()
    origin = [head.matrix_world.translation]
    assert view3d.enclosing(bpy.context, origin) is None, "the head's own hair is not around it"
    head.photobust.hair_product = "SHELL"
    assert "cards" not in {one[hair.MARK] for one in hair.shown_of(head)}
    head.photobust.hair_length = 0.5
    assert bpy.ops.photobust.comb_by_photo() == {"FINISHED"} and hair.hair_of(head)
    assert head.photobust.hair_length == 1.0 and bpy.ops.photobust.comb_by_photo() == {"CANCELLED"}
    assert set(bpy.context.selected_objects) == {head, head.parent}
    # Hidden with the eye, so that Alt-H shows it.
    assert surface.hide_render and surface.hide_get() and not surface.hide_viewport
    assert surface.photobust.is_head
    assert bpy.ops.photobust.export_head(directory=str(folder), formats={"obj", "glb"}) == {"FINISHED"}
    assert {path.suffix for path in folder.glob("*.*")} == {".glb", ".mtl", ".obj", ".png"}
    assert bpy.ops.photobust.match_camera() == {"FINISHED"}
    bpy.context.view_layer.objects.active = head
    addon_utils.disable("blender_addon", default_set=True)


if __name__ == "__main__":
    main(globals())
