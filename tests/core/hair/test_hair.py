"""The hair of the average head, photographed from the front, whose hair is drawn into the segmentation."""

import io
import json
import struct
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from scipy.spatial import cKDTree

from core.detection.mediapipe_topology import BROW_OUTLINES
from core.errors import ModelError
from core.geometry.frames import FRONTAL, AffineFrame, Camera, HeadPose
from core.geometry.visibility import depth_map
from core.hair.builder import FacialHairRequest, HairBuilder
from core.hair.flow import build_flow, image_orientation
from core.hair.groom import HairGroom
from core.hair.hair_picture import CONTRAST_LIMITS, LOCK_LIMITS, HairPicture, hair_alone
from core.hair.masks import SIZE, HairView, hanging, maps_frame
from core.hair.scalp import Scalp
from core.hair.settings import HairSettings
from core.hair.shell_mesh import SKIN_CLEARANCE, ShellMesh
from core.hair.shell_texture import ShellSamples, texture_shell
from core.hair.skin import Skin
from core.hair.strand_atlas import (
    COLOR,
    CURLY_DENSE,
    CURLY_STRAY,
    CURLY_THIN,
    IDS,
    LOCKS,
    NORMAL,
    SINGLE,
    load_strand_atlas,
    lock_columns,
)
from core.hair.strand_atlas import FILE_NAME as STRAND_ATLAS
from core.hair.strands import CURL_SHAPES
from core.hair.style import RECEDING, bare_fraction, color_word, describe, lying_thickness, tangle
from core.image.color import linear_to_srgb, srgb_to_linear
from core.io.hair_files import about_hair
from core.io.hair_glb import hair_glb_bytes
from core.io.hair_npz import hair_npz_bytes
from core.io.head_glb import head_glb_bytes
from core.io.preview_glb import head_preview_glb
from core.runtime.weights import models_folder
from core.segmentation.segments import SEGMENT_SIZE, Segmentation, SegmentClass, segment_frame
from core.template.regions import Regions
from core.template.topology import SKIN, HeadTopology
from core.training.hair.strand_atlas import build_strand_atlas, paint_strand_atlas
from tests.core.head_samples import MODELS, rigged_head

POSE = HeadPose(FRONTAL, np.array([0.0, 0.0, 1.2]))
CAMERA = Camera.from_focal_mm(50.0, 600, 600)
SETTINGS = HairSettings(strands=1500, texture_size=512)
BROWN = (90, 60, 40)


def picture_of(kind=None, low=-0.02, high=0.145, width=0.1):
    """A photo and its segmentation: hair is an ellipse behind the face, from `low` to `high` meters."""
    topology = HeadTopology.load(models_folder())
    frame = segment_frame(CAMERA, POSE)
    seen = POSE.head_to_camera(topology.vertices.astype(float))
    pixels = frame.photo_to_crop(CAMERA.project(seen))
    depth, _ = depth_map(pixels, seen[:, 2], topology.triangles, SEGMENT_SIZE)
    head = np.isfinite(depth)
    y, x = np.mgrid[:SEGMENT_SIZE, :SEGMENT_SIZE].astype(float)
    photo = frame.crop_to_photo(np.stack([x, y], -1).reshape(-1, 2))
    meters = (photo - [CAMERA.cx, CAMERA.cy]) / CAMERA.focal_px * POSE.translation[2]
    x, z = meters.T[0].reshape(head.shape), -meters.T[1].reshape(head.shape)
    middle, half = (low + high) / 2, (high - low) / 2
    inside = (x / width) ** 2 + ((z - middle) / half) ** 2 < 1
    face = (x / 0.068) ** 2 + ((z + 0.03) / 0.1) ** 2 < 1
    probabilities = np.zeros((len(SegmentClass), *head.shape), np.float32)
    hair = inside & ~face if kind is not None else np.zeros_like(inside)
    if kind is not None:
        probabilities[kind][hair] = 1
    probabilities[SegmentClass.SKIN][head & ~hair] = 1
    probabilities[SegmentClass.BACKGROUND][~head & ~hair] = 1
    rgb = np.full((600, 600, 3), 200, np.uint8)
    rows, columns = np.mgrid[:600, :600]
    at = np.round(frame.photo_to_crop(np.stack([columns, rows], -1).reshape(-1, 2).astype(float))).astype(int)
    at = at.clip(0, SEGMENT_SIZE - 1)
    rgb.reshape(-1, 3)[hair[at[:, 1], at[:, 0]]] = BROWN
    return rgb, Segmentation(probabilities, frame), hair


@pytest.fixture(scope="module")
def builder():
    return HairBuilder(HeadTopology.load(models_folder()), SETTINGS)


@pytest.fixture(scope="module")
def made(builder):
    rgb, segmentation, hair = picture_of(SegmentClass.HAIR)
    groom = builder.build(rgb, segmentation, CAMERA, POSE, builder.topology.vertices)
    return groom, hair, segmentation


def test_shell_is_closed_small_and_brown(made):
    shell = made[0].shell
    assert 3000 < len(shell.triangles) <= 10_000
    _, index = np.unique(shell.vertices.round(7), axis=0, return_inverse=True)
    triangles = index.reshape(-1)[shell.triangles]
    edges = np.sort(np.concatenate([triangles[:, [k, (k + 1) % 3]] for k in range(3)]), 1)
    edges = edges[edges[:, 0] != edges[:, 1]]
    _, count = np.unique(edges, axis=0, return_counts=True)
    assert (count % 2 == 0).all()
    assert np.abs(np.median(shell.texture.reshape(-1, 3), axis=0) - BROWN).max() < 25
    np.testing.assert_allclose(np.linalg.norm(shell.normals, axis=1), 1, atol=1e-3)
    assert shell.uv.min() >= 0 and shell.uv.max() <= 1


def test_background_in_the_mask_does_not_color_the_hair(builder):
    rgb, segmentation, _ = picture_of(SegmentClass.HAIR)
    columns = CAMERA.cx + np.array([0.078, 0.09]) * CAMERA.focal_px / POSE.translation[2]
    rgb[:, int(columns[0]) : int(columns[1])] = 200
    topology = builder.topology
    view = HairView.of(rgb, segmentation, CAMERA, POSE, topology.vertices, topology.triangles)
    maps = view.maps(SegmentClass.HAIR)
    at, _ = maps.pixels_of(np.array([[0.084, 0.0, 0.06], [-0.084, 0.0, 0.06]]))
    column, row = at.round().astype(int).T
    assert maps.mask[row, column].all() and (maps.colors[row, column].mean(-1) > 150).tolist() == [
        True,
        False,
    ]
    assert np.abs(hair_alone(maps)[0][row, column] - BROWN).max() < 25


def test_strands_before_a_bright_wall_do_not_lend_its_color(builder):
    rgb, segmentation, _ = picture_of(SegmentClass.HAIR)
    meters = (np.arange(600) - CAMERA.cx) * POSE.translation[2] / CAMERA.focal_px
    rgb[:, (meters > 0.068) & (meters < 0.092)] = 200
    rgb[:, (meters > 0.078) & (meters < 0.082)] = (np.array(BROWN) + 200) // 2
    topology = builder.topology
    view = HairView.of(rgb, segmentation, CAMERA, POSE, topology.vertices, topology.triangles)
    maps = view.maps(SegmentClass.HAIR)
    at, _ = maps.pixels_of(np.array([[0.071, 0.0, 0.06], [0.08, 0.0, 0.06], [0.085, 0.0, 0.06]]))
    column, row = at.round().astype(int).T
    assert maps.mask[row, column].all()
    assert np.abs(hair_alone(maps)[0][row, column] - BROWN).max() < 12


def test_hair_in_the_sun_keeps_its_colors_before_a_wall_as_light(builder):
    rgb, segmentation, _ = picture_of(SegmentClass.HAIR)
    meters = (np.arange(600) - CAMERA.cx) * POSE.translation[2] / CAMERA.focal_px
    brown = srgb_to_linear(np.array(BROWN) / 255)
    sunlit = np.round(255 * linear_to_srgb(np.clip(brown * 0.6 / brown[1], 0, 1))).astype(np.uint8)
    row_of_hair = (rgb == BROWN).all(-1)
    rgb[row_of_hair & ((meters > 0.076) & (meters < 0.086))] = sunlit
    topology = builder.topology
    view = HairView.of(rgb, segmentation, CAMERA, POSE, topology.vertices, topology.triangles)
    maps = view.maps(SegmentClass.HAIR)
    at, _ = maps.pixels_of(np.array([[0.081, 0.0, 0.06]]))
    column, row = at.round().astype(int).T
    assert maps.mask[row, column].all()
    assert np.abs(hair_alone(maps)[0][row, column] - sunlit).max() < 12


def test_hair_goes_on_beyond_the_border_of_the_photo(builder):
    rgb, segmentation, _ = picture_of(SegmentClass.HAIR)
    vertices = builder.topology.vertices
    above = POSE.head_to_camera(np.array([[0.0, 0.0, 0.06]]))
    top = round(float(CAMERA.project(above)[0, 1]))
    matrix = segmentation.frame.matrix.copy()
    row = round(float(segmentation.frame.photo_to_crop(CAMERA.project(above))[0, 1]))
    matrix[:, 2] += matrix[:, 1] * top
    # The first row of the photo is repeated above it: the forehead.
    probabilities = segmentation.probabilities.copy()
    probabilities[:, :row] = probabilities[:, row : row + 1]
    cut = rgb[top:], Segmentation(probabilities, AffineFrame(matrix)), replace(CAMERA, cy=CAMERA.cy - top)
    shell = builder.build(*cut, POSE, vertices).shell
    crown = np.array([[0.0, 0.03, 0.11], [0.0, 0.06, 0.12]])
    skin = vertices[cKDTree(vertices).query(crown)[1]]
    over = shell.vertices[cKDTree(shell.vertices[:, :2]).query_ball_point(skin[:, :2], 0.006)[0]]
    assert over[:, 2].max() > skin[0, 2]
    assert np.abs(shell.colors[shell.vertices[:, 2] > 0.09].mean(0) - BROWN).max() < 25


@pytest.mark.filterwarnings("error")
def test_hair_in_thin_strips_has_a_contrast(builder):
    rgb, segmentation, _ = picture_of()
    strips = np.zeros((SEGMENT_SIZE, SEGMENT_SIZE), bool)
    strips[60:110, 90:170] = np.arange(80) % 8 < 2  # 4 mm wide
    probabilities = segmentation.probabilities.copy()
    probabilities[:, strips] = 0
    probabilities[SegmentClass.HAIR][strips] = 1
    thin, topology = Segmentation(probabilities, segmentation.frame), builder.topology
    maps = HairView.of(rgb, thin, CAMERA, POSE, topology.vertices, topology.triangles).maps(SegmentClass.HAIR)
    weight = hair_alone(maps)[1]
    assert maps.hair_cm2 > 20 and 0 < weight.max() < 0.5
    picture = HairPicture.of(maps)
    least, most = np.float32(CONTRAST_LIMITS)
    assert least <= picture.contrast <= most
    assert LOCK_LIMITS[0] <= picture.lock_contrast <= LOCK_LIMITS[1]


def test_some_cards_stand_out_of_the_hair(made, builder):
    cards, shell = made[0].cards, made[0].shell
    rows = cards.vertices.reshape(len(cards.layer), -1, 2, 3)
    across = rows[:, :, 1] - rows[:, :, 0]
    normals = cards.normals.reshape(rows.shape)[:, :, 0]
    upright = np.abs((across * normals).sum(2)).max(1) > 0.5 * np.linalg.norm(across, axis=2).max(1)
    assert 0.1 < upright.mean() < 0.3 and (cards.layer[upright] == 2).all()
    out = np.linalg.norm(across[upright], axis=2).max(1)
    assert 0.002 < np.median(out) < 0.01
    middle = rows[upright].mean((1, 2))
    assert np.quantile(cKDTree(shell.vertices).query(middle)[0], 0.9) < 0.015  # at the hair's surface


def test_cards_and_strands_curl_together(made, builder, monkeypatch):
    monkeypatch.setattr("core.hair.builder.describe", lambda *args: replace(describe(*args), curl="curly"))
    rgb, segmentation, _ = picture_of(SegmentClass.HAIR)
    curly = builder.build(rgb, segmentation, CAMERA, POSE, builder.topology.vertices)
    for groom in (made[0], curly):
        locks = np.floor(groom.cards.uv[:, 0] * LOCKS).astype(int)
        of_curls = np.isin(locks, (*CURLY_DENSE, *CURLY_THIN, *CURLY_STRAY))
        assert (of_curls == (groom.style.curl == "curly")).all()
    assert made[0].style.curl != "curly"
    assert curly.strands.points.shape[1] == CURL_SHAPES["curly"].points


def test_waves_are_the_photos_whatever_depth_the_network_gives_them(builder, monkeypatch):
    rgb, segmentation, _ = picture_of(SegmentClass.HAIR)
    rows, columns = np.mgrid[:600, :600]
    waves = np.sin(columns * 1.2 + 3 * np.sin(rows * 0.15))[..., None]
    rgb = np.where((rgb == BROWN).all(-1, keepdims=True), rgb + 30 * waves, rgb).astype(np.uint8)
    flows = []

    def noted(maps, volume, vertices, normals, visible, *_):
        # As if the network said that hair runs backward, which the photo does not show.
        predicted = SimpleNamespace(
            lines=image_orientation(maps),
            flow_at=lambda points: np.tile(np.float32([0, 0.8, -0.6]), (len(points), 1)),
        )
        flows.append(build_flow(maps, volume, vertices, normals, visible, predicted))
        return flows[-1]

    monkeypatch.setattr("core.hair.builder.build_flow", noted)
    for part in (0.0, 0.9):
        monkeypatch.setattr("core.hair.flow.PREDICTED_DEPTH", part)
        builder.build(rgb, segmentation, CAMERA, POSE, builder.topology.vertices)
    flat, deep = flows
    assert np.abs(flat.field - deep.field).max() > 0.1
    assert flat.curl > 0.02 and flat.curl == pytest.approx(deep.curl, abs=1e-5)


def test_what_lies_behind_does_not_color_what_is_seen():
    corners = np.array([[0, 0, 0], [0, 0.1, 0], [0, 0.1, 0.1], [0, 0, 0.1]])
    offset = np.array([0.05, 0, 0])
    vertices = np.concatenate([corners - offset, corners + offset]).astype(np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    normals = np.repeat([[1.0, 0.0, 0.0]], len(vertices), axis=0).astype(np.float32)
    inner, inset = np.zeros(len(vertices), bool), np.zeros(len(vertices), np.float32)
    mesh = ShellMesh(vertices, np.concatenate([faces, faces + 4]), normals, inner, inset)
    colors = SimpleNamespace(
        photo_at=lambda points, visible: np.zeros((len(points), 3), np.float32),
        own_at=lambda points, visible: np.zeros((len(points), 1), np.float32),
        visibility=lambda points, normals: np.zeros((len(points), 1)),
        at=lambda points, seen: np.where(points[:, :1] > 0, BROWN, (250, 0, 0)).astype(np.float32),
    )
    samples = ShellSamples.of(mesh, colors, SETTINGS.texture_size)
    shell = texture_shell(samples, SimpleNamespace(typical=np.zeros(3, np.float32)), None, SETTINGS.seed)
    column, row = (shell.uv.mean(0) * [1, -1] + [0, 1]) * SETTINGS.texture_size
    np.testing.assert_array_equal(shell.texture[int(row), int(column)], BROWN)


def test_what_the_photo_shows_mixed_with_the_background_has_painted_strands():
    vertices = np.array([[0, 0, 0], [0.1, 0, 0], [0.1, 0, 0.1], [0, 0, 0.1]], np.float32)
    normals = np.tile(np.array([0.0, -1.0, 0.0], np.float32), (4, 1))
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    mesh = ShellMesh(vertices, faces, normals, np.zeros(4, bool), np.zeros(4, np.float32))
    colors = SimpleNamespace(
        photo_at=lambda points, visible: np.tile(np.float32(BROWN), (len(points), 1)),
        own_at=lambda points, visible: (points[:, :1] > 0.05).astype(np.float32),
        visibility=lambda points, normals: np.ones((len(points), 1)),
        at=lambda points, seen: np.tile(np.float32(BROWN), (len(points), 1)),
    )
    samples = ShellSamples.of(mesh, colors, SETTINGS.texture_size)
    picture = SimpleNamespace(typical=np.float32(BROWN), contrast=0.2, lock_contrast=0.1)
    flow = SimpleNamespace(at=lambda points: np.tile(np.float32([0, 0, -1]), (len(points), 1)))
    shell = texture_shell(samples, picture, flow, SETTINGS.seed)
    texels = shell.texture.reshape(-1, 3)[samples.texels.texel].astype(float)
    left = samples.texels.points[:, 0] < 0.048
    right = samples.texels.points[:, 0] > 0.052
    assert texels[left].std(0).min() > 3 and np.abs(texels[right] - BROWN).max() <= 1


def test_shell_has_the_outline_of_the_photo(made, builder):
    groom, hair, segmentation = made
    shell, cards, head = groom.shell, groom.cards, builder.topology.vertices
    faces = builder.topology.triangles
    below = shell.vertices - shell.inset[:, None] * shell.normals
    vertices = np.concatenate([head, below, cards.vertices]).astype(float)
    triangles = [faces, shell.triangles + len(head), cards.triangles + len(head) + len(below)]
    triangles = np.concatenate(triangles)
    seen = POSE.head_to_camera(vertices)
    pixels = maps_frame(segmentation.frame).photo_to_crop(CAMERA.project(seen))
    _, triangle = depth_map(pixels, seen[:, 2], triangles, SIZE)
    drawn = (triangle >= len(faces))[1::2, 1::2]
    assert (drawn & hair).sum() / (drawn | hair).sum() > 0.95


def test_nothing_is_deeper_in_the_head_than_two_millimeters(made, builder):
    groom = made[0]
    skin = Skin(builder.topology.vertices, builder.topology)
    for points in (groom.shell.vertices, groom.cards.vertices, groom.strands.points.reshape(-1, 3)):
        distance, _ = skin.distance(points.astype(float))
        assert distance.min() > -0.002


def test_the_shell_below_cards_does_not_reach_the_skin(made, builder):
    shell = made[0].shell
    skin = Skin(builder.topology.vertices, builder.topology)
    before, _ = skin.distance(shell.vertices.astype(float))
    after, _ = skin.distance((shell.vertices - shell.inset[:, None] * shell.normals).astype(float))
    assert shell.inset.max() > 0.0005
    assert (after > np.minimum(before, SKIN_CLEARANCE) - 0.0003).all()


def test_strands_are_rooted_on_the_scalp(made, builder):
    strands, topology = made[0].strands, builder.topology
    corners = topology.vertices[strands.root_vertices]
    roots = np.einsum("sk,skc->sc", strands.root_barycentric, corners)
    assert np.linalg.norm(roots - strands.points[:, 0], axis=1).max() < 0.002
    np.testing.assert_allclose(strands.root_barycentric.sum(1), 1, atol=1e-5)
    skin = set(topology.vertices_of(SKIN))
    assert set(strands.root_vertices.ravel()) <= skin
    steps = np.linalg.norm(np.diff(strands.points, axis=1), axis=2)
    assert steps.max() < 0.05 and strands.points[:, 0, 2].mean() > 0.03


def facing_fraction(cards) -> float:
    """Of the triangles, how many are wound so that they face where their normals point."""
    first, second, third = (cards.vertices[cards.triangles[:, k]] for k in range(3))
    normals = cards.normals[cards.triangles].sum(1)
    return float(((np.cross(second - first, third - first) * normals).sum(1) > 0).mean())


def test_cards_run_from_root_to_tip(made):
    cards = made[0].cards
    assert facing_fraction(cards) > 0.97
    assert 150 <= len(cards.layer) <= 400 and set(cards.layer) == {0, 1, 2}
    assert (np.bincount(cards.card) == 2 * SETTINGS.card_rows).all()
    assert (np.diff(cards.along.reshape(len(cards.layer), -1)[:, ::2], axis=1) > 0).all()
    assert cards.uv.min() >= 0 and cards.uv.max() <= 1 and cards.triangles.max() < len(cards.vertices)
    for level in (1, 2):
        assert (cards.lod >= level).sum() == pytest.approx(len(cards.lod) * 0.5**level, abs=3)


def test_hair_where_none_is_seen_is_none(builder):
    rgb, segmentation, _ = picture_of()
    assert builder.build(rgb, segmentation, CAMERA, POSE, builder.topology.vertices) is None
    rgb, segmentation, _ = picture_of(SegmentClass.HAIR)
    assert builder.build(rgb, segmentation, CAMERA, POSE, builder.topology.vertices, "none") is None


def test_headwear_is_a_cover_and_no_hair(builder):
    rgb, segmentation, _ = picture_of(SegmentClass.HEADWEAR)
    groom = builder.build(rgb, segmentation, CAMERA, POSE, builder.topology.vertices)
    assert groom.shell is None and groom.cards is None and groom.strands is None and groom.style is None
    assert len(groom.cover.triangles) > 1000
    # Its edge stands off the forehead, as that of hair does not.
    skin, shell = Skin(builder.topology.vertices, builder.topology), groom.cover
    outer = shell.vertices[~shell.inner].astype(float)
    height, nearest = skin.distance(outer)
    foot = outer - height[:, None] * skin.normals_at(nearest)
    rim = shell.vertices[shell.inner].astype(float)
    at_edge = (outer[:, 1] < 0) & (cKDTree(rim).query(foot)[0] < 0.008)
    assert at_edge.sum() > 20 and np.median(height[at_edge]) > 0.004 and shell.rim is None
    with np.load(io.BytesIO(hair_npz_bytes(groom, {}))) as data:
        assert (
            "cover_vertices" in data
            and "shell_vertices" not in data
            and json.loads(str(data["style"])) is None
        )


def test_a_cheek_that_was_taken_for_headwear_is_skin(builder):
    rgb, segmentation, headwear = picture_of(SegmentClass.HEADWEAR)
    covered = (rgb == BROWN).all(-1)
    probabilities = segmentation.probabilities.copy()
    cheek = np.zeros_like(headwear)
    cheek[130:170, 130:160] = True
    cheek &= probabilities[SegmentClass.SKIN] > 0.5
    assert cheek.sum() > 500
    probabilities[:, cheek] = 0
    probabilities[SegmentClass.HEADWEAR][cheek] = 1
    mistaken = Segmentation(probabilities, segmentation.frame)

    def cheek_in_mask(color) -> float:
        photo = np.full_like(rgb, (190, 140, 115))
        photo[covered] = color
        topology = builder.topology
        view = HairView.of(photo, mistaken, CAMERA, POSE, topology.vertices, topology.triangles)
        maps = view.maps(SegmentClass.HEADWEAR)
        assert maps.mask.sum() > 0.8 * headwear.sum() * (SIZE / SEGMENT_SIZE) ** 2
        return float(maps.mask[::2, ::2][cheek].mean())

    assert cheek_in_mask((40, 60, 120)) < 0.1
    assert cheek_in_mask((150, 110, 90)) > 0.9  # what has the color of skin is left as it is


def test_same_photo_gives_the_same_hair(made, builder):
    rgb, segmentation, _ = picture_of(SegmentClass.HAIR)
    again = builder.build(rgb, segmentation, CAMERA, POSE, builder.topology.vertices)
    assert hair_npz_bytes(again, {}) == hair_npz_bytes(made[0], {})


def test_files_hold_the_groom(made):
    groom = made[0]
    with np.load(io.BytesIO(hair_npz_bytes(groom, {"photo": "a.jpg"}))) as data:
        assert np.array_equal(data["strand_points"], groom.strands.points)
        assert json.loads(str(data["style"]))["color"] and str(data["product"]) == "cards"
    document = document_of(hair_glb_bytes(groom, "test"))
    assert [node["name"] for node in document["nodes"]] == ["hair"]
    modes = {material["name"]: material.get("alphaMode") for material in document["materials"]}
    assert modes == {"hair_shell": None, "hair_cards": "MASK"}
    assert all("KHR_materials_specular" in material["extensions"] for material in document["materials"])
    assert document["extensionsUsed"] == ["KHR_materials_specular"]
    document = document_of(hair_glb_bytes(replace(groom, product="shell"), "test"))
    assert [material["name"] for material in document["materials"]] == ["hair_shell"]


@pytest.mark.filterwarnings("error")
def test_a_picture_full_of_hair_is_no_reason_to_fail(builder):
    rgb, segmentation, _ = picture_of()
    probabilities = np.zeros_like(segmentation.probabilities)
    probabilities[SegmentClass.HAIR] = 1
    full = Segmentation(probabilities, segmentation.frame)
    groom = builder.build(rgb, full, CAMERA, POSE, builder.topology.vertices)
    assert groom is None or np.isfinite(groom.shell.vertices).all()


def test_preview_shows_the_shell(made, builder):
    topology = builder.topology
    glb = head_preview_glb(topology.vertices, topology, "test", hair=made[0])
    primitives = document_of(glb)["meshes"][0]["primitives"]
    assert len(primitives) == 4 and len(glb) < 600_000


def document_of(glb):
    (length,) = struct.unpack_from("<I", glb, 12)
    return json.loads(glb[20 : 20 + length])


def test_shade_on_a_shaven_scalp_is_no_hair(builder):
    rgb, segmentation, _ = picture_of(SegmentClass.HAIR, low=0.03, high=0.125, width=0.085)
    hair = segmentation.probabilities[SegmentClass.HAIR] > 0
    head = segmentation.probabilities.copy()
    background = picture_of()[1].probabilities[SegmentClass.BACKGROUND] > 0
    head[:, background] = 0
    head[SegmentClass.BACKGROUND][background] = 1
    shaven = Segmentation(head, segmentation.frame)
    assert (hair & ~background).sum() > 500
    gray = np.full_like(rgb, 120)
    assert builder.build(gray, shaven, CAMERA, POSE, builder.topology.vertices) is None
    # The same hair with a clear line is cropped hair.
    assert builder.build(rgb, shaven, CAMERA, POSE, builder.topology.vertices).shell is not None


def test_a_sleeve_beside_the_shoulders_is_no_hair():
    mask, hidden = np.zeros((2, SIZE, SIZE), bool)
    mask[100:300, 200:220] = True  # a strand that hangs straight down
    mask[250:260, 220:400] = True  # a strap that goes off to the side
    mask[150:160, 220:300] = True  # what stands off above the mouth
    kept = hanging(mask, hidden, 200)
    assert kept[100:300, 200:220].all() and kept[150:160, 220:300].all()
    assert not kept[250:260, 240:].any()


def test_hair_goes_on_below_a_hand():
    mask, hidden = np.zeros((2, SIZE, SIZE), bool)
    mask[100:220, 200:220] = mask[240:300, 200:220] = True
    assert not hanging(mask, hidden, 200)[245:].any()
    hidden[220:240, 190:230] = True
    assert hanging(mask, hidden, 200)[245:300, 200:220].all()


def test_the_sheen_of_a_shaven_scalp_is_no_hair(builder):
    rgb, segmentation, hair = picture_of(SegmentClass.HAIR, low=0.075, high=0.125, width=0.06)
    assert hair.any()
    rgb[:] = (120, 80, 60)
    assert builder.build(rgb, segmentation, CAMERA, POSE, builder.topology.vertices) is None


def test_short_hair_is_called_short_and_hanging_hair_long(builder):
    vertices = builder.topology.vertices
    lengths = []
    for low, high, width in ((0.03, 0.125, 0.085), (-0.21, 0.145, 0.12)):
        rgb, segmentation, _ = picture_of(SegmentClass.HAIR, low, high, width)
        style = builder.build(rgb, segmentation, CAMERA, POSE, vertices).style
        lengths.append((style.length, style.length_m))
    assert lengths[0][0] in ("cropped", "short") and lengths[1][0] in ("medium", "long")
    assert lengths[0][1] < 0.1 < 0.2 < lengths[1][1]


@pytest.fixture(scope="module")
def hanging_hair(builder):
    """The groom of hair that hangs below the neck."""
    rgb, segmentation, _ = picture_of(SegmentClass.HAIR, -0.24, 0.145, 0.12)
    return builder.build(rgb, segmentation, CAMERA, POSE, builder.topology.vertices)


def test_glasses_before_the_face_hide_skin_and_no_hair(builder):
    rgb, segmentation, _ = picture_of(SegmentClass.HAIR)
    topology = builder.topology
    eyes = topology.vertices[[*topology.lid_left, *topology.lid_right]].astype(float)
    at = segmentation.frame.photo_to_crop(CAMERA.project(POSE.head_to_camera(eyes)))
    low, high = int(at[:, 1].min()) - 4, int(at[:, 1].max()) + 4
    probabilities = segmentation.probabilities.copy()
    probabilities[:, low:high] = 0
    probabilities[SegmentClass.ACCESSORY, low:high] = 1  # before the face and beside it
    dark = Segmentation(probabilities, segmentation.frame)
    photo = (rgb, dark, CAMERA, POSE, topology.vertices, topology.triangles)
    face = builder._face
    maps = HairView.of(*photo, face=face).maps(SegmentClass.HAIR)
    at, _ = maps.pixels_of(np.concatenate([eyes, [[0.0, -0.02, 0.0], [0.12, 0.08, 0.0], [-0.12, 0.08, 0.0]]]))
    column, row = at.round().astype(int).T
    assert maps.hidden[row, column].tolist() == [False] * (len(row) - 2) + [True, True]
    assert maps.hairline[row[:-2], column[:-2]].max() == 0
    assert HairView.of(*photo).maps(SegmentClass.HAIR).hidden[row, column].all()


def lengths_of(strands):
    return np.linalg.norm(np.diff(strands.points, axis=1), axis=2).sum(1)


def test_short_strands_end_before_the_nape(builder, hanging_hair):
    rgb, segmentation, _ = picture_of(SegmentClass.HAIR, 0.03, 0.125, 0.085)
    short = builder.build(rgb, segmentation, CAMERA, POSE, builder.topology.vertices)
    lengths = lengths_of(short.strands)
    assert 0.5 * short.style.length_m < np.median(lengths) < 1.5 * short.style.length_m
    assert lengths.max() < 0.15 < np.median(lengths_of(hanging_hair.strands))
    rows = short.cards.vertices.reshape(len(short.cards.layer), -1, 2, 3)
    along = np.linalg.norm(np.diff(rows.mean(2), axis=1), axis=2).sum(1)
    across = np.linalg.norm(rows[:, :, 1] - rows[:, :, 0], axis=2).max(1)
    assert np.median(along / np.maximum(across, 1e-6)) > 3


def test_hair_gathered_in_a_bun_does_not_lie():
    ring = np.tile([0.0, 0.0, 0.1], (100, 1))
    lying = np.full(100, 0.01)
    assert lying_thickness(ring, lying) == pytest.approx(0.01)
    assert lying_thickness(ring, np.where(np.arange(100) < 10, 0.05, lying)) is None
    assert lying_thickness(ring - [0, 0, 0.25], np.full(100, 0.02)) is None  # it hangs
    assert lying_thickness(ring[:0], lying[:0]) is None


def test_below_the_neck_the_inside_of_hair_is_hair(hanging_hair, builder):
    shell = hanging_hair.shell
    lower_end = builder.topology.vertices[builder.topology.neck, 2].max()
    below = shell.vertices[:, 2] < lower_end - 0.002
    facing_front = below & (shell.normals[:, 1] < -0.7) & (shell.vertices[:, 1] > 0.06)
    assert facing_front.sum() > 30
    assert not shell.inner[below].any()
    # It has the hair's color, not the dark corner's.
    size = shell.texture.shape[0]
    column = (shell.uv[facing_front, 0] * size).astype(int).clip(0, size - 1)
    row = ((1 - shell.uv[facing_front, 1]) * size).astype(int).clip(0, size - 1)
    assert np.median(shell.texture[row, column].mean(1)) > 0.7 * np.mean(BROWN)
    # Hidden behind the neck it stays the inner side.
    assert shell.inner[shell.vertices[:, 2] > lower_end + 0.02].any()


def test_a_scarf_that_hangs_behind_the_neck_covers_it(builder):
    rgb, segmentation, _ = picture_of(SegmentClass.HEADWEAR, -0.24, 0.145, 0.14)
    vertices = builder.topology.vertices.copy()  # with shoulders that begin where the neck ends
    wider = np.clip((-0.09 - vertices[:, 2]) / 0.06, 0, 1) ** 2 * (vertices[:, 1] > 0.05)
    vertices[:, 1] += 0.06 * wider
    vertices[:, 0] *= 1 + 0.4 * wider
    cover = builder.build(rgb, segmentation, CAMERA, POSE, vertices).cover
    skin = Skin(vertices, builder.topology)
    back = skin.samples[
        (skin.samples[:, 1] > 0.09) & (np.abs(skin.samples[:, 0]) < 0.07) & (skin.samples[:, 2] < -0.1)
    ]
    outer = cover.triangles[~cover.inner[cover.triangles].all(1)]
    corners = cover.vertices[outer].astype(float)
    for point in back[:: max(len(back) // 60, 1)]:
        # The ray from the neck backward has to cross the cover.
        flat = corners[:, :, [0, 2]] - point[[0, 2]]
        turn = [
            flat[:, k, 0] * flat[:, (k + 1) % 3, 1] - flat[:, k, 1] * flat[:, (k + 1) % 3, 0]
            for k in range(3)
        ]
        inside = np.all(np.array(turn) >= 0, axis=0) | np.all(np.array(turn) <= 0, axis=0)
        assert (corners[inside, :, 1].max(1) > point[1]).any(), point


@pytest.fixture(scope="module")
def bearded(builder):
    """The groom of a head with dark brows and a beard, and where its vertices are."""
    rgb, segmentation, _ = picture_of()
    topology = builder.topology
    seen = POSE.head_to_camera(topology.vertices.astype(float))
    brows = [topology.landmark[list(outline)] for outline in BROW_OUTLINES]
    for outline in brows:
        cv2.fillPoly(rgb, [np.round(CAMERA.project(seen[outline])).astype(np.int32)], (40, 30, 25))
    beard = (Regions.of(topology).beard > 0.5) & (topology.vertices[:, 1] < 0.04)
    at = segmentation.frame.photo_to_crop(CAMERA.project(seen[beard])).astype(np.float32)
    hull = cv2.convexHull(at)
    probabilities = segmentation.probabilities.copy()
    picture = probabilities[SegmentClass.FACIAL_HAIR].copy()
    cv2.fillConvexPoly(picture, np.round(hull).astype(np.int32), 1.0)
    probabilities[:, picture > 0] = 0
    probabilities[SegmentClass.FACIAL_HAIR] = picture
    request = FacialHairRequest("cards", topology.vertices)
    found = Segmentation(probabilities, segmentation.frame)
    return builder.build(rgb, found, CAMERA, POSE, topology.vertices, "none", facial=request)


def test_hairlines_recede_where_the_photo_shows_skin(builder):
    topology = builder.topology
    skin, regions = Skin(topology.vertices, topology), Regions.of(topology)
    grown = (regions.scalp > 0.5).astype(np.float32)
    seen = (topology.vertices[:, 1] < 0.08).astype(np.float32)
    receded = grown * (topology.vertices[:, 1] > 0.05)
    whole, bare, hidden = (
        bare_fraction(Scalp(presence, grown, visible, grown), skin, regions)
        for presence, visible in ((grown, seen), (receded, seen), (receded, 0 * seen))
    )
    assert whole < 0.05 < RECEDING < bare and hidden == 0


def test_short_hair_is_curly_only_with_less_clear_lines():
    short, long = (SimpleNamespace(length=length, curl="curly") for length in ("short", "long"))
    flow = SimpleNamespace(coherence=0.35, curl=0.19)
    assert tangle(flow, short) == 0.0 < 0.5 < tangle(flow, long)
    unclear = SimpleNamespace(coherence=0.25, curl=0.19)
    assert tangle(unclear, short) == tangle(unclear, long) == 1.0


def test_short_hair_without_curls_is_lines_and_cropped_hair_mostly_dots():
    unclear = SimpleNamespace(coherence=0.1, curl=0.3)
    cropped, short, long = (
        SimpleNamespace(length=length, curl="straight") for length in ("cropped", "short", "long")
    )
    assert tangle(unclear, short) == 0.0 < 0.5 < tangle(unclear, cropped) < tangle(unclear, long) == 1.0


@pytest.mark.parametrize(
    ("color", "word"),
    [
        ((53, 24, 13), "red"),
        ((119, 58, 31), "red"),
        ((43, 23, 16), "dark brown"),
        ((25, 15, 12), "black"),
        ((28, 17, 11), "black"),
    ],
)
def test_dark_hair_of_a_clear_hue_is_not_called_black(color, word):
    assert color_word(srgb_to_linear(np.array(color) / 255)) == word


def test_heads_without_hair_are_called_bald():
    assert about_hair(None, "none") is None
    assert about_hair(None, "cards")["style"]["length"] == "bald"
    cover = HairGroom(None, None, None, None, cover=object(), seen_fraction=0.5)
    assert about_hair(cover, "cards")["style"] is None and about_hair(cover, "cards")["headwear"]
    brows_alone = HairGroom(None, None, None, None, None, 0.0, "none")
    assert about_hair(brows_alone, "none")["style"] is None


def test_brows_and_beard_grow_where_the_photo_has_them(bearded, builder):
    assert bearded.shell is None and [one.name for one in bearded.facial] == ["brows", "beard"]
    brows, beard = bearded.facial
    skin = Skin(builder.topology.vertices, builder.topology)
    for one in bearded.facial:
        assert facing_fraction(one.cards) > 0.97
        for points in (one.cards.vertices, one.strands.points.reshape(-1, 3)):
            distance, _ = skin.distance(points.astype(float))
            assert distance.min() > -0.001 and distance.max() < 0.02
    roots = brows.strands.points[:, 0]
    outline = builder.topology.vertices[builder.topology.landmark[list(BROW_OUTLINES[1])]]
    left = roots[roots[:, 0] > 0]
    assert (left[:, :1] > outline[:, 0].min() - 0.006).all() and len(left) > 0.4 * len(roots)
    assert np.abs(left[:, 2] - outline[:, 2].mean()).max() < 0.02
    # Toward the temples, and down.
    assert ((brows.strands.points[:, -1] - roots)[:, 0] * np.sign(roots[:, 0]) > 0).mean() > 0.8
    assert (beard.strands.points[:, 0, 2] < -0.035).all()
    assert np.median(brows.cards.colors) < 80


def test_cards_of_brows_and_beard_begin_in_the_skin_and_follow_it(bearded, builder):
    skin = Skin(builder.topology.vertices, builder.topology)
    for one in bearded.facial:
        cards = one.cards
        distance, _ = skin.distance(cards.vertices.astype(float))
        assert np.median(distance[cards.along == 0]) < 0 and distance[cards.along == 0].max() < 0.001
        middle = (cards.along > 0.4) & (cards.along < 0.6)
        tips = cards.along == 1
        assert 0 < np.median(distance[middle]) < 0.5 * np.median(distance[tips]) < 0.002


def test_cards_of_a_beard_keep_apart(bearded):
    """Where they lay at random, there were heaps of them beside bare skin."""
    cards = bearded.facial[1].cards
    roots = cards.vertices.reshape(-1, 6, 3)[:, :2].mean(1)
    nearest = cKDTree(roots).query(roots, k=2)[0][:, 1]
    assert np.quantile(nearest, 0.05) > 0.003 and np.median(nearest) < 0.008


def test_facial_hair_is_thinner_at_its_border(bearded, builder):
    cards = bearded.facial[1].cards
    first, second = cards.vertices[0::2], cards.vertices[1::2]
    width = np.linalg.norm(second - first, axis=1).reshape(-1, 3).mean(1)
    roots = first.reshape(-1, 3, 3)[:, 0]
    inside = np.abs(roots[:, 0]) < 0.02
    assert len(width) == len(cards.layer) and inside.sum() > 10
    assert np.quantile(width, 0.05) < 0.8 * np.median(width[inside])


def test_a_head_with_brows_and_a_full_beard_fits_its_file(bearded, builder):
    head = rigged_head(builder.topology)
    plain, grown = (len(head_glb_bytes(head, None, "test", hair=hair)) for hair in (None, bearded))
    document = document_of(head_glb_bytes(head, None, "test", hair=bearded))
    meshes = {mesh["name"]: mesh for mesh in document["meshes"]}
    targets = len(document["meshes"][0]["primitives"][0]["targets"])
    for name in ("brows", "beard"):
        (primitive,) = meshes[name]["primitives"]
        assert len(primitive["targets"]) == targets and {"JOINTS_0", "TANGENT"} <= set(
            primitive["attributes"]
        )
    # With cards and textures of 2048 texels it has 6.2 MB without them, and is to have no more than 8.
    assert 100_000 < grown - plain - len_of_atlas() < 1_800_000


def len_of_atlas():
    atlas = load_strand_atlas(MODELS)
    return len(atlas[COLOR]) + len(atlas[NORMAL])


def test_the_atlas_is_what_its_script_paints():
    made, shipped = build_strand_atlas(), load_strand_atlas(MODELS)
    assert list(shipped) == [COLOR, NORMAL, IDS]
    for name, data in shipped.items():
        now, then = (cv2.imdecode(np.frombuffer(file, np.uint8), -1) for file in (made[name], data))
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("content", [None, b"PK nothing", b""])
def test_a_missing_or_damaged_atlas_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / STRAND_ATLAS).write_bytes(content)
    with pytest.raises(ModelError, match=f"{STRAND_ATLAS} is .*models folder again"):
        load_strand_atlas(tmp_path)


def test_single_hairs_of_the_atlas_fade_to_their_tips():
    atlas = paint_strand_atlas().color
    left, right = (round(float(x) * atlas.shape[1]) for x in lock_columns(np.array(SINGLE[0])))
    alpha = atlas[:, left:right, 3]
    assert 0.05 < (alpha > 100).mean() < 0.35  # hairs, not a patch
    rows = (alpha > 100).mean(1)
    assert rows[:20].mean() < rows[120:320].mean() and rows[-40:].mean() < 0.3 * rows[120:320].mean()


def test_no_beard_without_one(builder):
    rgb, segmentation, _ = picture_of()
    request = FacialHairRequest("strands", builder.topology.vertices)
    groom = builder.build(rgb, segmentation, CAMERA, POSE, builder.topology.vertices, "none", facial=request)
    assert [one.name for one in groom.facial] == ["brows"] and groom.facial_product == "strands"


def test_brows_move_with_the_skin(bearded, builder):
    brows, topology = bearded.facial[0], builder.topology
    whole = np.tile([0.01, 0.0, 0.0], (len(topology.vertices), 1))
    np.testing.assert_allclose(brows.moved(whole) - [0.01, 0, 0], 0, atol=1e-6)
    up = topology.blendshapes[topology.blendshape_index("browInnerUp")]
    assert np.linalg.norm(brows.moved(up), axis=1).max() > 0.002
    with np.load(io.BytesIO(hair_npz_bytes(bearded, {}))) as data:
        assert "shell_vertices" not in data and str(data["facial_product"]) == "cards"
        assert data["beard_card_bound_vertices"].shape == (len(data["beard_card_vertices"]), 3)
    document = document_of(hair_glb_bytes(bearded, "test"))
    assert [node["name"] for node in document["nodes"]] == ["brows", "beard"]
    assert len(document["images"]) == 2
