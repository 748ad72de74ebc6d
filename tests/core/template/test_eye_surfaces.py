"""Finer eyeballs, corneas and tear lines, which are added to the template when it is read."""

import numpy as np
import pytest

from core.geometry.mesh import triangle_normals
from core.geometry.sphere import fit_sphere
from core.runtime.weights import models_folder
from core.template.eye_surfaces import CORNEA_HEIGHT, SIDES, iris_axis, lower_rim, tear_points
from core.template.lods import load_levels
from core.template.topology import CLEAR, HeadTopology

MODELS = models_folder()


@pytest.fixture(scope="module")
def template() -> HeadTopology:
    return HeadTopology.template(MODELS)


def ball_of(topology, side, vertices=None):
    points = topology.vertices if vertices is None else vertices
    return fit_sphere(points[topology.vertices_of(f"eye_{side}")].astype(float))


def test_the_template_itself_stays_as_it_is(template, topology):
    count, quads = len(template.vertices), len(template.quads)
    np.testing.assert_array_equal(topology.vertices[:count], template.vertices)
    np.testing.assert_array_equal(topology.origin[:count], np.arange(count))
    other = ~np.isin(template.face_part, [template.part_names.index(f"eye_{side}") for side in SIDES])
    np.testing.assert_array_equal(topology.quads[:quads][other], template.quads[other])
    assert topology.part_names == (*template.part_names, *CLEAR)
    corners = topology.quads.ravel()[topology.template_corners]
    np.testing.assert_array_equal(corners, template.quads.ravel())
    uv = topology.uv[topology.quad_uv.ravel()[topology.template_corners]]
    np.testing.assert_array_equal(uv, template.uv[template.quad_uv.ravel()])


def test_what_is_added_is_symmetric(topology):
    np.testing.assert_array_equal(topology.mirror[topology.mirror], np.arange(len(topology.vertices)))
    mirrored = topology.vertices[topology.mirror] * (-1, 1, 1)
    np.testing.assert_allclose(mirrored, topology.vertices, atol=1e-6)


@pytest.mark.parametrize("side", SIDES)
def test_finer_eyeballs_are_as_round_and_closed(side, template, topology):
    before, after = ball_of(template, side), ball_of(topology, side)
    np.testing.assert_allclose(after.center, before.center, atol=1e-5)
    quads = topology.quads[topology.faces_of(f"eye_{side}")]
    assert len(quads) == 4 * len(template.faces_of(f"eye_{side}"))
    ends = np.sort(np.stack([quads, np.roll(quads, -1, 1)], -1).reshape(-1, 2), 1)
    assert (np.unique(ends, axis=0, return_counts=True)[1] == 2).all()


@pytest.mark.parametrize("side", SIDES)
def test_corneas_bulge_before_the_iris_and_face_outward(side, topology):
    name = f"cornea_{side}"
    ball = ball_of(topology, side)
    outward = topology.vertices[topology.vertices_of(name)] - ball.center
    height = np.linalg.norm(outward, axis=1) / ball.radius - 1
    along = outward @ iris_axis(f"eye_{side}") / np.linalg.norm(outward, axis=1)
    assert height.max() == pytest.approx(CORNEA_HEIGHT, abs=1e-3) and along[height.argmax()] > 0.999
    assert 0 < height[along.argmin()] < 0.01
    triangles = topology.triangles[np.repeat(topology.face_part == topology.part_names.index(name), 2)]
    normals = triangle_normals(topology.vertices, triangles)
    assert (normals @ iris_axis(f"eye_{side}") > 0).all()


@pytest.mark.parametrize("direction", ["Up", "Down", "In", "Out"])
def test_corneas_turn_with_their_eyeballs(direction, topology):
    """They stay as far from all vertices of the eyeball as they were."""
    index, cornea = topology.vertices_of("eye_left")[::20], topology.vertices_of("cornea_left")
    moved = topology.vertices + topology.blendshapes[topology.blendshape_index(f"eyeLook{direction}Left")]

    def distances(vertices):
        return np.linalg.norm(vertices[cornea][:, None] - vertices[index], axis=2)

    assert np.abs(moved[cornea] - topology.vertices[cornea]).max() > 0.002
    np.testing.assert_allclose(distances(moved), distances(topology.vertices), atol=2e-5)


@pytest.mark.parametrize("side", SIDES)
def test_tear_lines_lie_between_the_lower_lid_and_the_eyeball(side, topology):
    name = f"tears_{side}"
    ball = ball_of(topology, side)
    rim = lower_rim(topology.vertices, topology.lid_left if side == "left" else topology.lid_right)
    rows = tear_points(topology.vertices[rim].astype(float), ball)
    np.testing.assert_allclose(rows.reshape(-1, 3), topology.vertices[topology.vertices_of(name)], atol=1e-6)
    np.testing.assert_allclose(rows[0], topology.vertices[rim], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(rows[-1] - ball.center, axis=1) / ball.radius, 1, atol=0.01)
    triangles = topology.triangles[np.repeat(topology.face_part == topology.part_names.index(name), 2)]
    normals = triangle_normals(topology.vertices, triangles)
    outward = topology.vertices[triangles].mean(1) - ball.center
    assert ((normals * outward).sum(1) > 0).all()
    # They are where eyelids are: below what the eye shows.
    assert rows[..., 2].max() < topology.vertices[topology.landmark[[159, 386]], 2].min()


def test_the_finest_level_of_detail_has_the_clear_parts_and_the_others_do_not(topology):
    levels = load_levels(MODELS)
    clear = [topology.part_names.index(name) for name in CLEAR]
    assert np.isin(clear, levels[0].part).all()
    assert not any(np.isin(clear, level.part).any() for level in levels[1:])
    for level in levels:
        part = topology.face_part[level.corners // 4]
        np.testing.assert_array_equal(part, np.repeat(level.part[:, None], 3, 1))
