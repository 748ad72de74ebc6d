"""What the hair network is given, and what becomes of what it says."""

from dataclasses import replace

import numpy as np
import pytest

from core.hair.block import BLOCK, BLOCK_CELL, CHANNELS, FLOW_SHAPE, HairBlock
from core.hair.builder import HairBuilder, build_shape
from core.hair.flow import build_flow, image_orientation
from core.hair.lower_end import NAPE_Z, lower_end
from core.hair.masks import HairView
from core.hair.scalp import measure_scalp
from core.hair.settings import HairSettings
from core.hair.skin import Skin
from core.hair.volume import Billboard, build_volume
from core.hair.volume_network import (
    INPUT_CELL,
    OUTPUT_SCALE,
    OnnxHairNetwork,
    TorchHairNetwork,
    load_hair_network,
    network_inputs,
    none_below,
    without_false_tails,
)
from core.runtime.backend import HAIR_NAME, HAIR_ONNX_NAME
from core.runtime.weights import models_folder
from core.segmentation.segments import SegmentClass
from tests.core.hair.test_hair import CAMERA, POSE, picture_of

SETTINGS = HairSettings(cell_m=0.006, strands=300, texture_size=256)


class Says:
    """A network that says the same of every photo, and keeps what it was given."""

    def __init__(self, correction, flow=(0.0, 1.0, 0.0)):
        self.correction = np.broadcast_to(np.float32(correction), BLOCK)
        self.flow = np.broadcast_to(np.array(flow, np.float32)[:, None, None, None], FLOW_SHAPE)

    def run(self, inputs):
        self.inputs = inputs
        return np.ascontiguousarray(self.correction), np.ascontiguousarray(self.flow)


@pytest.fixture(scope="module")
def scene(topology):
    builder = HairBuilder(topology, SETTINGS)
    rgb, segmentation, _ = picture_of(SegmentClass.HAIR, low=-0.1)
    skin = Skin(topology.vertices, topology)
    view = HairView.of(rgb, segmentation, CAMERA, POSE, skin.vertices, topology.triangles)
    maps = view.maps(SegmentClass.HAIR)
    return maps, skin, measure_scalp(maps, skin, builder._regions, builder._completion)


def hair_at(shape, points):
    grid = shape.volume.grid
    return grid.sample(shape.volume.field, points) > 0


def test_the_block_stands_upright_and_faces_the_camera():
    side = np.array([0.6, 0.8])
    block = HairBlock(Billboard(side, np.array([-0.8, 0.6])), 0.0)
    points = block.points.reshape(*BLOCK, 3)
    np.testing.assert_allclose(points[3, 5, 9] - points[3, 5, 8], [*side * BLOCK_CELL, 0], atol=1e-6)
    np.testing.assert_allclose(points[3, 5, 9] - points[3, 4, 9], [0, 0, -BLOCK_CELL], atol=1e-6)
    np.testing.assert_allclose(
        block.local(points[3, 5, 9][None])[0], np.array([3, 5, 9]) * BLOCK_CELL, atol=1e-5
    )
    np.testing.assert_allclose(block.axes @ block.axes.T, np.eye(3), atol=1e-12)


def test_the_inputs_show_volume_skin_and_photo_at_the_blocks_cells(scene, topology):
    maps, skin, scalp = scene
    volume = build_volume(maps, skin, scalp, HairSettings(cell_m=INPUT_CELL))
    block = HairBlock.facing(POSE, Billboard.facing(maps))
    inputs = network_inputs(block, maps, volume, *image_orientation(maps))
    assert inputs.shape == (1, CHANNELS, *BLOCK[1:]) and np.abs(inputs).max() <= 1.001
    there = block.points.reshape(*BLOCK, 3)[20, 30, 25]
    expected = volume.grid.sample(volume.field, there[None])[0]
    assert np.sign(inputs[0, 20, 30, 25]) == np.sign(expected)
    # The plane's outline is that of the photo: hair above the head and none at the chin.
    outline = inputs[0, 2 * BLOCK[0]]
    row = {z: round((0.25 - z) / BLOCK_CELL) for z in (0.13, -0.06)}
    assert outline[row[0.13], 32] > 0 > outline[row[-0.06], 32]
    np.testing.assert_allclose(inputs[0, -5:-3, 0, 0], block.billboard.depth_axis, atol=1e-6)


def test_a_network_that_says_nothing_changes_nothing(scene):
    maps, skin, scalp = scene
    shapes = [build_shape(maps, skin, scalp, SETTINGS, network) for network in (None, Says(0.0))]
    points = shapes[0].volume.grid.points
    same = hair_at(shapes[0], points) == hair_at(shapes[1], points)
    assert same.mean() > 0.995


def test_what_the_network_adds_behind_is_hair_but_stays_in_the_outline_and_off_the_skin(scene, topology):
    maps, skin, scalp = scene
    behind = np.zeros(BLOCK, np.float32)
    behind[35:50, 15:45] = 0.09 / OUTPUT_SCALE
    plain, more = (build_shape(maps, skin, scalp, SETTINGS, network) for network in (None, Says(behind)))
    bun = np.array([[0.0, 0.215, 0.05]])
    assert hair_at(more, bun)[0] and more.mesh.vertices[:, 1].max() > plain.mesh.vertices[:, 1].max() + 0.01
    assert skin.distance(more.mesh.vertices)[0].min() > -0.002
    # What the photo could show beside the head is not added to.
    pixels, _ = maps.pixels_of(more.mesh.vertices)
    column, row = pixels.round().astype(int).clip(0, maps.hull.shape[0] - 1).T
    assert maps.hull[row, column].min() > -0.006


@pytest.mark.parametrize(("radius", "kept"), [(0.008, False), (0.024, True)])
def test_a_tail_that_the_network_adds_is_hair_and_a_spike_is_none(scene, topology, radius, kept):
    maps, skin, scalp = scene
    block = HairBlock.facing(POSE, Billboard.facing(maps))
    back = skin.vertices[skin.vertices[:, 1].argmax()]
    offset = block.points - back
    tail = (np.hypot(offset[:, 0], offset[:, 2]) < radius) & (np.abs(offset[:, 1]) < 0.05)
    network = Says(np.where(tail, 3.0, 0.0).reshape(BLOCK))
    shape = build_shape(maps, skin, scalp, SETTINGS, network)
    assert hair_at(shape, back[None] + [0, 0.035, 0]).all() == kept


def test_cropped_hair_stays_as_it_is_built():
    distance = np.linspace(-0.02, 0.1, np.prod(BLOCK), dtype=np.float32).reshape(BLOCK)
    for thickness, changed in ((0.006, False), (0.02, True)):
        built = np.clip(thickness - distance, -0.012, 0.012).astype(np.float32)
        tail = np.full(BLOCK, 0.03, np.float32)
        assert (without_false_tails(tail, built, distance) != 0).any() == changed, thickness


def photographed(topology, **ellipse):
    """What photos show of an ellipse of hair, with clothes below the neck."""
    rgb, segmentation, hair = picture_of(SegmentClass.HAIR, **ellipse)
    clothes = np.zeros_like(hair)
    points = POSE.head_to_camera(np.array([[0.0, 0.05, -0.18]]))
    row = round(float(segmentation.frame.photo_to_crop(CAMERA.project(points))[0, 1]))
    clothes[row:, 40:-40] = True
    probabilities = segmentation.probabilities * ~clothes
    probabilities[SegmentClass.CLOTHES] = clothes
    segmentation = replace(segmentation, probabilities=probabilities)
    view = HairView.of(rgb, segmentation, CAMERA, POSE, topology.vertices, topology.triangles)
    return view.maps(SegmentClass.HAIR)


@pytest.mark.parametrize(("low", "ends"), [(-0.05, NAPE_Z), (-0.12, -0.12), (-0.25, -np.inf)])
def test_hair_ends_where_its_lower_edge_is_free_beside_the_neck(topology, low, ends):
    maps = photographed(topology, low=low, width=0.12)
    assert lower_end(maps, Billboard.facing(maps)) == pytest.approx(ends, abs=0.012)


def test_what_hides_the_neck_hides_where_hair_ends(topology):
    maps = photographed(topology, low=-0.12, width=0.12)
    hand = np.zeros_like(maps.hidden)
    hand[maps.hidden.shape[0] // 2 :] = True
    assert lower_end(replace(maps, hidden=hand), Billboard.facing(maps)) == -np.inf


@pytest.mark.parametrize(("low", "kept"), [(-0.12, False), (-0.25, True)])
def test_a_tail_behind_the_neck_is_hair_only_where_hair_is_not_seen_to_end(topology, low, kept):
    maps = photographed(topology, low=low, width=0.12)
    skin = Skin(topology.vertices, topology)
    builder = HairBuilder(topology, SETTINGS)
    scalp = measure_scalp(maps, skin, builder._regions, builder._completion)
    block = HairBlock.facing(POSE, Billboard.facing(maps))
    nape = np.array([0.0, 0.205, -0.15])
    offset = np.abs(block.points - nape)
    tail = (offset < [0.035, 0.05, 0.08]).all(1)
    shape = build_shape(maps, skin, scalp, SETTINGS, Says(np.where(tail, 3.0, 0.0).reshape(BLOCK)))
    plain = build_shape(maps, skin, scalp, SETTINGS)
    assert not hair_at(plain, nape[None])[0] and hair_at(shape, nape[None])[0] == kept


def test_what_the_network_takes_away_below_the_hairs_end_stays_away():
    correction = np.full(BLOCK, -0.01, np.float32)
    np.testing.assert_array_equal(none_below(correction, -0.1), correction)


def test_the_network_takes_away_what_is_hidden_but_not_what_the_photo_shows(scene):
    maps, skin, scalp = scene
    shape = build_shape(maps, skin, scalp, SETTINGS, Says(-0.02 / OUTPUT_SCALE))
    plain = build_shape(maps, skin, scalp, SETTINGS)
    behind, covered = [], []
    for one in (shape, plain):
        grid = one.volume.grid
        hair = (one.volume.field > 0).ravel()
        behind.append((hair & (grid.points[:, 1] > 0.16)).sum() * grid.cell**3)
        pixels, _ = maps.pixels_of(grid.points[hair])
        shown = np.zeros((64, 64), bool)
        shown[tuple((pixels / 8).astype(int).clip(0, 63).T[::-1])] = True
        covered.append(shown[maps.mask[4::8, 4::8]].mean())
    assert behind[0] < 0.7 * behind[1]
    assert covered[0] > 0.95 * covered[1]


def test_the_flow_is_the_networks(scene):
    maps, skin, scalp = scene
    shape = build_shape(maps, skin, scalp, SETTINGS, Says(0.0, (0.0, 0.0, 1.0)))
    flow = shape.prediction.flow_at(np.array([[0.0, 0.1, 0.05]]))[0]
    side = shape.prediction.block.billboard.side
    np.testing.assert_allclose(flow, [*side, 0], atol=1e-5)
    mesh = shape.mesh
    found = build_flow(
        maps, shape.volume, mesh.vertices, mesh.normals, np.zeros(len(mesh.vertices)), shape.prediction
    )
    assert np.median(found.at(np.array([[0.0, 0.19, 0.05]])) @ [*side, 0]) > 0.9


def test_a_folder_without_a_network_has_none(tmp_path):
    assert load_hair_network(tmp_path) is None


@pytest.mark.parametrize(("backend", "kind"), [("torch", TorchHairNetwork), ("onnx", OnnxHairNetwork)])
def test_the_backend_is_that_of_the_other_networks(monkeypatch, backend, kind):
    pytest.importorskip("torch")
    assert isinstance(load_hair_network(models_folder(), backend), kind)
    monkeypatch.setenv("PHOTOBUST_BACKEND", backend)
    assert isinstance(load_hair_network(models_folder()), kind)


def test_both_backends_say_the_same(scene):
    folder = models_folder()
    if not (folder / HAIR_NAME).is_file():
        pytest.skip("no hair network")
    pytest.importorskip("torch")
    maps, skin, scalp = scene
    volume = build_volume(maps, skin, scalp, HairSettings(cell_m=INPUT_CELL))
    block = HairBlock.facing(POSE, Billboard.facing(maps))
    inputs = network_inputs(block, maps, volume, *image_orientation(maps))
    networks = (OnnxHairNetwork(folder / HAIR_ONNX_NAME), TorchHairNetwork(folder / HAIR_NAME))
    (correction, flow), (reference, reference_flow) = (network.run(inputs) for network in networks)
    assert correction.shape == BLOCK and flow.shape == FLOW_SHAPE
    np.testing.assert_allclose(correction, reference, atol=2e-3)
    np.testing.assert_allclose(flow, reference_flow, atol=2e-3)
    assert np.abs(correction).max() > 0.1
