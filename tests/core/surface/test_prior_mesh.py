"""The prior on balls: what is seen of it, how it is refined, where it moves."""

import numpy as np
import pytest
import trimesh

from core.geometry.frames import VOLUME_SHAPE
from core.surface.prior_mesh import PriorMesh

CENTER = np.array([95.0, 96.0, 100.0])  # (x, y, z), volume frame
EVERYWHERE = np.array([0.0, 0.0, 0.0, 1.0])


def ball(radius: float, center: np.ndarray = CENTER, subdivisions: int = 3) -> PriorMesh:
    mesh = trimesh.creation.icosphere(subdivisions=subdivisions)
    # The volume frame is left-handed: what is counterclockwise from outside in the head frame is not here.
    return PriorMesh(center + radius * mesh.vertices, mesh.faces[:, ::-1].astype(np.int32), EVERYWHERE)


def ball_volume(radius: float, center: np.ndarray = CENTER) -> np.ndarray:
    z, y, x = np.ogrid[tuple(slice(n) for n in VOLUME_SHAPE)]
    away = np.sqrt((x - center[0]) ** 2 + (y - center[1]) ** 2 + (z - center[2]) ** 2)
    return np.clip(0.5 + (radius - away) / 6, 0, 1).astype(np.float32)


def test_normals_and_front():
    head = ball(40)
    away = (head.points - CENTER) / 40
    assert ((head.normals * away).sum(1) > 0.99).all()
    assert head.front[96, 95] == pytest.approx(140, abs=0.5)
    assert np.isneginf(head.front[96, 95 + 42]) and np.isneginf(head.front[0, 0])
    np.testing.assert_allclose(head.cos_incidence[away[:, 2] > 0.2], away[away[:, 2] > 0.2, 2], atol=0.05)
    assert (head.cos_incidence[away[:, 2] < -0.2] == 0).all()


def test_hidden_parts_do_not_face_the_camera():
    behind, before = ball(30), ball(20, CENTER + np.array([0, 0, 70]))
    both = PriorMesh(
        np.concatenate([behind.points, before.points]),
        np.concatenate([behind.triangles, before.triangles + len(behind.points)]),
        EVERYWHERE,
    )
    covered = np.hypot(*(behind.points - CENTER)[:, :2].T) < 18
    assert (both.cos_incidence[: len(behind.points)][covered] == 0).all()
    assert both.cos_incidence[len(behind.points) :].max() > 0.95


def test_refined_is_rounder_and_closed():
    head = ball(40, subdivisions=2)
    fine = head.phong_subdivided()
    mesh = trimesh.Trimesh(fine.points, fine.triangles, process=False)
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.euler_number == 2
    assert len(fine.triangles) == 4 * len(head.triangles)
    np.testing.assert_array_equal(fine.points[: len(head.points)], head.points)
    flat = (head.points[head.topology.edges[:, 0]] + head.points[head.topology.edges[:, 1]]) / 2
    error, before = (40 - np.linalg.norm(p - CENTER, axis=1) for p in (fine.points[len(head.points) :], flat))
    assert np.abs(error).max() < 0.2 * before.max()
    assert ((fine.normals * (fine.points - CENTER)).sum(1) > 39).all()


def test_moves_to_where_the_volume_ends():
    target = CENTER + np.array([2, -1, 1.5])
    moved = ball(40).registered_to(ball_volume(43, target))
    error = np.abs(np.linalg.norm(moved.points - target, axis=1) - 43)
    seen = moved.cos_incidence > 0.5
    assert error[seen].max() < 0.3 and np.median(error[seen]) < 0.1
    assert np.median(error) < 0.6 and error.max() < 2  # 4.5 before
    assert moved.triangles is not None and len(moved.points) == len(moved.normals)


def test_moves_where_every_vertex_finds_the_surface_nearby():
    moved = ball(40).registered_to(ball_volume(41))
    away = np.linalg.norm(moved.points - CENTER, axis=1)
    assert np.abs(away[moved.cos_incidence > 0.5] - 41).max() < 0.3


def test_stays_where_nothing_is_found():
    head = ball(40)
    moved = head.registered_to(np.zeros(VOLUME_SHAPE, np.float32))
    np.testing.assert_allclose(moved.points, head.points, atol=1e-6)


def test_noise_of_the_unseen_side_is_evened_out():
    """Shards and dents behind the head, one voxel apart: the surface there stays smooth."""
    rng = np.random.default_rng(0)
    volume = ball_volume(40)
    noise = rng.normal(0, 3, VOLUME_SHAPE[1:]).astype(int)
    for shift in np.unique(noise):
        y, x = np.nonzero(noise == shift)
        volume[:100, y, x] = np.roll(volume[:100, y, x], shift, 0)
    moved = ball(40).registered_to(volume)
    away = np.linalg.norm(moved.points - CENTER, axis=1)
    back = moved.points[:, 2] < CENTER[2] - 20
    assert np.abs(away[back] - 40).max() < 1.5 and np.std(away[back]) < 0.4
