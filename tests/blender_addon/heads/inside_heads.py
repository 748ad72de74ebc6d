"""Checks of the animation-ready head in Blender, run by test_head.py in a fresh process.

`inside_heads.py --check build|export|read|real FOLDER ...`; FOLDER has head.npz, albedo.png and face.json.
Prints "CHECK passed" at the end; an assertion that fails ends the process with code 1.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

import bpy
import numpy as np

from blender_addon.errors import AddonError
from blender_addon.heads import export as head_export
from blender_addon.heads.build import build_head
from blender_addon.heads.head_npz import read_head
from tests.blender_addon.inside import main

#: Metres: an adult's head without the neck's end, in the template.
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
    keys = mesh.shape_keys.key_blocks
    assert [key.name for key in keys] == ["Basis", "Photo", *data.unit_names] and len(keys) == 54
    assert np.array_equal(coordinates(keys["Basis"].data, count), data.neutral)
    assert np.array_equal(coordinates(keys["Photo"].data, count), data.photo)
    jaw = data.units[data.unit_names.index("jawOpen")]
    assert np.allclose(coordinates(keys["jawOpen"].data, count) - data.neutral, jaw, atol=1e-6)
    assert keys["Photo"].value == 1.0 and keys["jawOpen"].value == 0.0
    uv = np.empty(2 * len(mesh.loops), np.float32)
    mesh.uv_layers.active.data.foreach_get("uv", uv)
    assert np.array_equal(uv.reshape(-1, 2), data.uv[data.quad_uv].reshape(-1, 2))
    names = {group.name for group in head.vertex_groups}
    assert names == {*data.part_names, "landmarks"}
    assert list(head["photobust_landmarks"]) == data.landmark.tolist()
    assert head["photobust_photo"] == data.provenance["photo"]
    assert len(mesh.materials) == 4 and all(m.node_tree for m in mesh.materials)
    image = head_export.head_image(head)
    assert image.packed_file and tuple(image.size) == (64, 64)
    assert not mesh.validate(verbose=True), "Blender had to repair the mesh"
    # It survives saving, without its folder.
    (folder / "albedo.png").unlink()
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "head.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(folder / "head.blend"))
    head = bpy.data.objects["somebody"]
    assert len(head.data.shape_keys.key_blocks) == 54
    assert head_export.head_image(head).packed_file


def check_export(folder, name):
    before = {kind: len(getattr(bpy.data, kind)) for kind in ("objects", "meshes", "materials", "images")}
    possible = head_export.formats()
    assert {"fbx", "obj", "glb"} <= set(possible)
    if name not in possible:
        assert name == "usd"  # Debian's Blender has none
        try:
            head_export.export_folder(bpy.context, folder, [name])
        except AddonError as error:
            assert "USD" in str(error)
            print("not here")
            return
        raise AssertionError("an exporter that is not there has worked")
    (path,) = head_export.export_folder(bpy.context, folder, [name])
    assert path.is_file()
    document = json.loads((folder / "face.json").read_text("utf-8"))
    assert document["files"][path.name]["bytes"] == path.stat().st_size
    after = {kind: len(getattr(bpy.data, kind)) for kind in before}
    assert after == before, f"{before} has become {after}"


def check_read(folder, name):
    """What Blender's importer finds in a fresh process is what was exported."""
    data = read_head(folder / "head.npz")
    for one in list(bpy.data.objects):
        bpy.data.objects.remove(one)
    if "bool" not in dir(np):
        np.bool = bool  # Debian 12's glTF importer is older than its numpy
    IMPORTERS[name](str(folder / f"head{head_export.SUFFIXES.get(name, '.glb')}"))
    heads = [one for one in bpy.context.scene.objects if one.type == "MESH"]
    assert len(heads) == 1, heads
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
    # The same place, size and axes: z up again, the face along -y, metres.
    assert np.allclose(points.min(0), expected.min(0), atol=2e-5), (points.min(0), expected.min(0))
    assert np.allclose(points.max(0), expected.max(0), atol=2e-5), (points.max(0), expected.max(0))
    assert HEIGHT[0] < np.ptp(points[:, 2]) < HEIGHT[1]
    uv = np.empty(2 * len(mesh.loops), np.float32)
    mesh.uv_layers[0].data.foreach_get("uv", uv)
    uv = uv.reshape(-1, 2)
    assert np.allclose([uv.min(0), uv.max(0)], [data.uv.min(0), data.uv.max(0)], atol=1e-4)
    if name != "obj":
        keys = mesh.shape_keys.key_blocks
        assert {key.name for key in keys} >= {"Photo", *data.unit_names}
        count = len(mesh.vertices)
        basis = coordinates(keys[0].data, count)
        moved = coordinates(keys["jawOpen"].data, count) - basis
        longest = np.linalg.norm(moved @ world[:3, :3].T, axis=1).max()
        wanted = np.linalg.norm(data.units[data.unit_names.index("jawOpen")], axis=1).max()
        assert abs(longest - wanted) < 1e-4, (longest, wanted)
    assert len([slot for slot in head.material_slots if slot.material]) == 4
    images = [image for image in bpy.data.images if tuple(image.size) == (64, 64)]
    assert images, [(image.name, image.filepath) for image in bpy.data.images]
    pixels = np.empty(64 * 64 * 4, np.float32)
    images[0].pixels.foreach_get(pixels)
    assert np.allclose(pixels.reshape(64, 64, 4)[32, 32, :3], [200 / 255, 120 / 255, 80 / 255], atol=0.02)


def check_write(folder, name):
    """Write the head of a folder into its folder "out", as the button does."""
    switch_on()
    head = named_head(folder, "Ann")
    assert bpy.ops.photobust.export_head(directory=str(folder / "out"), formats={name}) == {"FINISHED"}
    assert head.name == "Ann" and head.photobust.is_head


def switch_on():
    import addon_utils

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
        assert f"Wrote {name}.glb, {name}.obj, {name}.mtl, {name}_albedo.png to" in message, message
        assert f"{name}_albedo.png" in (out / f"{name}.mtl").read_text()
    assert sorted(path.name for path in out.iterdir()) == sorted(
        f"{name}{end}" for name in ("Ann", "Bob") for end in (".glb", ".mtl", ".obj", "_albedo.png")
    )
    assert (out / "Ann_albedo.png").read_bytes() != (out / "Bob_albedo.png").read_bytes()

    head = bpy.data.objects["Bob"]
    before, points = counts(), obj_points(out / "Bob.obj")
    target = str(out / "large.obj")
    assert export(filepath=target, formats={"obj"}, scale=100.0, textures=False) == {"FINISHED"}
    assert np.allclose(obj_points(Path(target)), 100.0 * points, atol=1e-3)
    assert not (out / "large_albedo.png").exists() and "map_Kd" not in (out / "large.mtl").read_text()
    modifier = head.modifiers.new("Subdivision", "SUBSURF")
    modifier.levels = 1
    target = str(out / "plain.glb")
    assert export(filepath=target, formats={"glb"}, shapes=False, textures=False) == {"FINISHED"}
    plain, full = glb_json(Path(target)), glb_json(out / "Bob.glb")
    assert "targets" not in plain["meshes"][0]["primitives"][0] and "images" not in plain
    assert len(full["meshes"][0]["primitives"][0]["targets"]) == 53 and "images" in full
    assert plain["nodes"][0]["name"] == full["nodes"][0]["name"] == "Bob"
    assert triangles(plain) == 4 * triangles(full), "the modifier is applied"
    target = str(out / "bare.glb")
    export(filepath=target, formats={"glb"}, shapes=False, apply_modifiers=False)
    assert triangles(glb_json(Path(target))) == triangles(full)
    assert counts() == before and modifier.show_viewport
    assert head.data.shape_keys.key_blocks["Photo"].value == 1.0


def counts():
    kinds = ("objects", "meshes", "materials", "images")
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


def check_real(folder, photo):
    """The operator makes the head, and the buttons that come after it work."""
    import addon_utils

    switch_on()
    done = bpy.ops.photobust.reconstruct(filepath=str(photo), make="HEAD")
    assert done == {"FINISHED"}
    head = bpy.context.active_object
    assert head.photobust.is_head and len(head.data.shape_keys.key_blocks) == 54
    (surface,) = [one for one in head.users_collection[0].objects if one != head]
    # Hidden with the eye, so that Alt-H shows it.
    assert surface.hide_render and surface.hide_get() and not surface.hide_viewport
    assert surface.photobust.is_head
    assert bpy.ops.photobust.export_head(directory=str(folder), formats={"obj", "glb"}) == {"FINISHED"}
    assert sorted(path.suffix for path in folder.glob("*.*")) == [".glb", ".mtl", ".obj", ".png"]
    assert bpy.ops.photobust.match_camera() == {"FINISHED"}
    bpy.context.view_layer.objects.active = head
    addon_utils.disable("blender_addon", default_set=True)


if __name__ == "__main__":
    main(globals())
