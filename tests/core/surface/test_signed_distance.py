"""The distance to meshes whose every point is known."""

import numpy as np
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import marching_cubes

from core.surface.prior_mesh import PriorMesh
from core.surface.signed_distance import FAR, inside_voxels, signed_distance
from tests.core.surface.test_prior_mesh import CENTER, EVERYWHERE, ball

BOX = (slice(50, 150), slice(46, 146), slice(45, 145))
CORNER = np.array([side.start for side in BOX])


def from_center() -> np.ndarray:
    """(D, H, W, 3) of the box, (x, y, z)."""
    z, y, x = np.meshgrid(*(np.arange(s.start, s.stop, dtype=float) for s in BOX), indexing="ij")
    return np.stack([x, y, z], -1) - CENTER


def test_distance_to_a_ball():
    field = signed_distance(ball(40, subdivisions=4), BOX)
    true = 40 - np.linalg.norm(from_center(), axis=-1)
    near = np.abs(true) < 0.5
    assert np.abs(field - true)[near].max() < 0.2 and np.abs(field - true)[near].mean() < 0.1
    clear = np.abs(true) > 0.2
    np.testing.assert_array_equal(field[clear] > 0, true[clear] > 0)
    assert np.abs(field).max() < 1.1 * FAR and field.dtype == np.float32


def test_inside_voxels():
    true = np.linalg.norm(from_center(), axis=-1)
    head = ball(40, subdivisions=4)
    solid = inside_voxels(head, BOX)
    assert solid[true < 39.9].all() and not solid[true > 40.1].any()
    part = (slice(70, 90), slice(46, 96), slice(80, 130))  # cuts through the ball on all sides but two
    inner = tuple(slice(p.start - b.start, p.stop - b.start) for p, b in zip(part, BOX, strict=True))
    np.testing.assert_array_equal(inside_voxels(head, part), solid[inner])


def test_plane_cuts_the_solid():
    whole = ball(40, subdivisions=4)
    # Solid only where y <= 110, that is above: y goes down.
    head = PriorMesh(whole.points, whole.triangles, np.array([0.0, -1.0, 0.0, 110.0]))
    field = signed_distance(head, BOX)
    y = from_center()[..., 1] + CENTER[1]
    assert (field[y > 110.1] < 0).all()
    deep = np.linalg.norm(from_center(), axis=-1) < 35
    assert (field[deep & (y < 109.5)] > 0).all()


@settings(max_examples=8, deadline=None)
@given(
    axes=st.tuples(*[st.floats(8, 45)] * 3),
    turn=st.tuples(*[st.floats(-3, 3)] * 3),
)
def test_isosurface_of_any_ellipsoid_is_closed_and_on_it(axes, turn):
    mesh = trimesh.creation.icosphere(subdivisions=4)
    turned = trimesh.transformations.euler_matrix(*turn)[:3, :3]
    points = CENTER + (mesh.vertices * axes) @ turned.T
    field = signed_distance(PriorMesh(points, mesh.faces[:, ::-1].astype(np.int32), EVERYWHERE), BOX)
    found, faces, _, _ = marching_cubes(field, 0.0)
    surface = trimesh.Trimesh(found, faces, process=False)
    assert surface.is_watertight and surface.euler_number == 2
    place = (found[:, ::-1] + CORNER[::-1] - CENTER) @ turned / axes
    length, slope = np.linalg.norm(place, axis=1), np.linalg.norm(place / axes, axis=1)
    away = np.abs(length * (1 - length) / slope)
    assert np.median(away) < 0.12 and away.max() < 1.2  # the rims of flat ones are rounded


def test_thin_things_stay():
    """A plate of 2.4 voxels, as thick as ears are, across the rays and along them."""
    mesh = trimesh.creation.icosphere(subdivisions=5)
    for axes in ((30, 30, 1.6), (1.6, 30, 30)):
        head = PriorMesh(CENTER + mesh.vertices * axes, mesh.faces[:, ::-1].astype(np.int32), EVERYWHERE)
        field = signed_distance(head, BOX)
        inside = np.linalg.norm(from_center()[..., :] / (np.array(axes) * [0.7, 0.7, 0.7]), axis=-1) < 1
        assert (field[inside & (np.abs(from_center()) < 0.8).any(-1)] > 0).mean() > 0.98
        assert trimesh.Trimesh(*marching_cubes(field, 0.0)[:2], process=False).euler_number == 2


def test_what_crosses_inside_the_solid_is_no_surface():
    """Two balls that overlap, as lips may: one solid without anything inside."""
    one, two = ball(25, CENTER - np.array([12, 0, 0]), 4), ball(25, CENTER + np.array([12, 0, 0]), 4)
    both = PriorMesh(
        np.concatenate([one.points, two.points]),
        np.concatenate([one.triangles, two.triangles + len(one.points)]),
        EVERYWHERE,
    )
    field = signed_distance(both, BOX)
    deep = np.minimum(*(np.linalg.norm(from_center() - [d, 0, 0], axis=-1) for d in (-12, 12))) < 23
    assert (field[deep] > 0).all()
    surface = trimesh.Trimesh(*marching_cubes(field, 0.0)[:2], process=False)
    assert surface.body_count == 1 and surface.euler_number == 2
