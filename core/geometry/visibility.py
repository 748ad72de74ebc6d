"""What a camera sees of a surface: which way it faces, and what hides it.

The one test of facing and occlusion; the surface's colors, the head's confidence and its texture use it.
"""

import numpy as np

from .rasterize import fragments, interpolate, z_buffer


def ramp(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Rise linearly from 0 to 1 between two values.

    Args:
        values: Of any shape.
        low: Up to here, 0.
        high: From here on, 1; if it is less than `low`, the ramp falls.

    Returns:
        Of the values' shape, 0..1.
    """
    return np.clip((values - low) / (high - low), 0, 1)


def ray_cosines(points: np.ndarray, normals: np.ndarray, normalized: bool = True) -> np.ndarray:
    """Cosines between normals and the rays back to the camera.

    Args:
        points: (N, 3), camera frame, meters.
        normals: (N, 3), camera frame.
        normalized: Whether the normals are unit vectors already.

    Returns:
        (N,) 1 where the surface faces the camera, negative where it faces away.
    """
    length = np.linalg.norm(points, axis=1)
    if not normalized:
        length = np.maximum(length * np.linalg.norm(normals, axis=1), 1e-9)
    return np.asarray(-(points * normals).sum(1) / length)


def front_facing(pixels: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Which triangles show the camera their outside.

    Args:
        pixels: (V, 2), photo, crop or a scaled copy, y down.
        triangles: (T, 3) int, counterclockwise from outside.

    Returns:
        (T,) bool.
    """
    a, b, c = (pixels[triangles[:, k]] for k in range(3))
    return np.asarray((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) < (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0]))


def depth_map(
    pixels: np.ndarray, depth: np.ndarray, triangles: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Render the depth of what is nearest to the camera.

    Args:
        pixels: (V, 2), pixels of the map.
        depth: (V,) float64, meters from the camera along its axis.
        triangles: (T, 3) int, those that may hide others: `front_facing` ones.
        size: Side of the map, pixels.

    Returns:
        The map (size, size) float32, meters, inf where nothing is; and (size, size) int64, the triangle that
        is seen, -1 where none is.
    """
    triangle, pixel, bary, _ = fragments(pixels, triangles, size)
    nearness = interpolate(-depth, triangles, triangle, bary)
    index, nearest = z_buffer(pixel, nearness, -nearness, size=size)
    filled = index >= 0
    visible_triangle = np.full(size * size, -1, np.int64)
    visible_triangle[filled] = triangle[index[filled]]
    depths = np.where(filled, nearest, np.float32(np.inf))
    return depths.reshape(size, size), visible_triangle.reshape(size, size)


def surrounding_pixels(pixels: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The four pixels of a map around each point.

    Args:
        pixels: (N, 2), x and y.
        shape: (height, width) of the map.

    Returns:
        (4, N) int64, flat indices: top left, top right, bottom left, bottom right; and (N, 2), how far the
        point is from the top left one, 0..1. Points outside get the nearest four, and lie on their border.
    """
    corner = np.clip(np.floor(pixels), 0, np.array(shape[1::-1]) - 2).astype(np.int64)
    first = corner[:, 1] * shape[1] + corner[:, 0]
    around = np.stack([first, first + 1, first + shape[1], first + shape[1] + 1])
    return around, np.clip(pixels - corner, 0, 1)


def unoccluded(depth: np.ndarray, around: np.ndarray, depths: np.ndarray, tolerance: float) -> np.ndarray:
    """How far points are not hidden by what a depth map shows.

    A point is compared with the second farthest of the four rays around it: on a steep slope they differ by
    much more than the point lies behind the surface.

    Args:
        depth: (H, W), a depth map, growing away from the camera.
        around: (4, N) flat indices of the pixels around each point (`surrounding_pixels`).
        depths: (N,), the points' depths, in the map's unit.
        tolerance: Depth behind the map's surface up to which a point is fully seen; at twice that it is
            hidden.

    Returns:
        (N,) 0 (hidden) to 1 (seen).
    """
    a, b, c, d = depth.ravel()[around]
    second = np.maximum(
        np.minimum(np.maximum(a, b), np.maximum(c, d)), np.maximum(np.minimum(a, b), np.minimum(c, d))
    )
    return np.clip(2.0 - (depths - second) / tolerance, 0, 1)
