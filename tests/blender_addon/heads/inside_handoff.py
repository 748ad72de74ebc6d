"""Files for other programs, made in Blender, run by test_handoff.py in a fresh process.

`inside_handoff.py --check NAME FOLDER`; FOLDER has head.npz, albedo.png and face.json. Prints "NAME passed"
at the end; an assertion that fails ends the process with code 1.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

import bpy
import numpy as np

from blender_addon.animation.live_link_csv import Recording
from blender_addon.animation.takes import TakeOptions, add_take
from blender_addon.blender.glb_file import glb_chunks
from blender_addon.blender.glb_nodes import world_matrix
from blender_addon.blender_worker.steps import load_step
from blender_addon.heads.armature import rig_of
from blender_addon.heads.build import build_head
from blender_addon.heads.export import ExportOptions, export_folder, export_head
from blender_addon.heads.expressions import VRM_NAMES
from blender_addon.heads.head_npz import read_head
from blender_addon.heads.presets import load_preset
from tests.blender_addon.inside import main

PRESETS = ("unity", "unreal", "metahuman", "web", "blender", "vrm")


def check_write(folder):
    """All presets, USD, and a GLB with an animation; Blender has nothing left of them."""
    before = {
        len(getattr(bpy.data, kind)) for kind in ("objects", "meshes", "images", "armatures", "collections")
    }
    presets = {name: load_preset(name).as_json() for name in PRESETS}
    result = load_step("preset")(folder, {"presets": presets})
    for name in PRESETS:
        assert any(file.startswith(f"head_{name}") for file in result.files), name
    for file in result.files:
        assert (folder / file).stat().st_size > 1000, file
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    assert before == {
        len(getattr(bpy.data, kind)) for kind in ("objects", "meshes", "images", "armatures", "collections")
    }
    if hasattr(bpy.ops.wm, "usd_export") and "usd_export" in dir(bpy.ops.wm):
        export_folder(bpy.context, folder, ["usd"])
    export_folder(bpy.context, folder, ["fbx"])
    document, _ = glb_chunks((folder / "head_vrm.glb").read_bytes())
    shapes = document["meshes"][0]["extras"]["targetNames"]
    assert set(VRM_NAMES) < set(shapes) and "jawOpen" in shapes, shapes
    assert not [name for name in shapes if name.startswith("viseme_")]
    assert {"neck", "head", "leftEye", "rightEye"} <= {node.get("name") for node in document["nodes"]}
    (lashes,) = head_picture_sizes(folder / "head_vrm.glb", "image/png")
    assert lashes < 50_000, lashes  # of the 200,000 of the whole texture
    for name in ("web", "vrm"):
        check_hair_and_roots(folder, name)
        assert not (folder / f"head_{name}_hair.glb").exists()
    assert (folder / "head_unity_hair.glb").is_file()
    write_animated(folder)


def head_picture_sizes(path, kind):
    """Bytes of the pictures of a MIME type in a GLB file that are not the hair's."""
    document, _ = glb_chunks(path.read_bytes())
    return [
        document["bufferViews"][image["bufferView"]]["byteLength"]
        for image in document["images"]
        if image["mimeType"] == kind and not image.get("name", "").startswith("hair")
    ]


def check_hair_and_roots(folder, name):
    """The hair hangs on the head's bone, is where it is in hair.glb, and skinned meshes are at the root."""
    document, _ = glb_chunks((folder / f"head_{name}.glb").read_bytes())
    nodes = document["nodes"]
    numbers = {node.get("name"): k for k, node in enumerate(nodes)}
    assert numbers["hair"] in nodes[numbers["head"]]["children"]
    assert np.abs(world_matrix(nodes, numbers["hair"]) - np.eye(4)).max() < 1e-5
    skinned = [k for k, node in enumerate(nodes) if "skin" in node]
    assert skinned and set(skinned) <= set(document["scenes"][0]["nodes"])
    assert not set(skinned) & {child for node in nodes for child in node.get("children", [])}


def write_animated(folder):
    head = build_head(read_head(folder / "head.npz"), None, bpy.context.scene.collection, "moving")
    head.data.shape_keys.key_blocks["Photo"].value = 0.0
    times = np.arange(31) / 30
    turns = np.stack([0.6 * times, 0 * times, 0 * times], 1)
    shapes = {"jawOpen": times, "eyeBlinkLeft": 1 - times}
    add_take(head, Recording(times, shapes, {"head": turns}), "nod", TakeOptions(fps=24))
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, 25
    export_head(bpy.context, head, folder, "glb", "moving", options=ExportOptions(animation=True))
    bpy.data.objects.remove(rig_of(head))
    bpy.data.objects.remove(head)


def check_read(folder):
    """Blender's own importer finds levels, bones, shapes and size in FBX files; .blend files append."""
    data = read_head(folder / "head.npz")
    height = np.ptp(data.neutral[:, 2])
    for name, head_bone in (("unity", "mixamorig:Head"), ("unreal", "head")):
        meshes, rigs = imported(folder / f"head_{name}.fbx")
        assert sorted(meshes) == ["head_LOD0", "head_LOD1", "head_LOD2"], sorted(meshes)
        (rig,) = rigs
        assert head_bone in rig.data.bones and len(rig.data.bones) == 10
        assert np.allclose(rig.scale, 1, atol=1e-4), rig.scale
        triangles = [
            len(meshes[f"head_LOD{k}"].data.loops) - 2 * len(meshes[f"head_LOD{k}"].data.polygons)
            for k in range(3)
        ]
        # Half and a quarter of the template's; corneas and tears are in the first two.
        assert np.allclose(np.array(triangles) / triangles[0], [1, 0.48, 0.223], atol=0.01)
        for one in meshes.values():
            keys = [key.name for key in one.data.shape_keys.key_blocks]
            assert (
                set(data.blendshape_names) < set(keys)
                and sum(key.startswith("viseme_") for key in keys) == 15
            )
            assert head_bone in one.vertex_groups
            jaw = one.data.shape_keys.key_blocks["jawOpen"]
            moved = np.array(
                [np.subtract(a.co, b.co) for a, b in zip(jaw.data, one.data.vertices, strict=True)]
            )
            wanted = np.linalg.norm(data.blendshapes[data.blendshape_names.index("jawOpen")], axis=1).max()
            size = np.linalg.norm(moved, axis=1).max() * one.matrix_world.median_scale
            assert abs(size - wanted) < 0.002, (size, wanted)
        corners = np.array([one.matrix_world @ v.co for one in meshes.values() for v in one.data.vertices])
        assert abs(np.ptp(corners[:, 2]) - height) < 1e-3, np.ptp(corners, axis=0)
    meshes, rigs = imported(folder / "head_metahuman.fbx")
    assert len(meshes) == 1 and not rigs
    (mesh,) = meshes.values()
    assert mesh.data.shape_keys is None and len(mesh.data.materials) == 6
    check_hair_colors(folder)
    for one in list(bpy.data.objects):
        bpy.data.objects.remove(one)
    with bpy.data.libraries.load(str(folder / "head_blender.blend")) as (there, wanted):
        wanted.collections = list(there.collections)
    (collection,) = wanted.collections
    levels = {one.name: one for one in collection.objects}
    assert sorted(levels) == ["head_LOD0", "head_LOD0 rig", "head_LOD1", "head_LOD2"]
    assert (
        levels["head_LOD0"].find_armature() == levels["head_LOD0 rig"] == levels["head_LOD2"].find_armature()
    )
    keys = levels["head_LOD2"].data.shape_keys.key_blocks
    assert len(keys) == 2 + 52 + 15
    jaw = data.neutral + data.blendshapes[data.blendshape_names.index("jawOpen")]
    for name, points in (("Basis", data.neutral), ("jawOpen", jaw)):
        there = np.array([point.co for point in keys[name].data])
        np.testing.assert_allclose(there, quarter(data, points), atol=1e-5)


def check_hair_colors(folder):
    """Materials of hair in an FBX file show pictures in the hair's color, which are in the file."""
    meshes, _ = imported(folder / "head.fbx")
    hair = {name: one.data.materials[0] for name, one in meshes.items() if "hair" in name}
    assert {name.rsplit(" ", 1)[-1] for name in hair} == {"cards", "shell"}, sorted(meshes)
    for name, material in hair.items():
        shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
        (link,) = shader.inputs["Base Color"].links
        image = link.from_node.image
        assert image.packed_file or Path(bpy.path.abspath(image.filepath)).is_file(), image.filepath
        pixels = np.array(image.pixels[:]).reshape(-1, 4)
        red, _, blue, _ = pixels[pixels[:, 3] > 0.5].mean(0)
        assert red > blue + 0.05, (name, red, blue)  # fair hair
        assert bool(shader.inputs["Alpha"].links) == name.endswith("cards")


def quarter(data, points):
    """(K, 3) where the vertices of the level with a quarter of the triangles are, in a shape of the head."""
    level = data.levels[1]
    kept = np.unique(data.quads.ravel()[level.corners])
    assert level.stencil.shape[1] > 0
    offsets = points[level.stencil] - points[kept, None]
    return points[kept] + (level.stencil_weights[..., None] * offsets).sum(1)


def imported(path):
    """Name -> mesh object of an FBX, and its armatures."""
    for one in list(bpy.data.objects):
        bpy.data.objects.remove(one)
    bpy.ops.import_scene.fbx(filepath=str(path))
    objects = list(bpy.context.scene.objects)
    return {o.name: o for o in objects if o.type == "MESH"}, [o for o in objects if o.type == "ARMATURE"]


if __name__ == "__main__":
    main(globals())
