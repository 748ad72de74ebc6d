"""The texture atlas: where every vertex of the training face model lies in one 512 x 512 picture.

The skin is unwrapped as a sphere (smooth, one piece, mirror-symmetric about u = 0.5, its seam at the back of
the head); a strip below holds small tiles for the eyeballs, the teeth and the inside of the mouth.
"""

import numpy as np

from .ict_facekit import FaceModel

ATLAS_SIZE = 512
#: Point from which the skin is unwrapped, head frame, meters: low enough for the base of the nose and the
#: underside of the chin.
UNWRAP_CENTER = np.array([0.0, 0.058, -0.073])
#: The fraction of the atlas' height that is skin.
SKIN_HEIGHT = 0.875
#: Centers (u, v) of the tiles below the skin.
TILES = {
    "eyeball_left": (0.0625, 0.9375),
    "eyeball_right": (0.1875, 0.9375),
    "teeth": (0.3125, 0.9375),
    "gums_and_tongue": (0.4375, 0.9375),
    "mouth_socket": (0.5625, 0.9375),
    "eye_socket_left": (0.6875, 0.9375),
    "eye_socket_right": (0.6875, 0.9375),
}
TILE_HALF = 0.055
#: Half the width of an eyeball's tile, meters on the eyeball.
EYE_TILE_RADIUS = 0.016
#: Longitudes are stretched so that the face gets more of the atlas' width than the back of the head: 1 = not
#: at all.
_FRONT_GAIN = 0.4


def unwrap(positions: np.ndarray) -> np.ndarray:
    """Atlas coordinates of skin points.

    Args:
        positions: (..., 3) on the average head, head frame, meters.

    Returns:
        (..., 2) float64: u in 0..1, wraps at 1; v in 0..1, down.
    """
    d = np.asarray(positions, np.float64) - UNWRAP_CENTER
    longitude = np.arctan2(d[..., 0], -d[..., 1]) / np.pi  # -1..1, 0 in front
    latitude = np.arctan2(d[..., 2], np.hypot(d[..., 0], d[..., 1])) / (np.pi / 2)  # -1..1, 1 at the top
    u = 0.5 + 0.5 * longitude / (_FRONT_GAIN + (1 - _FRONT_GAIN) * np.abs(longitude))
    v = (0.98 - latitude) / 1.93 * SKIN_HEIGHT  # nothing lies straight below the center
    return np.stack([u, np.clip(v, 0.002, SKIN_HEIGHT - 0.004)], -1)


def wrap(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Directions of texels: the inverse of `unwrap`.

    Args:
        u: (...) atlas coordinates, wrap at 1.
        v: (...) atlas coordinates, down.

    Returns:
        (..., 3) unit vectors from the unwrapping center, head frame.
    """
    s = (np.asarray(u) % 1.0 - 0.5) * 2
    longitude = np.pi * s * _FRONT_GAIN / (1 - (1 - _FRONT_GAIN) * np.abs(s))
    latitude = (0.98 - np.asarray(v) / SKIN_HEIGHT * 1.93) * np.pi / 2
    return np.stack(
        [np.sin(longitude) * np.cos(latitude), -np.cos(longitude) * np.cos(latitude), np.sin(latitude)], -1
    )


def atlas_uv(model: FaceModel) -> np.ndarray:
    """(V, 2) float32: where each vertex of the face model lies in the atlas."""
    uv = unwrap(model.mean)
    for name, center in TILES.items():
        start, stop = model.part_ranges[model.part_names.index(name)]
        points = model.mean[start:stop][:, [0, 2]].astype(np.float64)
        low, high = points.min(0), points.max(0)
        half = np.full(2, EYE_TILE_RADIUS) if name.startswith("eyeball") else (high - low) / 2
        offset = np.clip((points - (low + high) / 2) / half, -1, 1) * [1, -1]
        uv[start:stop] = np.array(center) + offset * TILE_HALF
    return uv.astype(np.float32)


def corner_uv(uv: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Atlas coordinates of triangle corners.

    Args:
        uv: (V, 2) of the vertices.
        triangles: (T, 3) int.

    Returns:
        (T, 3, 2), as `uv`; u exceeds 1 where a triangle crosses the seam.
    """
    corners = uv[triangles].copy()
    wraps = np.ptp(corners[..., 0], axis=1) > 0.5
    corners[..., 0][wraps] += corners[..., 0][wraps] < 0.5
    return corners
