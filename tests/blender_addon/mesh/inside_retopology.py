"""Checks of retopology and levels of detail, run by test_retopology.py in a fresh process.

`inside_retopology.py --check NAME FOLDER ...`. Prints "NAME passed" at the end; an assertion that fails ends
the process with code 1.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

import bpy

import bmesh  # isort: skip  # after bpy, which brings it
import numpy as np
from mathutils import Matrix

from blender_addon.blender.compat import COLOR_ATTRIBUTE, set_float_attribute, set_vertex_colors
from blender_addon.blender.srgb import linear_to_srgb
from blender_addon.blender_worker.steps import lods as step_lods
from blender_addon.blender_worker.steps import retopo as step_retopo
from blender_addon.errors import ExportError, StepError
from blender_addon.heads.ply import read_ply
from blender_addon.mesh import lods, quadriflow, retopology, topology
from blender_addon.mesh.arrays import read, read_quads, read_triangles
from blender_addon.mesh.closest_point import SurfaceQuery
from blender_addon.mesh.uv_raster import overlap
from tests.blender_addon.inside import main

KINDS = ("scenes", "objects", "meshes", "materials", "images", "collections", "worlds")


def counts():
    return {kind: sorted(getattr(bpy.data, kind).keys()) for kind in KINDS}


def made_by(name, build):
    mesh = bpy.data.meshes.new(name)
    bm = bmesh.new()
    build(bm)
    bm.to_mesh(mesh)
    bm.free()
    one = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(one)
    return one


def checked(original, quads, parts=1, closed=True, **options):
    """Retopologize, and hold the result against what was promised. Returns the new object and the report."""
    bpy.context.view_layer.update()
    before = counts()
    new, report = retopology.retopologize(bpy.context, original, quads, **options)
    after = counts()
    assert set(after["meshes"]) - set(before["meshes"]) == {new.data.name}
    assert {k: v for k, v in after.items() if k not in ("meshes", "objects")} == {
        k: v for k, v in before.items() if k not in ("meshes", "objects")
    }
    vertices, corners = read_quads(new.data)  # all quads, or it fails
    assert len(corners) == report.quads and abs(len(corners) - quads) <= 0.15 * quads, len(corners)
    assert topology.is_manifold(corners)
    assert (topology.count_border_edges(corners) == 0) == closed
    assert topology.face_components(corners).max() + 1 == parts
    assert not new.data.validate(verbose=True), "Blender had to repair the mesh"
    assert new.matrix_world == original.matrix_world
    # All of it lies on the original, and all of the original under it.
    old = read_triangles(original.data)
    side = np.sqrt(area(old.vertices, old.triangles) / quads)
    ours = SurfaceQuery(vertices, topology.triangulated(corners))
    theirs = SurfaceQuery(old.vertices, old.triangles)
    assert np.percentile(theirs.distance(ours.sample(2000)), 95) < 0.3 * side
    assert np.percentile(ours.distance(theirs.sample(2000)), 95) < 0.5 * side
    return new, report


def area(vertices, triangles):
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2


def check_crossing(folder):
    def build(bm):
        bmesh.ops.create_cube(bm, size=2)
        bmesh.ops.create_cube(bm, size=2, matrix=Matrix.Translation((0.7, 0.6, 0.5)))

    new, report = checked(made_by("crossing", build), 600, parts=2)
    assert report.repairs == () and report.attempts >= 1
    # The corners of a box stay corners.
    vertices = read_quads(new.data)[0]
    for corner in ((-1, -1, -1), (1, -1, -1), (-1, 1, -1), (1.7, 1.6, 1.5)):
        assert np.linalg.norm(vertices - np.array(corner), axis=1).min() < 0.02


def check_touching(folder):
    """Boxes that share an edge, which four faces have then."""

    def build(bm):
        bmesh.ops.create_cube(bm, size=2)
        bmesh.ops.create_cube(bm, size=2, matrix=Matrix.Translation((2, 2, 0)))
        bmesh.ops.remove_doubles(bm, verts=bm.verts, dist=1e-4)

    _, report = checked(made_by("touching", build), 600, parts=2)
    assert "more than two faces share" in report.repairs[0]


def check_plane(folder):
    def build(bm):
        bmesh.ops.create_grid(bm, x_segments=20, y_segments=20, size=1)

    new, _ = checked(made_by("plane", build), 400, closed=False)
    vertices = read_quads(new.data)[0]
    assert np.abs(vertices[:, 2]).max() < 1e-6
    assert np.allclose([vertices.min(0)[:2], vertices.max(0)[:2]], [(-1, -1), (1, 1)], atol=0.02)


def check_dirty(folder):
    """Loose vertices and edges, faces turned over, a hole, doubles, a speck, n-gons: one ball comes out."""

    def build(bm):
        bmesh.ops.create_uvsphere(bm, u_segments=32, v_segments=16, radius=1)  # with triangles at the poles
        bmesh.ops.split_edges(bm, edges=list(bm.edges)[::7])  # doubles
        for k in range(5):
            bm.verts.new((3, k, 0))
        bm.edges.new((bm.verts.new((5, 0, 0)), bm.verts.new((5, 1, 0))))
        bmesh.ops.create_icosphere(bm, subdivisions=1, radius=0.001, matrix=Matrix.Translation((2, 0, 0)))
        faces = list(bm.faces)
        for face in faces[:40]:
            face.normal_flip()
        bmesh.ops.delete(bm, geom=[faces[100]], context="FACES")
        bmesh.ops.dissolve_faces(bm, faces=[faces[200], faces[201]])

    new, report = checked(made_by("dirty", build), 600)
    said = ", ".join(report.repairs)
    for words in ("double", "different directions", "1 small hole", "1 part"):
        assert words in said, said
    vertices, corners = read_quads(new.data)
    assert np.allclose(np.linalg.norm(vertices, axis=1), 1, atol=0.03)
    middles = vertices[corners].mean(1)
    a, b, c, d = (vertices[corners[:, k]] for k in range(4))
    assert ((np.cross(c - a, d - b) * middles).sum(1) > 0).all(), "it is inside out"


def check_scaled(folder):
    """A scale that was not applied, mirrored and uneven; a parent; in a group of collections; hidden."""
    parent = bpy.data.objects.new("parent", None)
    bpy.context.scene.collection.objects.link(parent)
    parent.rotation_euler = (0.3, 0.2, 0.1)

    def build(bm):
        bmesh.ops.create_icosphere(bm, subdivisions=5, radius=1)

    one = made_by("scaled", build)
    one.parent, one.scale, one.location = parent, (1, 3, -0.5), (5, 0, 0)
    bpy.context.view_layer.update()
    one.hide_viewport = True
    new, _ = retopology.retopologize(bpy.context, one, 1000)
    vertices, corners = read_quads(new.data)
    assert new.parent == parent and new.matrix_basis == one.matrix_basis
    assert np.allclose(np.linalg.norm(vertices, axis=1), 1, atol=0.02)
    world = vertices @ np.array(one.matrix_world)[:3, :3].T
    sides = np.linalg.norm(world[corners] - world[np.roll(corners, -1, axis=1)], axis=2)
    # Even where it stands, not in its own frame, where they would be three to six times as long one way.
    assert np.percentile(sides, 95) < 2.2 * np.percentile(sides, 5)


def check_not_possible(folder):
    """What cannot be is told in words, and leaves nothing behind."""
    flat = made_by("flat", lambda bm: bmesh.ops.create_cube(bm, size=2))
    flat.scale = (1, 0, 1)
    empty = made_by("empty", lambda bm: bm.verts.new((0, 0, 0)))
    line = made_by("line", lambda bm: bm.faces.new([bm.verts.new((k, 0, 0)) for k in range(3)]))
    lost = made_by("lost", lambda bm: bmesh.ops.create_cube(bm, size=2))
    lost.data.vertices[0].co = (float("nan"), 0, 0)
    lamp = bpy.data.objects.new("lamp", bpy.data.lights.new("lamp", "POINT"))
    bpy.context.view_layer.update()
    before = counts()
    for one, quads, words in (
        (flat, 500, "scale"),
        (empty, 500, "no faces"),
        (line, 500, "no area"),
        (lost, 500, "no numbers"),
        (lamp, 500, "no mesh"),
        (flat, 3, "Ask for"),
    ):
        try:
            retopology.retopologize(bpy.context, one, quads)
        except StepError as error:
            assert words in str(error), (one.name, str(error))
        else:
            raise AssertionError(f"{one.name} has become quads")
        assert counts() == before


def textured_ball(folder, size=256):
    """A ball with a picture, UVs with a seam from pole to pole, groups, attributes, two materials."""
    one = made_by("ball", lambda bm: bmesh.ops.create_uvsphere(bm, u_segments=96, v_segments=48, radius=1))
    mesh = one.data
    found = read(mesh.vertices, "co", 3, np.float32).astype(float)
    corner = read(mesh.loops, "vertex_index", 1, np.int32)
    layer = mesh.uv_layers.new(name="map")
    angle = np.arctan2(found[:, 1], found[:, 0]) / (2 * np.pi) + 0.5
    uv = np.stack([angle[corner], found[corner, 2] / 2 + 0.5], 1)
    for face in mesh.polygons:  # the seam, and the poles, where each face has an angle of its own
        some = np.arange(face.loop_start, face.loop_start + face.loop_total)
        points = found[corner[some]]
        pole = np.hypot(points[:, 0], points[:, 1]) < 1e-6
        turn = uv[some, 0]
        if np.ptp(turn[~pole]) > 0.5:
            turn = np.where(turn < 0.5, turn + 1, turn)
        turn[pole] = turn[~pole].mean() if pole.any() else 0
        uv[some, 0] = turn
    layer.data.foreach_set("uv", np.ascontiguousarray(uv, np.float32).ravel())
    for k in range(2):
        mesh.materials.append(bpy.data.materials.new(f"half {k}"))
    middles = np.array([face.center[2] for face in mesh.polygons])
    mesh.polygons.foreach_set("material_index", (middles > 0).astype(np.int32))
    group = one.vertex_groups.new(name="top")
    for vertex in mesh.vertices:
        if vertex.co.z > 0:
            group.add([vertex.index], vertex.co.z, "REPLACE")
    set_vertex_colors(mesh, np.rint((found * 0.5 + 0.5) * 255).astype(np.uint8))
    set_float_attribute(mesh, "height", found[:, 2])
    return one


def check_carried_over(folder):
    """UVs, colors, weights, attributes and materials at corresponding points are those of the original."""
    one = textured_ball(folder)
    new, report = checked(one, 1500)
    mesh = new.data
    vertices, corners = read_quads(mesh)
    assert report.uv_islands is None and report.lost == (), report.lost
    assert [layer.name for layer in mesh.uv_layers] == ["map"]
    uv = read(mesh.uv_layers["map"].data, "uv", 2, np.float32).reshape(-1, 4, 2)
    # A point in a quad has the texture of its place; over the seam within half a quad, and never the
    # picture's other end in between.
    random = np.random.default_rng(0)
    s, t = random.random((2, len(corners), 1))
    weights = np.stack([(1 - s) * (1 - t), s * (1 - t), s * t, (1 - s) * t], 1)
    points = (weights * vertices[corners]).sum(1)
    found = (weights * uv).sum(1)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    turn = np.arctan2(points[:, 1], points[:, 0]) / (2 * np.pi) + 0.5
    off = np.abs((found[:, 0] - turn + 0.5) % 1 - 0.5) * 2 * np.pi * np.hypot(points[:, 0], points[:, 1])
    side = np.sqrt(4 * np.pi / len(corners))
    away = np.hypot(points[:, 0], points[:, 1]) > 0.3  # from the poles, where the map has no sense
    assert np.percentile(off[away], 90) < 0.1 * side, np.percentile(off[away], [50, 90, 99, 100])
    assert off[away].max() < side, off[away].max()
    assert np.abs(found[:, 1] - (points[:, 2] / 2 + 0.5)).max() < side
    assert (np.ptp(uv[..., 0], axis=1)[np.abs(points[:, 2]) < 0.9] < 0.2).all(), "smeared across the seam"

    colors = mesh.color_attributes[COLOR_ATTRIBUTE]
    assert mesh.color_attributes.active_color == colors
    rgb = linear_to_srgb(read(colors.data, "color", 4, np.float32)[:, :3].astype(float))
    assert np.abs(rgb - (vertices * 0.5 + 0.5)).max() < 0.03
    heights = read(mesh.attributes["height"].data, "value", 1, np.float32)
    assert np.abs(heights - vertices[:, 2]).max() < 0.01
    top = new.vertex_groups["top"].index
    weights = np.array([sum(g.weight for g in v.groups if g.group == top) for v in mesh.vertices])
    assert np.abs(weights - np.maximum(vertices[:, 2], 0)).max() < 0.08  # it ends between two vertices
    assert [m.name for m in mesh.materials] == ["half 0", "half 1"]
    index = read(mesh.polygons, "material_index", 1, np.int32)
    middles = vertices[corners].mean(1)[:, 2]
    assert (index == (middles > 0))[np.abs(middles) > 0.05].all()
    one.vertex_groups.clear()


def check_modifiers(folder):
    """What is shown counts; an Armature stays one."""
    one = made_by("one", lambda bm: bmesh.ops.create_cube(bm, size=2))
    one.modifiers.new("smooth", "SUBSURF").levels = 3
    one.modifiers.new("bones", "ARMATURE")
    one.shape_key_add(name="Basis")
    bpy.context.view_layer.update()
    new, _ = retopology.retopologize(bpy.context, one, 500)
    assert [modifier.type for modifier in new.modifiers] == ["ARMATURE"]
    assert [modifier.type for modifier in one.modifiers] == ["SUBSURF", "ARMATURE"]
    assert one.modifiers["bones"].show_viewport and one.data.shape_keys and not new.data.shape_keys
    vertices = read_quads(new.data)[0]
    assert np.linalg.norm(vertices, axis=1).max() < 1.3  # the box has corners at 1.73


def check_linked(folder):
    """The quads of an object in a linked collection stand in the scene: they cannot be put into that."""
    import addon_utils

    assert addon_utils.enable("blender_addon", default_set=True)
    one = made_by("one", lambda bm: bmesh.ops.create_icosphere(bm, subdivisions=3, radius=1))
    other = bpy.data.collections.new("other")
    bpy.context.scene.collection.children.link(other)
    other.objects.link(one)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "library.blend"))
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    with bpy.data.libraries.load(str(folder / "library.blend"), link=True) as (_, wanted):
        wanted.collections = ["other"]
    bpy.context.scene.collection.children.link(wanted.collections[0])
    bpy.context.view_layer.objects.active = wanted.collections[0].objects["one"]
    assert bpy.ops.photobust.retopologize(quads=300) == {"FINISHED"}
    new = bpy.context.active_object
    assert new.name == "one quads" and set(new.users_collection) == {bpy.context.scene.collection}
    addon_utils.disable("blender_addon", default_set=True)


def check_operator(folder):
    import addon_utils

    assert addon_utils.enable("blender_addon", default_set=True)
    one = made_by("one", lambda bm: bmesh.ops.create_icosphere(bm, subdivisions=4, radius=1))
    set_vertex_colors(one.data, np.full((len(one.data.vertices), 3), (200, 120, 80), np.uint8))
    other = bpy.data.collections.new("other")
    bpy.context.scene.collection.children.link(other)
    other.objects.link(one)
    one.scale = (1, 1, 2)
    bpy.context.view_layer.objects.active = None
    assert not bpy.ops.photobust.retopologize.poll()
    one.select_set(True)
    bpy.context.view_layer.objects.active = one
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.photobust.retopologize(quads=500, texture="1024") == {"FINISHED"}
    new = bpy.context.active_object
    assert new != one and new.select_get() and not one.select_get()
    assert one.hide_get() and one.hide_render and not new.hide_get()
    assert set(new.users_collection) == {bpy.context.scene.collection, other}
    assert new.matrix_world == one.matrix_world and abs(len(new.data.polygons) - 500) <= 75
    (material,) = new.data.materials
    image = next(node.image for node in material.node_tree.nodes if node.type == "TEX_IMAGE")
    assert image.packed_file and tuple(image.size) == (1024, 1024)
    assert [packed.filepath for packed in image.packed_files] == [image.filepath] and image.filepath[
        :2
    ] == "//"
    pixels = np.empty(4 * 1024 * 1024, np.float32)
    image.pixels.foreach_get(pixels)
    assert np.allclose(pixels.reshape(-1, 4)[:, :3] * 255, (200, 120, 80), atol=2)
    bpy.ops.ed.undo_push(message="after")
    bpy.ops.ed.undo()
    assert "one quads" not in bpy.data.objects and not bpy.data.objects["one"].hide_get()
    addon_utils.disable("blender_addon", default_set=True)


def check_other_density(folder):
    """Where QuadriFlow fails at the number asked for, it is asked for others, and the report says so."""
    ask = quadriflow.run
    asked = []

    def run_if_few(vertices, triangles, attempt, borders):
        asked.append(attempt.quads)
        return None if attempt.quads > 500 else ask(vertices, triangles, attempt, borders)

    quadriflow.run = run_if_few
    one = made_by("one", lambda bm: bmesh.ops.create_icosphere(bm, subdivisions=4, radius=1))
    bpy.context.view_layer.update()
    new, report = retopology.retopologize(bpy.context, one, 600)
    assert asked[:5] == [600] * 5 and {540, 660} <= set(asked) and asked[-1] == 480, asked
    assert abs(len(new.data.polygons) - 480) <= 72 and report.attempts == len(asked)
    assert "could not cover this mesh with about 600" in report.remarks()[0], report.remarks()
    quadriflow.run = lambda *_: None
    before = counts()
    try:
        retopology.retopologize(bpy.context, one, 600)
    except StepError as error:
        assert "nor with more or fewer: it made nothing" in str(error), error
    else:
        raise AssertionError("it was covered with nothing")
    assert counts() == before
    quadriflow.run = ask


def check_spikes(folder):
    """A few vertices that QuadriFlow has pulled out are put back; a result with many is made again."""
    ask = quadriflow.run
    one = made_by("one", lambda bm: bmesh.ops.create_icosphere(bm, subdivisions=4, radius=1))
    bpy.context.view_layer.update()
    for pulled_out, attempts in ((1, 1), (3, 1), (60, 2)):
        made = []

        def run_with_spikes(*arguments, made=made, pulled_out=pulled_out):
            vertices, quads = ask(*arguments)
            if not made:
                # Side by side, so that some have only others of them beside them.
                nearest = np.argsort(np.linalg.norm(vertices - vertices[0], axis=1))[:pulled_out]
                vertices = vertices.copy()
                vertices[nearest] += 0.5 * (vertices[nearest] - vertices.mean(0))
            made.append(len(quads))
            return vertices, quads

        quadriflow.run = run_with_spikes
        new, report = retopology.retopologize(bpy.context, one, 600)
        assert len(made) == report.attempts == attempts, (pulled_out, made)
        lengths = [vertex.co.length for vertex in new.data.vertices]
        assert min(lengths) > 0.95 and max(lengths) < 1.05, (pulled_out, min(lengths), max(lengths))
    quadriflow.run = ask


def check_process(folder):
    """What comes back from the process has all that the original has, also where it is sheared."""
    import addon_utils

    assert addon_utils.enable("blender_addon", default_set=True)
    one = textured_ball(folder)
    parent = bpy.data.objects.new("parent", None)
    bpy.context.scene.collection.objects.link(parent)
    parent.scale, one.parent, one.rotation_euler = (1, 1, 3), parent, (0.5, 0.3, 0.2)
    one["note"] = "kept"
    one.modifiers.new("bones", "ARMATURE")
    one.material_slots[1].link = "OBJECT"
    one.material_slots[1].material = bpy.data.materials.new("own")
    one.select_set(True)
    bpy.context.view_layer.objects.active = one
    bpy.context.view_layer.update()
    before = counts()
    assert bpy.ops.photobust.retopologize(quads=1500) == {"FINISHED"}
    new, mesh = bpy.context.active_object, bpy.context.active_object.data
    bpy.context.view_layer.update()
    after = counts()
    assert set(after["meshes"]) - set(before["meshes"]) == {mesh.name} and not bpy.data.libraries
    assert {k: v for k, v in after.items() if k not in ("meshes", "objects")} == {
        k: v for k, v in before.items() if k not in ("meshes", "objects")
    }
    assert new.parent == parent and new.matrix_world == one.matrix_world and new["note"] == "kept"
    assert [modifier.type for modifier in new.modifiers] == ["ARMATURE"]
    vertices, corners = read_quads(mesh)
    assert np.allclose(np.linalg.norm(vertices, axis=1), 1, atol=0.02)
    world = vertices @ np.array(one.matrix_world)[:3, :3].T
    sides = np.linalg.norm(world[corners] - world[np.roll(corners, -1, axis=1)], axis=2)
    # QuadriFlow differs from run to run: 0.14 to 0.21 in twelve; 0.48 to 0.56 in the object's own frame.
    assert np.log(sides).std() < 0.35, "even where it stands"
    assert [layer.name for layer in mesh.uv_layers] == ["map"]
    assert [m.name for m in mesh.materials] == ["half 0", "half 1"]
    assert [slot.material.name for slot in new.material_slots] == ["half 0", "own"]
    index = read(mesh.polygons, "material_index", 1, np.int32)
    middles = vertices[corners].mean(1)[:, 2]
    assert (index == (middles > 0))[np.abs(middles) > 0.05].all()
    heights = read(mesh.attributes["height"].data, "value", 1, np.float32)
    assert np.abs(heights - vertices[:, 2]).max() < 0.01
    assert COLOR_ATTRIBUTE in mesh.color_attributes
    top = new.vertex_groups["top"].index
    weights = np.array([sum(g.weight for g in v.groups if g.group == top) for v in mesh.vertices])
    assert np.abs(weights - np.maximum(vertices[:, 2], 0)).max() < 0.08
    # What cannot be is said, and leaves nothing.
    one.hide_set(False)
    bpy.context.view_layer.objects.active = one
    before = counts()
    one.data.clear_geometry()
    try:
        bpy.ops.photobust.retopologize(quads=1500)
    except RuntimeError as error:
        assert "no faces" in str(error), error
    else:
        raise AssertionError("nothing was covered with quads")
    assert counts() == before
    addon_utils.disable("blender_addon", default_set=True)


def check_surface(folder, quads):
    """The step, on a real surface."""
    before = counts()
    result = step_retopo.run(folder, {"quads": int(quads), "formats": ["glb", "obj"]})
    assert counts() == before
    assert set(result.files) == {f"retopo.{end}" for end in ("ply", "png", "glb", "obj", "mtl")}
    json.dumps(result.facts)
    wanted = int(quads)
    assert abs(result.facts["quads"] - wanted) <= 0.15 * wanted
    # 95 % of the surface are nearer to it than a fifth of the side of a quad, which is flat.
    assert result.facts["distance_mm"]["p95"] < 0.2 * 1000 * np.sqrt(0.165 / wanted)
    assert result.facts["uv_islands"] <= 12
    assert not [path for path in folder.iterdir() if ".part" in path.name or path.name.startswith(".")]
    text = (folder / "retopo.mtl").read_text()
    assert "map_Kd retopo.png" in text, text

    surface = read_ply(folder / "surface.ply")
    bpy.ops.wm.obj_import(filepath=str(folder / "retopo.obj"), forward_axis="NEGATIVE_Z", up_axis="Y")
    (one,) = bpy.context.selected_objects
    bpy.context.view_layer.update()
    vertices, corners = read_quads(one.data)
    assert len(corners) == result.facts["quads"] and topology.is_manifold(corners)
    vertices = vertices @ np.array(one.matrix_world)[:3, :3].T  # the importer turns the object
    assert np.allclose(vertices.min(0), surface.vertices.min(0), atol=0.01)
    uv = read(one.data.uv_layers[0].data, "uv", 2, np.float32).reshape(-1, 4, 2).astype(float)
    halves = topology.triangulated(np.arange(4 * len(uv)).reshape(-1, 4))
    assert uv.min() >= 0 and uv.max() <= 1
    assert overlap(uv.reshape(-1, 2)[halves], 2048) < 1e-3
    # The texture at a point is the color of the nearest vertex of the surface.
    image = bpy.data.images.load(str(folder / "retopo.png"))
    pixels = np.empty(4 * image.size[0] * image.size[1], np.float32)
    image.pixels.foreach_get(pixels)
    pixels = pixels.reshape(image.size[1], image.size[0], 4)
    middles, at = vertices[corners].mean(1), uv.mean(1)
    rows, columns = (at[:, 1] * image.size[1]).astype(int), (at[:, 0] * image.size[0]).astype(int)
    near = SurfaceQuery(surface.vertices.astype(float), surface.faces).closest(middles)
    expected = near.interpolate(surface.colors[surface.faces] / 255.0)
    off = np.abs(pixels[rows, columns, :3] - expected).max(1)
    assert np.percentile(off, 90) < 0.05 and off.mean() < 0.03, (np.percentile(off, 90), off.mean())


def check_lods(folder, source):
    """Levels of a real head, or surface: fewer triangles, in the same place, nothing torn off."""
    before = counts()
    ratios = [1.0, 0.5, 0.25] if source == "head" else [0.1]
    result = step_lods.run(folder, {"ratios": ratios, "source": source})
    assert counts() == before
    assert list(result.files) == [f"lod{k}.glb" for k in range(len(ratios))]
    for level, ratio in zip(result.facts["levels"], ratios, strict=True):
        assert level["ratio"] == ratio
        whole = level["triangles"] / ratio
        assert abs(whole - (11364 if source == "head" else len(read_ply(folder / "surface.ply").faces))) < 60
    for name in result.files:
        check_glb(folder / name, source, 4)
    if source == "head":
        check_full_disk(folder)
        check_changed_texture(folder)
    try:
        step_lods.run(folder, {"ratios": [2.0], "source": source})
    except StepError as error:
        assert "up to 1" in str(error)
    else:
        raise AssertionError("a level with more triangles than there are")


def check_full_disk(folder):
    """A level that cannot be written whole leaves the one before it as it was."""
    before, kept = (folder / "lod0.glb").read_bytes(), step_lods.written_atomically

    def full(path):
        raise OSError(28, "No space left on device")

    step_lods.written_atomically = full
    try:
        step_lods.run(folder, {"ratios": [0.3]})
    except ExportError as error:
        assert "No space left" in str(error)
    else:
        raise AssertionError("nothing was written, and nothing said so")
    finally:
        step_lods.written_atomically = kept
    assert (folder / "lod0.glb").read_bytes() == before


def check_changed_texture(folder):
    """Whoever has painted on the texture has that in the levels, whatever head.glb shows."""
    with (folder / "albedo.png").open("ab") as file:
        file.write(b"\0")
    step_lods.run(folder, {"ratios": [0.1]})
    document = check_glb(folder / "lod0.glb", "head", 3)
    assert {image["mimeType"] for image in document["images"]} == {"image/png"}


def check_glb(path, source, images):
    """A level's document; its pictures are color, normals, roughness and, where color is a JPEG, lashes."""
    data = path.read_bytes()
    length = int.from_bytes(data[12:16], "little")
    document = json.loads(data[20 : 20 + length])
    primitives = document["meshes"][0]["primitives"]
    attributes = primitives[0]["attributes"]
    if source == "head":
        assert "TEXCOORD_0" in attributes and len(primitives) == 6
        assert len(document["images"]) == images, document["images"]
        sizes = [document["bufferViews"][image["bufferView"]]["byteLength"] for image in document["images"]]
        assert min(sizes) > 1000, "none of the few pixels that stand in for them"
        assert len(data) < 2_000_000 or images == 3
    else:
        assert "COLOR_0" in attributes and "images" not in document
    assert "targets" not in primitives[0]
    return document


def pieces_without(mesh, skipped):
    """How many pieces a mesh has, those not counted whose material's name has a word."""
    found = read_triangles(mesh)
    index = np.array([polygon.material_index for polygon in mesh.polygons])[found.faces]
    counted = [skipped is None or skipped not in material.name for material in mesh.materials]
    return int(topology.face_components(found.triangles[np.array(counted)[index]]).max()) + 1


def check_attached(folder):
    """Eyes, lashes and mouth stay where they are in the face, at each level."""
    head = step_lods._head(folder)
    whole = read_triangles(head.data)
    part = topology.face_components(whole.triangles)
    held = lods.held_vertices(head.data)
    assert 0 < len(held) < 0.15 * len(head.data.vertices)
    for ratio in (0.5, 0.25, 0.1):
        mesh = lods.decimated(head, ratio)
        made = read_triangles(mesh)
        assert abs(len(made.triangles) - ratio * len(whole.triangles)) <= 0.02 * ratio * len(whole.triangles)
        # Of the six triangles that a tenth leaves of a tear line, one may lose its neighbors.
        skipped = "tears" if ratio == 0.1 else None
        pieces, expected = (pieces_without(one, skipped) for one in (mesh, head.data))
        assert pieces == expected, "a part is gone, or torn"
        assert not mesh.validate()
        surface = SurfaceQuery(made.vertices, made.triangles)
        for one in range(part.max() + 1):
            points = whole.vertices[np.unique(whole.triangles[part == one])]
            limit = {0.5: 0.0015, 0.25: 0.003, 0.1: 0.006}[ratio]
            assert np.percentile(surface.distance(points), 95) < limit, (ratio, one)
        bpy.data.meshes.remove(mesh)


if __name__ == "__main__":
    main(globals())
