"""Marching cubes, colors and landmarks on ellipsoids whose every point is known."""

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from skimage.measure import marching_cubes

from core.errors import ReconstructionError
from core.geometry.frames import HEAD_CENTER, VOLUME_SHAPE, VOXELS_PER_METER
from core.surface.isosurface import _crossed_cells, close_handles, extract_isosurface
from core.surface.landmarks import column_crossings, landmarks_on_surface
from core.surface.vertex_colors import color_from_photo, front_cosines, mirror_colors, vertex_visibility
from core.template.regions import scalp_half_space
from tests.core.scenes import AXES, distance_inside, ellipsoid_scene

VOXEL = 1 / VOXELS_PER_METER


@pytest.fixture(scope="module")
def scene():
    return ellipsoid_scene(yaw=35, pitch=10, roll=5)


@pytest.fixture(scope="module")
def shape(scene):
    return surface_of(scene)


def surface_of(scene, volume: np.ndarray | None = None):
    return extract_isosurface(
        scene.volume if volume is None else volume, scene.frame, scene.pose, scene.prior()
    )


def as_mesh(shape) -> trimesh.Trimesh:
    return trimesh.Trimesh(shape.vertices, shape.faces, process=True, validate=True)


def facing(scene, points: np.ndarray) -> np.ndarray:
    """(N,) cosine between the ellipsoid's normal at points, head frame, and the way to the camera."""
    normal = (points - HEAD_CENTER) / AXES**2
    toward = scene.pose.camera_to_head(np.zeros(3)) - points
    lengths = np.linalg.norm(normal, axis=1) * np.linalg.norm(toward, axis=1)
    return (normal * toward).sum(1) / lengths


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 2.5))
def test_cells_that_the_surface_passes_through_give_all_of_it(seed, smoothing):
    noise = np.random.default_rng(seed).standard_normal((9, 12, 10)).astype(np.float32)
    field = gaussian_filter(noise, smoothing)
    field -= np.median(field)
    field[np.abs(field) < 1e-6] = 1e-6
    whole = marching_cubes(field, 0.0)
    crossed = marching_cubes(field, 0.0, mask=_crossed_cells(field > 0))
    for a, b in zip(whole, crossed, strict=True):
        np.testing.assert_array_equal(a, b)


def test_surface_is_where_the_solid_ends_in_meters(scene, shape):
    """Perspective and pose are undone: the surface of the metric ellipsoid comes back, to hundredths of a
    millimeter where the camera sees it well; elsewhere the prior, up to 5 mm away, moves there.
    """
    error, cosine = np.abs(distance_inside(shape.vertices)), facing(scene, shape.vertices)
    assert error[cosine > 0.7].max() < 8e-5 and error[cosine > 0.7].mean() < 5e-5
    assert error[np.abs(cosine) < 0.4].mean() < 4e-4
    assert error.max() < 1e-3
    prior = scene.pose.camera_to_head(scene.frame.volume_to_camera(scene.prior().points))
    assert np.abs(distance_inside(prior)).mean() > 4 * error.mean()


def test_surface_is_closed_and_outward(shape):
    mesh = as_mesh(shape)
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.body_count == 1
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * AXES.prod(), rel=1.5e-2)
    assert len(mesh.faces) == len(shape.faces)
    assert shape.faces.dtype == np.int32 and shape.vertices.dtype == np.float32


def test_largest_solid_only_and_no_cavities(scene):
    volume = scene.volume.copy()
    volume[5:15, 5:15, 5:15] = 1
    volume[90:105, 90:105, 90:105] = 0  # a bubble inside
    shape = surface_of(scene, volume)
    mesh = as_mesh(shape)
    assert mesh.is_watertight and mesh.body_count == 1
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * AXES.prod(), rel=1.5e-2)
    # What landmarks are looked for in has neither of them.
    inside = np.zeros(VOLUME_SHAPE, bool)
    z, y, x = np.argwhere(shape.sdf > 0).T + shape.origin[:, None]
    inside[z, y, x] = True
    assert not inside[5:15, 5:15, 5:15].any() and inside[90:105, 90:105, 90:105].all()
    assert ((scene.volume >= 0.5) == inside).mean() > 0.995


def test_solid_cut_off_by_the_volume_is_closed(scene):
    volume = np.zeros(VOLUME_SHAPE, np.float32)
    volume[:120, 40:150, 60:] = 1
    mesh = as_mesh(surface_of(scene, volume))
    assert mesh.is_watertight and mesh.volume > 0


def test_values_at_the_level_make_no_degenerate_triangles(scene):
    rng = np.random.default_rng(1)
    volume = rng.choice(np.array([0.3, 0.5, 0.5, 0.5000001, 0.7], np.float32), VOLUME_SHAPE)
    volume[:60] = volume[120:] = 0
    volume[:, :60] = volume[:, 120:] = 0
    shape = surface_of(scene, volume)
    mesh = as_mesh(shape)
    assert mesh.is_watertight
    assert len(mesh.faces) == len(shape.faces)
    assert mesh.area_faces.min() > 0


def test_pinholes_are_closed_and_the_rest_is_left_alone():
    """A ball with a plate on it that is thinner than a voxel in places, and a ring, which has a hole."""
    z, y, x = np.mgrid[-30:31, -30:31, -30:31].astype(np.float32)
    ball = 18 - np.sqrt(x**2 + y**2 + z**2)
    plate = 0.7 - np.abs(z) - 0.1 * np.hypot(y, x - 20).clip(0, 1)
    plate[(x == 22) & (y == 0)] -= 0.65  # less than nothing is left of the middle
    plate[(x < 0) | (x > 26) | (np.abs(y) > 9)] = -2
    field = np.clip(np.maximum(ball, plate), -2, 2)
    assert euler(field) == 0
    thickened, points, faces = close_handles(field.copy())
    assert len(points) - len(faces) // 2 == 2
    thick = ball > 2
    np.testing.assert_array_equal(thickened[thick], field[thick])
    whole, points, faces = close_handles(ball)
    assert whole is ball and len(points) - len(faces) // 2 == 2
    ring = 6 - np.hypot(np.hypot(x, y) - 18, z)
    assert close_handles(ring)[0] is ring  # a hole that is no mistake


def euler(field: np.ndarray) -> int:
    return trimesh.Trimesh(*marching_cubes(field, 0.0)[:2], process=False).euler_number


def test_nothing_found(scene):
    with pytest.raises(ReconstructionError, match="no head"):
        surface_of(scene, np.zeros(VOLUME_SHAPE, np.float32))
    speck = np.zeros(VOLUME_SHAPE, np.float32)
    speck[100:110, 100:110, 100:110] = 1
    with pytest.raises(ReconstructionError, match="next to nothing"):
        surface_of(scene, speck)
    with pytest.raises(ValueError, match="192"):
        surface_of(scene, np.zeros((10, 10, 10), np.float32))


def test_sides_have_no_terraces(scene):
    """Occupancy that ramps along the rays only, as the network's does: the sides come out smooth, too."""
    column, z = column_crossings(
        np.pad(scene.volume - 0.5, ((1, 1), (0, 0), (0, 0)), constant_values=-0.5)
        .reshape(len(scene.volume) + 2, -1)
        .T
    )
    z -= 1
    back, front = np.full(192 * 192, np.inf), np.full(192 * 192, -np.inf)
    np.minimum.at(back, column, z)
    np.maximum.at(front, column, z)
    depth = np.arange(200)[:, None]
    ramp = np.clip(0.5 + np.minimum(depth - back, front - depth) / 4, 0, 1).reshape(VOLUME_SHAPE)
    shape = surface_of(scene, ramp.astype(np.float32))
    mesh = as_mesh(shape)
    normal = (mesh.vertices - HEAD_CENTER) / AXES**2
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    turned = np.degrees(np.arccos(np.clip((mesh.vertex_normals * normal).sum(1), -1, 1)))
    toward = scene.pose.camera_to_head(np.zeros(3)) - mesh.vertices
    cosine = (normal * toward).sum(1) / np.linalg.norm(toward, axis=1)
    assert np.median(turned[np.abs(cosine) < 0.3]) < 1  # 5.4 of the volume's own isosurface
    assert np.median(turned[cosine > 0.7]) < 0.2
    assert np.median(turned[cosine < -0.7]) < 1


def gradient_photo(size: int) -> np.ndarray:
    """Red grows to the right, green downward: a color stands for the place it was taken from."""
    y, x = np.indices((size, size))
    return np.stack([x * 255 / size, y * 255 / size, np.full_like(x, 77)], -1).astype(np.uint8)


def test_visible_vertices_have_the_color_of_their_place(scene, shape):
    colors, confidence = color_from_photo(shape, gradient_photo(scene.size), scene.frame)
    visible = confidence > 0.9
    assert visible.mean() > 0.1
    place = scene.project(shape.vertices[visible])
    expected = np.column_stack([place * 255 / scene.size, np.full(visible.sum(), 77)])
    assert np.abs(colors[visible] - expected).max() < 2


def test_large_photos_are_averaged_and_stay_in_place(scene):
    large = ellipsoid_scene(yaw=35, pitch=10, roll=5, size=1920)
    shape = surface_of(large)
    photo = gradient_photo(1920)
    photo[::2, ::2, 2], photo[1::2, 1::2, 2] = 0, 154  # a pattern as fine as pixels
    colors, confidence = color_from_photo(shape, photo, large.frame)
    visible = confidence > 0.9
    expected = large.project(shape.vertices[visible]) * 255 / 1920
    assert np.abs(colors[visible, :2] - expected).max() < 2
    assert np.abs(colors[visible, 2].astype(float) - 77).max() < 6


def test_confidence(scene, shape):
    _, confidence = color_from_photo(shape, gradient_photo(scene.size), scene.frame)
    toward = -scene.pose.head_to_camera(shape.vertices.astype(float))
    toward /= np.linalg.norm(toward, axis=1, keepdims=True)
    normal = (shape.vertices - HEAD_CENTER) / AXES**2
    normal = normal @ scene.pose.rotation.T
    cosine = np.einsum("nc,nc->n", normal / np.linalg.norm(normal, axis=1, keepdims=True), toward)
    assert confidence.min() >= 0 and confidence.max() <= 1
    assert confidence[cosine > 0.8].min() > 0.8
    assert confidence[cosine < -0.1].max() < 0.35
    back = HEAD_CENTER - scene.pose.rotation.T @ np.array([0, 0, -1]) * AXES.min()
    assert confidence[np.argmin(np.linalg.norm(shape.vertices - back, axis=1))] < 0.1


def test_outside_of_the_photo_nothing_is_visible():
    scene = ellipsoid_scene(distance=0.35, size=200)
    shape = surface_of(scene)
    _, confidence = color_from_photo(shape, np.full((200, 120, 3), 90, np.uint8), scene.frame)
    place = scene.project(shape.vertices)
    assert (place[:, 0] > 125).any()
    assert confidence[place[:, 0] > 121].max() < 0.301
    away = np.full((200, 200, 3), 90, np.uint8)[:, :1]
    colors, confidence = color_from_photo(shape, away[:1], scene.frame)
    assert (colors == colors[0]).all() and confidence.max() == 0


def test_hidden_half_takes_the_colors_of_the_visible_half():
    """Turned by 60 degrees, with a red visible cheek: the hidden one becomes red, its chin does not."""
    scene = ellipsoid_scene(yaw=60)
    shape = surface_of(scene)
    visibility, _ = vertex_visibility(shape)
    side = (
        -1 if visibility[shape.vertices[:, 0] < 0].sum() > visibility[shape.vertices[:, 0] > 0].sum() else 1
    )
    on_cheek = HEAD_CENTER + AXES * np.array([side * 0.75, -0.45, -0.1]) / np.linalg.norm([0.75, 0.45, 0.1])
    photo = np.full((scene.size, scene.size, 3), (120, 200, 120), np.uint8)
    y, x = np.indices(photo.shape[:2])
    place = scene.project(on_cheek)
    photo[(x - place[0]) ** 2 + (y - place[1]) ** 2 < 20**2] = (220, 20, 20)
    colors, confidence = color_from_photo(shape, photo, scene.frame)

    def at(point):
        k = np.argmin(np.linalg.norm(shape.vertices - point, axis=1))
        return colors[k].astype(int), confidence[k]

    visible, hidden = at(on_cheek), at(on_cheek * [-1, 1, 1])
    assert visible[0][0] > 200 and visible[0][1] < 40 and visible[1] > 0.6
    assert hidden[0][0] > 200 and hidden[0][1] < 60 and 0.05 < hidden[1] < 0.301
    other = at(HEAD_CENTER + AXES * np.array([-side * 0.6, -0.3, -0.74]))
    assert other[0][1] > 150


def test_hair_spreads_over_the_hidden_scalp_and_skin_does_not():
    scene = ellipsoid_scene()
    shape = surface_of(scene)
    photo = np.full((scene.size, scene.size, 3), (210, 160, 140), np.uint8)
    hairline = scene.project(HEAD_CENTER + AXES * np.array([0, -0.75, 0.66]))
    photo[: int(hairline[1])] = (30, 20, 15)
    colors, _ = color_from_photo(shape, photo, scene.frame)
    back = np.argmin(np.linalg.norm(shape.vertices - (HEAD_CENTER + AXES * [0, 1, 0]), axis=1))
    nape = np.argmin(np.linalg.norm(shape.vertices - (HEAD_CENTER + AXES * [0, 0.3, -0.95]), axis=1))
    assert colors[back].max() < 60 and colors[nape].min() > 100
    assert scalp_half_space(np.array([[0, 0, 0], [0, 0.17, 0.05]], np.float32)).tolist() == [0, 1]


def test_front_depth_and_facing():
    scene = ellipsoid_scene()
    shape = surface_of(scene)
    front = shape.front
    assert np.isneginf(front[0, 0])
    middle = scene.frame.camera_to_volume(scene.pose.head_to_camera(HEAD_CENTER))
    x, y = middle[:2].round().astype(int)
    nearest = shape.volume_points[np.hypot(*(shape.volume_points[:, :2] - [x, y]).T) < 0.8, 2].max()
    assert front[y, x] == pytest.approx(nearest, abs=0.1)
    cosine = front_cosines(front)
    assert cosine[y, x] > 0.95 and cosine[0, 0] == 0
    assert (front_cosines(np.full((192, 192), -np.inf, np.float32)) == 0).all()


def test_mirror_colors_only_reach_the_same_place():
    vertices = np.array([[0.03, 0, 0], [-0.031, 0, 0], [-0.05, 0, 0]], np.float32)
    colors = np.array([[10, 20, 30], [0, 0, 0], [0, 0, 0]], np.float32)
    visible = np.array([1, 0, 0], np.float32)
    mirrored, visibility = mirror_colors(vertices, colors, visible, np.array([0]), np.array([1, 2]))
    assert np.allclose(mirrored[0], [10, 20, 30]) and visibility[0] > 0.9 and visibility[1] == 0


def test_crossings():
    columns = np.array([[-1, -1, 1, 1, -1, -0.2, 0.2], [-1] * 7, [1] * 7])
    column, z = column_crossings(columns)
    assert column.tolist() == [0, 0, 0]
    np.testing.assert_allclose(z, [1.5, 3.5, 5.5], atol=1e-9)


def test_landmarks_on_seen_and_hidden_surface(scene, shape):
    """From the place in the photo and a rough depth, the true point comes back, on whichever side it is."""
    rng = np.random.default_rng(0)
    direction = rng.normal(size=(300, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    true = HEAD_CENTER + AXES * direction
    normal = direction / AXES
    normal = normal / np.linalg.norm(normal, axis=1, keepdims=True) @ scene.pose.rotation.T
    view = scene.pose.head_to_camera(true)
    cosine = np.abs(np.einsum("nc,nc->n", normal, view / np.linalg.norm(view, axis=1, keepdims=True)))
    expected = true + rng.normal(0, 0.008, true.shape)
    found = landmarks_on_surface(shape, scene.project(true), expected, scene.frame, scene.pose)
    clear = cosine > 0.4
    assert clear.sum() > 150
    error = np.linalg.norm(found - true, axis=1)
    assert error[clear].max() < 2e-3 and np.median(error[clear]) < 5e-4
    assert np.abs(distance_inside(found[np.isfinite(found[:, 0])])).max() < 1e-3


def test_landmarks_beside_the_surface(scene, shape):
    """Up to two pixels off the outline they find it, beyond there is none."""
    outline = scene.frame.photo_to_crop(scene.project(shape.vertices.astype(float)))
    left = outline[np.argmin(outline[:, 0])]
    place = scene.frame.crop_to_photo(left - np.array([[1.2, 0], [4.5, 0], [500, 0]]))
    found = landmarks_on_surface(shape, place, np.tile(HEAD_CENTER, (3, 1)), scene.frame, scene.pose)
    assert np.isfinite(found[0]).all() and np.isnan(found[1:]).all()
    assert np.abs(distance_inside(found[:1])).max() < 5e-4
