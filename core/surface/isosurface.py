"""From the volume to the closed surface in the head frame."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ..errors import ReconstructionError
from ..geometry.closest_point import ClosestPointQuery
from ..geometry.frames import VOLUME_SHAPE, CropFrame, HeadPose
from .prior_mesh import PriorMesh
from .settings import DEFAULT_SETTINGS, SurfaceSettings
from .signed_distance import FAR, Box, signed_distance
from .visible_surface import LEVEL, blend_distance, visible_surface

#: Fewer voxels than this are no head (a cube of about 3 cm).
MIN_VOXELS = 8000
#: Empty voxels around the head.
MARGIN = 3
#: Values of voxels nearer than this to zero are moved away: at exactly zero triangles degenerate.
CLEARANCE = 1e-3
#: Voxels by which thin parts are thickened, one after the other, until they have no holes.
THICKENING = (0.25, 0.5, 1.0)
#: Corners of a cell between voxels.
CORNERS = 8
#: Thin parts of fewer voxels are left as they are.
MIN_THIN_VOXELS = 30


@dataclass(frozen=True)
class Surface:
    """A closed triangle mesh.

    Attributes:
        vertices: (N, 3) float32, head frame, meters.
        faces: (M, 3) int32, counterclockwise from outside.
        colors: (N, 3) uint8, sRGB.
        confidence: (N,) float32, 0 (guessed) to 1 (visible, facing the camera).
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
    """The isosurface before it is colored.

    Attributes:
        volume_points: (N, 3) float32 (x, y, z), volume frame.
        vertices: (N, 3) float32, head frame, meters.
        faces: (M, 3) int32, counterclockwise from outside.
        sdf: (D, H, W) float32 [z, y, x], voxels, positive inside, of a box of the volume.
        origin: (3,) int [z, y, x], the voxel at which that box begins.
        front: (192, 192) float32, z, volume frame, at which each column's ray first meets the surface, -inf
            where never.
    """

    volume_points: np.ndarray
    vertices: np.ndarray
    faces: np.ndarray
    sdf: np.ndarray
    origin: np.ndarray
    front: np.ndarray


def extract_isosurface(
    volume: np.ndarray,
    frame: CropFrame,
    pose: HeadPose,
    prior: PriorMesh,
    settings: SurfaceSettings = DEFAULT_SETTINGS,
) -> Isosurface:
    """The closed surface of the head in a volume.

    What the camera sees well is taken from the volume; the prior, registered to it, gives the rest, of which
    the network predicts no more than noise.

    Args:
        volume: (200, 192, 192) float32 [z, y, x], occupancy 0..1.
        frame: Of the crop and the volume.
        pose: Of the head.
        prior: The lifted head that the network started from.
        settings: How prior and volume make the surface.

    Raises:
        ReconstructionError: There is no head in the volume, or it is not in the picture.
    """
    if volume.shape != VOLUME_SHAPE:
        raise ValueError(f"the volume has to be {VOLUME_SHAPE}, not {volume.shape}")
    occupied = np.count_nonzero(volume >= LEVEL)
    if occupied < MIN_VOXELS:
        found = "next to nothing" if occupied else "no head"
        raise ReconstructionError(
            f"The network found {found} behind this face: try a sharper or less covered picture of it"
        )
    flat = prior.registered_to(volume, settings)
    head = flat.phong_subdivided()
    box = box_around(head)
    with ThreadPoolExecutor(1) as pool:
        distance = pool.submit(signed_distance, head, box)
        visible = visible_surface(volume, flat, head, box, settings)
    sdf = blend_distance(distance.result(), visible, box)
    # One empty voxel all around closes the surface where the head touches the border of the volume.
    sdf = np.pad(sdf, 1, constant_values=-FAR)
    origin = np.array([side.start - 1 for side in box])
    sdf, points, faces = close_handles(sdf)
    points = np.ascontiguousarray(points[:, ::-1])  # [z, y, x] -> (x, y, z)
    points += origin[::-1].astype(np.float32)
    vertices = pose.camera_to_head(frame.volume_to_camera(points.astype(np.float64))).astype(np.float32)
    # scikit-image's triangles are clockwise from outside in (z, y, x); the way to the head frame mirrors
    # twice.
    faces = np.ascontiguousarray(faces[:, ::-1])
    return Isosurface(points, vertices, faces, sdf, origin, front_of(sdf, origin))


def close_handles(sdf: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Close the holes of an isosurface through parts as thin as ears.

    Where the distance is small on both sides of a voxel, that may be outside. If the surface has handles,
    thin parts are thickened as little as closes them.

    Args:
        sdf: (D, H, W) float32, positive inside.

    Returns:
        The field (D, H, W), and its largest closed surface: vertices (N, 3) float32 [z, y, x] and faces
        (M, 3) int32.
    """
    from scipy.ndimage import binary_dilation, binary_opening, label

    first = sdf, *_isosurface(sdf)
    if not genus(*first[1:]):
        return first
    cube = np.ones((3, 3, 3), bool)
    inside = sdf > 0
    # Corners of the steps in a slope are thin, too, but small.
    part, _ = label(inside & ~binary_opening(inside, cube), cube)
    large = np.bincount(part.ravel()) >= MIN_THIN_VOXELS
    large[0] = False
    thin = binary_dilation(large[part], cube)
    for thickening in THICKENING:
        thickened = sdf + thin * np.float32(thickening)
        points, faces = _isosurface(thickened)
        if not genus(points, faces):
            return thickened, points, faces
    return first


def _isosurface(sdf: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest closed surface on which a field is zero; moves values next to zero away from it."""
    from skimage.measure import marching_cubes

    near = np.flatnonzero(np.abs(sdf.ravel()) < CLEARANCE)
    sdf.ravel()[near] = CLEARANCE
    points, faces, _, _ = marching_cubes(sdf, 0.0, mask=_crossed_cells(sdf > 0))
    return _largest_component(points, faces)


def _crossed_cells(inside: np.ndarray) -> np.ndarray:
    """Which cells between voxels the surface passes through: all others need not be marched.

    Args:
        inside: (D, H, W) bool.

    Returns:
        (D, H, W) bool, each at its corner of the greatest indices, as scikit-image's marching cubes has it.
    """
    count = inside.view(np.uint8)
    for axis in range(3):
        along = np.moveaxis(count, axis, 0)
        count = np.moveaxis(along[:-1] + along[1:], 0, axis)
    crossed = np.zeros(inside.shape, bool)
    # Of the eight corners, one to seven are inside.
    crossed[1:, 1:, 1:] = count - np.uint8(1) < CORNERS - 1
    return crossed


def genus(points: np.ndarray, faces: np.ndarray) -> int:
    """The number of handles of a closed surface in one piece, by Euler's formula; it has 3/2 edges a face.

    Args:
        points: (V, 3), without any that no face uses.
        faces: (F, 3) int.
    """
    return 1 - (len(points) - len(faces) // 2) // 2


def box_around(head: PriorMesh) -> Box:
    """The part of the volume [z, y, x] that a head is in, with a margin."""
    low = np.clip(np.floor(head.points.min(0)).astype(int) - MARGIN, 0, None)[::-1]
    high = np.minimum(np.ceil(head.points.max(0)).astype(int) + MARGIN + 1, VOLUME_SHAPE[::-1])[::-1]
    if (high - low < 2 * MARGIN).any():
        raise ReconstructionError("The head is not in the picture: use one that shows more of it")
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return z, y, x


def front_of(sdf: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Where each column's ray first meets the surface.

    Args:
        sdf: (D, H, W), positive inside, negative at its border.
        origin: (3,) int [z, y, x], its first voxel.

    Returns:
        (192, 192) float32, z, volume frame, -inf where never.
    """
    # Layer by layer: several times as fast as looking along the first axis.
    last = np.zeros(sdf.shape[1:], np.int16)
    for k, layer in enumerate(sdf > 0):
        np.maximum(last, layer * np.int16(k), out=last)
    y, x = np.nonzero(last)
    last = last.astype(np.int64)
    low, high = sdf[last[y, x], y, x], sdf[last[y, x] + 1, y, x]
    front = np.full(VOLUME_SHAPE[1:], -np.inf, np.float32)
    front[y + origin[1], x + origin[2]] = last[y, x] + low / (low - high) + origin[0]
    return front


def _largest_component(points: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of a mesh with the most triangles."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    faces = faces.astype(np.int32)
    a, b, c = faces.T
    # One edge of each triangle mostly joins all of a surface in one piece; two always join all corners.
    for rows, columns in ((a, b), (np.concatenate([a, b]), np.concatenate([b, c]))):
        graph = csr_matrix((np.ones(len(rows)), (rows, columns)), (len(points), len(points)))
        count, label = connected_components(graph, directed=False)
        if count == 1:
            return points, faces
    largest = np.argmax(np.bincount(label[faces[:, 0]], minlength=count))
    keep = label == largest
    index = np.cumsum(keep, dtype=np.int32) - 1
    return points[keep], index[faces[keep[faces[:, 0]]]]
