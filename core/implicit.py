"""An implicit function without steps, from the occupancy along the camera's rays.

Occupancy ramps within a few voxels along a ray. Surfaces that face the camera come out smooth between the
voxels; where a surface runs along the rays, occupancy jumps from column to column, and marching cubes would
show terraces. What is exact everywhere are the places where each ray enters and leaves the solid. From them
a function is made that is zero there and nearly linear across the surface in every direction:
(front - z) (z - back), for a ball its exact equation. Around the outline, where front and back meet, it is
continued by the square of half the thickness, which falls evenly through zero there.
"""

import numpy as np

from core.runs import Runs, crossing, outer_ends
from core.smoothing import smooth_sides

#: Blur, pixels, of the surface that the camera does not see, and by how many voxels it may change: what is
#: there is noise of the network, no detail.
BACK_BLUR, BACK_CHANGE = 2.5, 0.7
#: The blur of the outer front, and how many voxels apart neighbours in depth are no longer one surface.
FRONT_BLUR, FRONT_EDGE = 0.6, 2.5
#: Pixels from the outline within which front and back are smoothed together, and by how much.
RIM, RIM_BLUR = 5.0, 1.2
#: Values of voxels nearer than this to zero are moved away: at exactly zero triangles degenerate.
CLEARANCE = 1e-3
#: Voxels between neighbours that are no longer one surface.
EDGE = 8.0
#: Rise of the function, a voxel, near the surface, and voxels up to which it rises near hidden edges.
NEAR, REACH = 0.1, 4.5
#: Blur, pixels, of the thickness that the function is divided by.
SCALE_BLUR = 4.0
#: Occupancy of the surface.
LEVEL = 0.5
#: Value of the function where nothing is near, voxels squared.
FAR = 1e4


def depth_maps(runs: Runs) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) float32 z of the nearest and the farthest end of each column; 0 and D - 1 where nothing is."""
    depth, height, width = runs.shape
    farthest, nearest = outer_ends(runs)
    front, back = np.zeros(height * width, np.float32), np.full(height * width, depth - 1, np.float32)
    front[runs.column[nearest]], back[runs.column[farthest]] = runs.front[nearest], runs.back[farthest]
    return front.reshape(height, width), back.reshape(height, width)


def smooth_front(runs: Runs) -> Runs:
    """The runs with the outer front of the solid smoothed a little, but not across edges."""
    import cv2

    height, width = runs.shape[1:]
    _, nearest = outer_ends(runs)
    depth = np.full(height * width, -1e3, np.float32)  # too far away to be mixed in
    column = runs.column[nearest]
    depth[column] = runs.front[nearest]
    depth = depth.reshape(height, width)
    smooth = cv2.bilateralFilter(depth, 2 * int(np.ceil(2 * FRONT_BLUR)) + 1, FRONT_EDGE, FRONT_BLUR)
    front = runs.front.copy()
    front[nearest] = smooth.ravel()[column]
    return runs.moved(runs.back, front)


def implicit_function(runs: Runs, values: np.ndarray) -> np.ndarray:
    """(D, H, W) float32 [z, y, x], positive inside the runs, zero at their ends.

    values: the occupancy (D - 2, H - 2, W - 2) that the runs come from.
    """
    import cv2

    depth, height, width = runs.shape
    half, middle = (runs.front - runs.back) / 2, (runs.front + runs.back) / 2
    # The outline is continued from the thickest run of each column.
    thickest = np.lexsort((half, runs.column))
    thickest = thickest[np.r_[runs.column[thickest][1:] != runs.column[thickest][:-1], True]]
    square, centre = np.full(height * width, np.nan, np.float32), np.full(height * width, np.nan, np.float32)
    square[runs.column[thickest]] = half[thickest] ** 2
    centre[runs.column[thickest]] = middle[thickest]
    square, centre = continue_outline(square.reshape(height, width), centre.reshape(height, width), values)

    share = hidden_edges(runs)
    # At the outline half the thickness grows steeply, but its square evenly: only a slowly changing scale
    # keeps that.
    scale = NEAR / 2 / np.sqrt(cv2.GaussianBlur(np.maximum(square, 1), (0, 0), SCALE_BLUR))
    limit = (NEAR * REACH / np.maximum(share, 1e-6)).astype(np.float32)
    front, back = (part[1:-1, 1:-1] - 1 for part in depth_maps(runs))
    smooth = np.pad(smooth_sides(values, front, back), 1)
    smooth -= LEVEL
    field = np.empty(runs.shape, np.float32)
    layer = np.empty((height, width), np.float32)
    for z in range(depth):
        np.subtract(centre, np.float32(z), out=layer)
        np.multiply(layer, layer, out=layer)
        np.subtract(square, layer, out=layer)
        layer *= scale
        np.clip(layer, -limit, limit, out=layer)
        np.subtract(smooth[z], layer, out=field[z])
        field[z] *= share
        field[z] += layer
    for axis in range(3):
        for border in (0, -1):  # where the box is too narrow for the smoothed outline it has to be closed
            side = np.moveaxis(field, axis, 0)[border]
            np.minimum(side, np.float32(-NEAR / 2), out=side)
    near = np.flatnonzero(np.abs(field.ravel()) < CLEARANCE)
    field.ravel()[near] = CLEARANCE
    return field


def hidden_edges(runs: Runs) -> np.ndarray:
    """(H, W) float32, 0..1: 1 where one part of the head hides another and near there.

    A depth says nothing of how surfaces go on behind each other: occupancy has to do.
    """
    import cv2

    height, width = runs.shape[1:]
    farthest, nearest = outer_ends(runs)
    column = runs.column[farthest]
    edge = np.zeros(height * width, np.uint8)
    edge[column[farthest != nearest]] = 1
    edge = edge.reshape(height, width)
    for ends in (runs.front[nearest], runs.back[farthest]):
        depth = np.full(height * width, np.nan, np.float32)
        depth[column] = ends
        depth = depth.reshape(height, width)
        inner = cv2.erode((~np.isnan(depth)).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
        for axis in (0, 1):
            jump = np.abs(np.diff(depth, axis=axis)) > EDGE
            both = [slice(None)] * 2
            both[axis] = slice(1, None)
            here = np.zeros(depth.shape, bool)
            here[tuple(both)] = jump
            edge[here & inner] = 1
    wide = cv2.dilate(edge, np.ones((5, 5), np.uint8)).astype(np.float32)
    return cv2.GaussianBlur(wide, (0, 0), 1.0)


def continue_outline(
    square: np.ndarray, centre: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Squared half thickness and middle depth (H, W), NaN where nothing is, continued outwards and smoothed
    along the outline.

    The square falls evenly and passes zero where the occupancy (D, H - 2, W - 2), halfway between front and
    back, passes the level.
    """
    import cv2
    from scipy.ndimage import distance_transform_edt

    outside = np.isnan(square)
    total, count = np.zeros(square.shape, np.float32), np.zeros(square.shape, np.float32)
    for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
        there = np.argwhere(outside & ~np.roll(outside, step, axis))
        inner = there.copy()
        inner[:, axis] -= step
        at = tuple(inner.T)
        z = np.clip(np.round(centre[at]).astype(int), 1, len(values))
        total[at] += crossing(occupancy_at(values, z, inner), occupancy_at(values, z, there), LEVEL)
        count[at] += 1
    reach = np.clip(total / np.maximum(count, 1), 0.1, 1)
    pad = int(np.ceil(3 * RIM_BLUR))
    outside, square, centre, reach = (
        np.pad(part, pad, constant_values=value)
        for part, value in ((outside, True), (square, np.nan), (centre, np.nan), (reach, 1))
    )
    distance, (rows, columns) = distance_transform_edt(outside, return_indices=True)
    falling = 1 - distance / np.where(outside, reach[rows, columns], 1)
    square = np.maximum(square[rows, columns] * falling, -FAR).astype(np.float32)
    centre = centre[rows, columns].astype(np.float32)

    smooth_square, smooth_centre = (cv2.GaussianBlur(part, (0, 0), BACK_BLUR) for part in (square, centre))
    rim_square, rim_centre = (cv2.GaussianBlur(part, (0, 0), RIM_BLUR) for part in (square, centre))
    # Of a ball, the square is r² - x² - y²: a blur lowers it by twice its variance.
    smooth_square = smooth_square + np.float32(2 * BACK_BLUR**2)
    half = np.sqrt(np.maximum(square, 0))
    change = smooth_centre - np.sqrt(np.maximum(smooth_square, 0)) - (centre - half)
    # What would change more is a hidden edge.
    change = np.where(outside, 0, np.clip(change, -BACK_CHANGE, BACK_CHANGE)) / 2
    square = np.where(outside, square, (half - change) ** 2)
    centre = centre + change
    depth = cv2.distanceTransform((~outside).astype(np.uint8), cv2.DIST_L2, 3)
    share = np.clip((RIM - np.maximum(distance, depth)) / (RIM - 1), 0, 1).astype(np.float32)
    square += share * (rim_square - square)
    centre += share * (rim_centre - centre)
    return square[pad:-pad, pad:-pad], centre[pad:-pad, pad:-pad]


def occupancy_at(values: np.ndarray, z: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(N,) occupancy at z (N,) and [y, x] (N, 2), both counted with the added border, which is empty."""
    inside = ((places >= 1) & (places <= np.array(values.shape[1:]))).all(1)
    y, x = np.where(inside[:, None], places - 1, 0).T
    return np.where(inside, values[z - 1, y, x], np.float32(0))
