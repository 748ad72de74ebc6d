"""From the volume to the coloured surface in the head frame, and the landmarks on it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ..errors import ReconstructionError
from ..geometry.closest_point import ClosestPointQuery
from ..geometry.frames import VOLUME_SHAPE, CropFrame, HeadPose
from .prior_mesh import PriorMesh
from .signed_distance import FAR, Box, signed_distance
from .visible_surface import LEVEL, blend, see

#: Fewer voxels than this are no head (a cube of about 3 cm).
SMALLEST_SOLID = 8000
#: Empty voxels around the head.
MARGIN = 3
#: Values of voxels nearer than this to zero are moved away: at exactly zero triangles degenerate.
CLEARANCE = 1e-3
#: Voxels by which thin parts are thickened, in turn, until they have no holes.
THICKER = (0.25, 0.5, 1.0)
#: Voxels of the smallest thin part.
SMALLEST_THIN = 30
#: How far, pixels, a landmark may be moved to a column that has something in it.
LANDMARK_REACH = 2


@dataclass(frozen=True)
class Surface:
    """A closed triangle mesh.

    vertices: (N, 3) float32, head frame, metres. faces: (M, 3) int32, counterclockwise from outside.
    colors: (N, 3) uint8 sRGB. confidence: (N,) float32, 0 (guessed) to 1 (seen, facing the camera).
    """

    vertices: np.ndarray
    faces: np.ndarray
    colors: np.ndarray
    confidence: np.ndarray

    def closest_point_query(self) -> ClosestPointQuery:
        """The surface, made ready to be wrapped."""
        return ClosestPointQuery(self.vertices, self.faces, self.confidence)


@dataclass(frozen=True)
class Isosurface:
    """The isosurface before it is coloured.

    volume_points: (N, 3) float32 (x, y, z), volume frame. vertices: (N, 3) float32, head frame, metres.
    faces: (M, 3) int32, counterclockwise from outside. solid: (D, H, W) float32 [z, y, x], positive inside,
    of the part of the volume that begins at corner (3,) int [z, y, x]. front: (192, 192) float32, z, volume
    frame, at which each column's ray first meets the solid, -inf where never.
    """

    volume_points: np.ndarray
    vertices: np.ndarray
    faces: np.ndarray
    solid: np.ndarray
    corner: np.ndarray
    front: np.ndarray


def extract_isosurface(volume: np.ndarray, frame: CropFrame, pose: HeadPose, likely: PriorMesh) -> Isosurface:
    """The closed surface of the head in a volume (200, 192, 192) float32 [z, y, x].

    likely: the lifted head that the network started from. What the camera sees well is taken from the
    volume; the likely head, moved to fit, gives the rest, of which the network knows no more than noise.
    """
    if volume.shape != VOLUME_SHAPE:
        raise ValueError(f"the volume has to be {VOLUME_SHAPE}, not {volume.shape}")
    solid = np.count_nonzero(volume >= LEVEL)
    if solid < SMALLEST_SOLID:
        found = "next to nothing" if solid else "no head"
        raise ReconstructionError(
            f"The network found {found} behind this face: try a sharper or less covered picture of it"
        )
    flat = likely.registered_to(volume)
    head = flat.refined()
    box = box_around(head)
    with ThreadPoolExecutor(1) as pool:
        distance = pool.submit(signed_distance, head, box)
        seen = see(volume, flat, head, box)
    field = blend(distance.result(), seen, box)
    # One empty voxel all around closes the surface where the solid touches the border of the volume.
    field = np.pad(field, 1, constant_values=-FAR)
    corner = np.array([side.start - 1 for side in box])
    field, points, faces = close_handles(field)
    points = np.ascontiguousarray(points[:, ::-1])  # [z, y, x] -> (x, y, z)
    points += corner[::-1].astype(np.float32)
    vertices = pose.camera_to_head(frame.volume_to_camera(points.astype(np.float64))).astype(np.float32)
    # scikit-image's triangles are clockwise from outside in (z, y, x); the way to the head frame mirrors
    # twice.
    faces = np.ascontiguousarray(faces[:, ::-1])
    return Isosurface(points, vertices, faces, field, corner, nearest_surface(field, corner))


def close_handles(field: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The field (D, H, W) float32 whose isosurface has no holes through parts as thin as ears, and that
    surface: vertices (N, 3) float32 [z, y, x] and faces (M, 3) int32.

    Where the distance is small on both sides of a voxel, the solid may lack it. If the surface has handles,
    thin parts are thickened as little as helps.
    """
    from scipy.ndimage import binary_dilation, binary_opening, label

    first = field, *_isosurface(field)
    if not _handles(*first[1:]):
        return first
    cube = np.ones((3, 3, 3), bool)
    solid = field > 0
    # Corners of the steps in a slope are thin, too, but small.
    part, _ = label(solid & ~binary_opening(solid, cube), cube)
    large = np.bincount(part.ravel()) >= SMALLEST_THIN
    large[0] = False
    thin = binary_dilation(large[part], cube)
    for thicker in THICKER:
        mended = field + thin * np.float32(thicker)
        points, faces = _isosurface(mended)
        if not _handles(points, faces):
            return mended, points, faces
    return first


def _isosurface(field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest closed surface on which the field is zero; moves values next to zero away from it."""
    from skimage.measure import marching_cubes

    near = np.flatnonzero(np.abs(field.ravel()) < CLEARANCE)
    field.ravel()[near] = CLEARANCE
    points, faces, _, _ = marching_cubes(field, 0.0)
    return _largest_component(points, faces)


def _handles(points: np.ndarray, faces: np.ndarray) -> int:
    """The genus of a closed surface in one piece, by Euler's formula; it has 3/2 edges for each face."""
    return 1 - (len(points) - len(faces) // 2) // 2


def box_around(head: PriorMesh) -> Box:
    """The part of the volume [z, y, x] that a head is in, with a margin."""
    low = np.clip(np.floor(head.points.min(0)).astype(int) - MARGIN, 0, None)[::-1]
    high = np.minimum(np.ceil(head.points.max(0)).astype(int) + MARGIN + 1, VOLUME_SHAPE[::-1])[::-1]
    if (high - low < 2 * MARGIN).any():
        raise ReconstructionError("The head is not in the picture: use one that shows more of it")
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return z, y, x


def nearest_surface(field: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """(192, 192) float32, z, volume frame, at which each column's ray first meets the solid, -inf where it
    never does; field: (D, H, W), positive inside, empty at its border, which is at corner [z, y, x].
    """
    inside = field > 0
    some = inside.any(0)
    last = len(field) - 1 - np.argmax(inside[::-1], 0)
    y, x = np.nonzero(some)
    low, high = field[last[y, x], y, x], field[last[y, x] + 1, y, x]
    front = np.full(VOLUME_SHAPE[1:], -np.inf, np.float32)
    front[y + corner[1], x + corner[2]] = last[y, x] + low / (low - high) + corner[0]
    return front


def _largest_component(points: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of a mesh with the most triangles."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    # Two edges of each triangle connect all its corners.
    edges = faces[:, :2], faces[:, 1:]
    rows, columns = np.concatenate([e[:, 0] for e in edges]), np.concatenate([e[:, 1] for e in edges])
    graph = coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), (len(points), len(points)))
    count, label = connected_components(graph, directed=False)
    if count == 1:
        return points, faces.astype(np.int32)
    largest = np.argmax(np.bincount(label[faces[:, 0]], minlength=count))
    keep = label == largest
    index = np.cumsum(keep, dtype=np.int32) - 1
    return points[keep], index[faces[keep[faces[:, 0]]]]


def column_crossings(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where columns (N, D) of a function, from far to near, pass zero: (column, z), z interpolated."""
    inside = columns > 0
    column, k = np.nonzero(inside[:, 1:] != inside[:, :-1])
    low, high = columns[column, k], columns[column, k + 1]
    return column, k - low / (high - low)


def landmarks_on_surface(
    shape: Isosurface, points: np.ndarray, expected: np.ndarray, frame: CropFrame, pose: HeadPose
) -> np.ndarray:
    """Landmarks on the surface, along the camera rays through their places in the photo.

    points: (N, 2) photo frame, px; expected: (N, 3) head frame, where
    they should be. A ray may cross the surface several times: the crossing nearest to the expected depth
    counts, so that landmarks of the far cheek get their hidden place. Returns (N, 3) float32, head frame,
    metres; NaN where the volume has nothing on the ray or within two pixels of it.
    """
    corner = shape.corner[::-1].astype(np.float64)
    crop = frame.photo_to_crop(points[:, :2].astype(np.float64)) - corner[:2]
    depth = frame.camera_to_volume(pose.head_to_camera(expected.astype(np.float64)))[:, 2] - corner[2]
    result = np.full((len(points), 3), np.nan)
    todo = np.arange(len(points))
    for offset in _spiral(LANDMARK_REACH):
        columns, valid = _sample_columns(shape.solid, crop[todo] + offset)
        column, z = column_crossings(columns)
        if len(column):
            # Sort by landmark, then by distance: the first of each landmark is the nearest.
            gap = np.abs(z - depth[todo[column]])
            order = np.lexsort((gap, column))
            first = order[np.unique(column[order], return_index=True)[1]]
            first = first[valid[column[first]]]
            found = todo[column[first]]
            result[found] = np.column_stack([crop[found] + offset, z[first]])
        todo = np.flatnonzero(np.isnan(result[:, 0]))
        if len(todo) == 0:
            break
    return pose.camera_to_head(frame.volume_to_camera(result + corner)).astype(np.float32)


def _spiral(reach: int) -> np.ndarray:
    """Offsets (dx, dy), pixels, within a distance, the nearest first."""
    steps = np.arange(-reach, reach + 1.0)
    offsets = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    length = np.hypot(*offsets.T)
    return offsets[np.argsort(length, kind="stable")][: int((length <= reach).sum())]


def _sample_columns(solid: np.ndarray, crop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, D) the function (D, H, W) along the rays through its points (N, 2), bilinear, and which are inside
    it.
    """
    height, width = solid.shape[1:]
    valid = ((crop >= 0) & (crop <= [width - 1, height - 1])).all(1)
    x, y = np.clip(crop, 0, [width - 1.001, height - 1.001]).T
    x0, y0 = x.astype(int), y.astype(int)
    fx, fy = (x - x0)[:, None], (y - y0)[:, None]
    corners = [solid[:, y0 + j, x0 + i].T for j in (0, 1) for i in (0, 1)]
    top, bottom = corners[0] * (1 - fx) + corners[1] * fx, corners[2] * (1 - fx) + corners[3] * fx
    return top * (1 - fy) + bottom * fy, valid
