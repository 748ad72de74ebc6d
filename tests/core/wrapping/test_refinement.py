"""The last step of the wrap, and the size of what a volume can show, on plain shapes."""

from types import SimpleNamespace

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import diags

from core.geometry.factorization import SymmetricSolver
from core.geometry.mesh import cotangent_laplacian
from core.surface.isosurface import Surface
from core.wrapping.confidence import MIN_FEATURE_SIZE, ConfidenceEstimator, feature_size
from core.wrapping.refinement import MAX_RESIDUAL, refine
from core.wrapping.settings import WrapSettings


def surface_of(mesh: trimesh.Trimesh) -> Surface:
    count = len(mesh.vertices)
    return Surface(
        mesh.vertices.astype(np.float32),
        mesh.faces.astype(np.int32),
        np.zeros((count, 3), np.uint8),
        np.ones(count, np.float32),
    )


def refined(vertices, faces, surface, confidence, clean=lambda moved: moved):
    laplacian, area = cotangent_laplacian(vertices, faces)
    solver = SymmetricSolver(laplacian.T @ laplacian + diags(area))
    target = surface.closest_point_query()
    return refine(vertices, faces, faces, lambda *_: confidence, target, clean, solver)


@pytest.fixture(scope="module")
def ball():
    """Triangles of 2.5 mm, as in a face."""
    return trimesh.creation.icosphere(4, 0.04)


def test_what_is_visible_comes_to_the_surface_and_the_rest_stays(ball):
    target = surface_of(trimesh.creation.icosphere(5, 0.0415))
    seen = ball.vertices[:, 1] < 0
    moved, used = refined(ball.vertices, ball.faces, target, seen.astype(float))
    radius = np.linalg.norm(moved, axis=1)
    np.testing.assert_array_equal(used, seen)
    assert np.abs(radius[seen] - 0.0415).max() < WrapSettings().tolerance + 1e-4
    assert np.abs(radius[ball.vertices[:, 1] > 0.02] - 0.04).max() < 2e-5


def test_ripples_within_the_tolerance_are_not_taken_over(ball):
    fine = trimesh.creation.icosphere(5, 0.04)
    ripple = 1 + 0.0002 / 0.04 * np.sin(fine.vertices[:, 2] / 0.0008)
    target = surface_of(trimesh.Trimesh(fine.vertices * ripple[:, None], fine.faces, process=False))
    moved, _ = refined(ball.vertices, ball.faces, target, np.ones(len(ball.vertices)))
    assert np.linalg.norm(moved - ball.vertices, axis=1).max() < 2e-5


def test_what_the_fold_repair_moves_off_is_brought_back(ball):
    """The repair moves a patch back; only a penalty that grows from round to round prevails."""
    target = surface_of(trimesh.creation.icosphere(5, 0.0415))
    repaired = ball.vertices[:, 1] < -0.03
    rounds = []

    def clean(moved):
        rounds.append(1)
        back = moved.copy()
        back[repaired] += 0.5 ** len(rounds) * (ball.vertices - moved)[repaired]
        return back

    moved, _ = refined(ball.vertices, ball.faces, target, np.ones(len(ball.vertices)), clean)
    assert 1 < len(rounds) <= 1 + WrapSettings().extra_rounds
    assert np.abs(np.linalg.norm(moved, axis=1) - 0.0415).max() < MAX_RESIDUAL + 1e-4


def test_the_penalty_grows_where_the_smoothness_holds_back(ball):
    """A dent as narrow as the smoothing, in what the surface shows."""
    fine = trimesh.creation.icosphere(5, 0.04)
    deep = 0.0012 * np.exp(-(fine.vertices[:, 0] ** 2 + fine.vertices[:, 2] ** 2) / (2 * 0.0016**2))
    dented = fine.vertices * (1 - deep / 0.04 * (fine.vertices[:, 1] < 0))[:, None]
    target = surface_of(trimesh.Trimesh(dented, fine.faces, process=False))
    moved, _ = refined(ball.vertices, ball.faces, target, np.ones(len(ball.vertices)))
    assert target.closest_point_query().distance(moved).max() < MAX_RESIDUAL


@pytest.mark.parametrize("facing", [True, False])
def test_what_lies_under_a_thin_fold_has_no_confidence(facing):
    """The nearest vertices face as the head does; the nearest triangle, the fold's other side, does not."""
    middle = 0.001 * np.array([[1, 0, 0], [-0.5, 0.87, 0], [-0.5, -0.87, 0]])
    outer = 0.006 * np.array([[1, 0, 0], [-0.5, 0.87, 0], [-0.5, -0.87, 0]])
    top = [[k, 3 + k, 3 + (k + 1) % 3] for k in range(3)] + [
        [k, 3 + (k + 1) % 3, (k + 1) % 3] for k in range(3)
    ]
    under = [0, 1, 2] if facing else [0, 2, 1]
    fold = trimesh.Trimesh(np.concatenate([middle, outer]), [*top, under], process=False)
    head = np.array([[0, 0, -0.0005], [0.002, 0, -0.0005], [0, 0.002, -0.0005], [-0.002, -0.002, -0.0005]])
    triangles = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1]])
    estimator = SimpleNamespace(_topology=SimpleNamespace(triangles=triangles), _visible=np.arange(len(head)))
    confidence = ConfidenceEstimator.surface_confidence(
        estimator, head, surface_of(fold).closest_point_query()
    )
    assert confidence[0] == float(facing)


def test_the_distance_is_the_surface_s_at_an_edge_not_a_plane_s():
    box = trimesh.creation.box((0.04, 0.04, 0.04)).subdivide_to_size(0.002)
    target = surface_of(box).closest_point_query()
    points = np.array([[0.0212, 0.0212, 0.0005], [0.0, 0.0, 0.0215], [0.019, 0.0, 0.0]])
    place, triangle = target.nearest(points)
    np.testing.assert_allclose(place, [[0.02, 0.02, 0.0005], [0, 0, 0.02], [0.02, 0, 0]], atol=1e-9)
    np.testing.assert_allclose(
        target.distance(points), [0.0012 * np.sqrt(2), 0.0015, 0.001], rtol=0, atol=1e-8
    )
    corners = target.vertices[target.faces[triangle]]
    assert (np.abs(corners - place[:, None]).max((1, 2)) < 0.0021).all()


@settings(max_examples=20)
@given(radius=st.floats(0.2, 1.0), steps=st.integers(2, 3))
def test_feature_size_of_a_ball_is_its_diameter(radius, steps):
    small = trimesh.creation.icosphere(steps, radius * MIN_FEATURE_SIZE)
    size = feature_size(small.vertices, small.faces)
    if radius > 0.65:
        assert np.isinf(size).all()
    if radius < 0.5:
        assert (size <= 2 * radius * MIN_FEATURE_SIZE).all() and (
            size > 0.75 * 2 * radius * MIN_FEATURE_SIZE
        ).all()


@settings(max_examples=20)
@given(thickness=st.floats(0.2, 1.8))
def test_feature_size_of_a_wall_is_its_thickness(thickness):
    grid = np.arange(21) * 0.0005
    x, y = (c.ravel() for c in np.meshgrid(grid, grid))
    corner = (np.arange(20)[:, None] * 21 + np.arange(20)).ravel()
    quads = np.stack([corner, corner + 1, corner + 22, corner + 21], 1)
    sheet = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    top = np.stack([x, y, np.full(len(x), thickness * MIN_FEATURE_SIZE)], 1)
    bottom = np.stack([x, y, np.zeros(len(x))], 1)
    vertices = np.concatenate([top, bottom])
    size = feature_size(vertices, np.concatenate([sheet, sheet[:, ::-1] + len(top)]))
    if thickness < 0.999:
        np.testing.assert_allclose(size, thickness * MIN_FEATURE_SIZE, rtol=1e-3)
    if thickness > 1.001:
        assert np.isinf(size).all()
