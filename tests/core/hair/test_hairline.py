"""How hair begins on the skin: thin, and hair by hair."""

from dataclasses import replace

import numpy as np
import pytest

from core.hair.builder import HairBuilder
from core.hair.hairline import with_soft_hairline
from core.hair.rim import Rim
from core.hair.settings import HairSettings
from core.hair.skin import Skin, barycentric, corner_uv
from core.runtime.weights import models_folder
from core.segmentation.segments import SegmentClass
from core.template.topology import HeadTopology
from core.texture.albedo import COMPLETED, PAINTED, Albedo
from tests.core.hair.test_hair import BROWN, CAMERA, POSE, picture_of

SKIN_COLOR = (215, 160, 130)
SIZE = 1024


@pytest.fixture(scope="module")
def topology():
    return HeadTopology.load(models_folder())


def built(topology):
    builder = HairBuilder(topology, HairSettings(strands=200, cards=20, texture_size=512))
    rgb, segmentation, _ = picture_of(SegmentClass.HAIR)
    return builder.build(rgb, segmentation, CAMERA, POSE, topology.vertices)


@pytest.fixture(scope="module")
def groom(topology):
    return built(topology)


@pytest.fixture(scope="module")
def albedo():
    image = np.full((SIZE, SIZE, 4), 255, np.uint8)
    image[..., :3] = SKIN_COLOR
    mask = np.full((SIZE, SIZE), COMPLETED, np.uint8)
    return Albedo(image, mask, {}, None)


@pytest.fixture(scope="module")
def painted(albedo, groom, topology):
    return with_soft_hairline(albedo, groom, topology)


def rim_of(shell, skin):
    """The rim of a shell, whose vertices are repeated where charts meet."""
    _, first, index = np.unique(shell.vertices, axis=0, return_index=True, return_inverse=True)
    inner = np.zeros(len(first), bool)
    np.logical_or.at(inner, index.ravel(), shell.inner)
    return Rim.of(shell.vertices[first].astype(float), index.ravel()[shell.triangles], inner, skin)


def test_hair_rises_from_its_line_in_front(groom, topology):
    skin, shell = Skin(topology.vertices, topology), groom.shell
    outer = shell.vertices[~shell.inner].astype(float)
    height, nearest = skin.distance(outer)
    foot = outer - height[:, None] * skin.normals_at(nearest)
    from_rim = rim_of(shell, skin).distance(foot, 0.05)
    # Ears hide hair behind them, the temples are seen too flat.
    front = (np.abs(outer[:, 0]) < 0.045) & (outer[:, 1] < 0.02) & (outer[:, 2] > 0.03)
    near = front & (from_rim < 0.003)
    assert near.sum() > 20 and np.quantile(height[near], 0.9) < 0.0035
    assert np.median(height[front & (from_rim > 0.015)]) > 0.008  # elsewhere it is as thick as ever
    assert height.min() > -0.002
    # It is shaded as the skin beside it is: no dark line runs along it.
    normals = shell.normals[~shell.inner]
    assert np.quantile((normals[near] * skin.normals_at(nearest[near])).sum(1), 0.1) > 0.7


def test_the_way_in_from_the_rim_is_where_hair_is(groom, topology):
    rim = rim_of(groom.shell, Skin(topology.vertices, topology))
    front = np.flatnonzero((np.abs(rim.points[:, 0]) < 0.03) & (rim.points[:, 1] < 0))
    assert len(front) > 20
    assert np.mean(rim.inward[front, 2] > 0.3) > 0.95  # up from the forehead
    np.testing.assert_allclose(np.linalg.norm(rim.inward, axis=1), 1, atol=1e-6)


def test_single_hairs_of_the_hairs_color_lie_around_the_hairline(painted, albedo, groom, topology):
    image, strokes = painted[0].image, groom.hairline
    changed = (image != albedo.image).any(-1)
    assert 0.001 < changed.mean() < 0.2 and (image[..., 3] == 255).all()
    darkest = image[changed][:, :3].min(0)
    assert np.abs(darkest.astype(int) - BROWN).max() < 30
    assert ((painted[0].mask == PAINTED) & changed).any() and (painted[0].mask[~changed] == COMPLETED).all()
    skin = Skin(topology.vertices, topology)
    points = np.einsum(
        "kpc,kpcd->kpd",
        strokes.weights,
        topology.vertices[skin.triangles][strokes.triangle],
    )
    rim = rim_of(groom.shell, skin)
    assert rim.distance(points[:, 2].astype(float), 0.05).max() < 0.01
    course = points[:, -1] - points[:, 0]
    length = np.linalg.norm(course, axis=1, keepdims=True)
    assert 0.002 < np.median(length) < 0.012
    # They run across the line rather than along it.
    _, nearest = rim.tree.query(points[:, 2])
    assert np.median(np.abs((course / length * rim.inward[nearest]).sum(1))) > 0.5


def test_skin_shows_between_the_hairs_at_the_shells_rim_alone(painted, groom):
    before, after = groom.shell.texture.reshape(-1, 3), painted[1].shell.texture.reshape(-1, 3)
    rim = groom.shell.rim
    others = np.ones(len(before), bool)
    others[rim.texel] = False
    assert (before[others] == after[others]).all()
    assert rim.cover.min() >= 0 and rim.cover.max() <= 1
    bare = rim.texel[rim.cover < 0.8]
    assert len(bare) > 50
    toward_skin = np.abs(after[bare].astype(int) - SKIN_COLOR).mean()
    assert toward_skin < np.abs(before[bare].astype(int) - SKIN_COLOR).mean() - 5


def test_the_same_hair_is_painted_the_same(painted, albedo, groom, topology):
    second = built(topology)
    for name in ("texel", "cover", "triangle", "weights"):
        assert (getattr(second.shell.rim, name) == getattr(groom.shell.rim, name)).all(), name
    for name in ("triangle", "weights", "shell_uv", "colors", "strengths"):
        assert (getattr(second.hairline, name) == getattr(groom.hairline, name)).all(), name
    again = with_soft_hairline(albedo, second, topology)
    assert again[1].hairline is None and again[1].shell.rim is None
    assert (again[0].image == painted[0].image).all()
    assert (again[1].shell.texture == painted[1].shell.texture).all()
    lying = replace(groom, hairline=replace(groom.hairline, rooted=0 * groom.hairline.rooted))
    assert (with_soft_hairline(albedo, lying, topology)[0].image == albedo.image).all()
    bare = replace(groom, shell=None, hairline=None)
    assert with_soft_hairline(albedo, bare, topology)[0] is albedo


def test_barycentric_coordinates_find_points(topology):
    rng = np.random.default_rng(0)
    corners, weights = rng.normal(size=(50, 3, 3)), rng.dirichlet(np.ones(3), 50)
    points = np.einsum("nk,nkc->nc", weights, corners)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    np.testing.assert_allclose(barycentric(points + 0.3 * normal, corners), weights, atol=1e-4)
    skin = Skin(topology.vertices, topology)
    triangle, found = skin.locate(skin.samples, np.arange(len(skin.samples)))
    assert (triangle == skin.sample_triangle).all()
    np.testing.assert_allclose(found, skin.sample_weights, atol=2e-3)
    assert corner_uv(topology).shape == (len(skin.triangles), 3, 2)
