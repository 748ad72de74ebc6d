"""hair.npz, which Blender must not get with wrong indices."""

from pathlib import Path

import numpy as np

from blender_addon.heads.hair_npz import (
    FACIAL_HAIR,
    FACIAL_PRODUCTS,
    MAX_COORDINATE,
    MAX_HEAD_VERTICES,
    PRODUCTS,
    HairCurves,
    HairMesh,
    read_hair,
)
from tests.blender_addon.heads.head_file_samples import hair_arrays, npz
from tests.fuzz.target import Target, accepted, with_right_checksums


def seeds() -> list[bytes]:
    """A head's hair, and the cover and brows of one that shows none."""
    arrays = hair_arrays()
    covered = {name: array for name, array in arrays.items() if not name.startswith(("shell", "card", "str"))}
    return [npz(arrays), npz({**covered, "style": np.array("null")})]


def check_mesh(mesh: HairMesh) -> None:
    """What Blender crashes on, or shows as nonsense."""
    count = len(mesh.vertices)
    assert mesh.triangles.dtype == np.int32 and mesh.triangles.shape == (len(mesh.triangles), 3)
    assert mesh.triangles.min() >= 0 and mesh.triangles.max() < count
    corners = np.sort(mesh.triangles, axis=1)
    assert (np.diff(corners, axis=1) > 0).all() and len(np.unique(corners, axis=0)) == len(corners)
    assert mesh.colors.dtype == np.uint8 and mesh.colors.shape == (count, 3)
    for values, shape in (
        (mesh.vertices, (count, 3)),
        (mesh.normals, (count, 3)),
        (mesh.uv, (count, 2)),
        (mesh.inset, (count,)),
        (mesh.along, (count,)),
        (mesh.rank, (count,)),
    ):
        assert values.dtype == np.float32 and values.shape == shape and np.isfinite(values).all()
    assert np.abs(mesh.vertices).max() <= MAX_COORDINATE
    for fraction in (mesh.along, mesh.rank):
        assert fraction.min() >= 0 and fraction.max() <= 1


def check_curves(curves: HairCurves) -> None:
    """Strands of one length, each with a root and a color."""
    strands, points, axes = curves.points.shape
    assert strands > 0 and points > 1 and axes == 3
    assert curves.root_uv.shape == (strands, 2) and curves.colors.shape == (strands, 2, 3)
    assert curves.colors.dtype == np.uint8
    assert np.isfinite(curves.points).all() and np.isfinite(curves.root_uv).all()
    assert np.abs(curves.points).max() <= MAX_COORDINATE


def check(data: bytes, folder: Path) -> None:
    """Hair is refused in words, or can be handed to Blender."""
    hair = accepted(read_hair, data, folder / "hair.npz")
    if hair is None:
        return
    assert hair.product in PRODUCTS and hair.facial_product in FACIAL_PRODUCTS
    assert all(isinstance(value, int) and 0 <= value <= 255 for value in hair.rgb)
    for mesh in (hair.shell, hair.cards, hair.cover, *(one.cards for one in hair.facial)):
        if mesh is not None:
            check_mesh(mesh)
    for curves in (hair.strands, *(one.strands for one in hair.facial)):
        if curves is not None:
            check_curves(curves)
    for one in hair.facial:
        assert one.name in FACIAL_HAIR
        bound, weights = one.bound_vertices, one.bound_weights
        assert bound.shape == weights.shape == (len(one.cards.vertices), 3)
        assert bound.min() >= 0 and bound.max() < MAX_HEAD_VERTICES and np.isfinite(weights).all()


HAIR = Target(seeds, with_right_checksums(check))
