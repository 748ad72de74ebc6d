"""What of the head's texture the photo saw: hidden points, grazing views and outlines are left out."""

from dataclasses import dataclass

import cv2
import numpy as np

from ..geometry.frames import CROP_SIZE, VOXELS_PER_METRE, CropFrame, HeadPose
from ..geometry.visibility import depth_map, front_facing, ramp, ray_cosines
from ..template.topology import LASHES, SKIN, HeadTopology

#: Side, pixels, of the depth picture of the crop.
VIEW_SIZE = 480
PX_PER_METRE = VOXELS_PER_METRE * VIEW_SIZE / CROP_SIZE
#: Cosine between normal and ray at which a texel begins to count, and counts fully.
GRAZING, FACING = 0.15, 0.45
#: Metres behind the depth picture up to which a texel counts as seen.
DEPTH_TOLERANCE = 0.003
#: Metres from the head's outline at which a texel begins to count, and counts fully: a head is never fitted
#: so well that no background shows nearer to it.
OUTLINE = (0.0025, 0.008)
#: The same from eyes and open mouth.
OPENING = (0.0004, 0.0014)
#: A step of depth, metres, that is an edge of something nearer, and pixels around it that are left out.
STEP, STEP_REACH = 0.008, 3
#: Rows of cv2.remap's maps are at most this long.
MAP_WIDTH = 1024


@dataclass(frozen=True)
class View:
    """The head in the crop, VIEW_SIZE pixels square.

    distance: (S, S) float32 metres from the camera along its axis, inf where no head is. open_: (S, S) bool,
    eyes, teeth or the inside of the mouth.
    """

    distance: np.ndarray
    open_: np.ndarray


def render_view(
    topology: HeadTopology, camera_points: np.ndarray, frame: CropFrame
) -> tuple[View, np.ndarray]:
    """The head as the camera sees it, and its vertices (V, 2) in the picture.

    camera_points: (V, 3) camera frame, metres.
    """
    places = to_view(frame, camera_points)
    opaque = topology.face_part != topology.part_names.index(LASHES)
    triangles = topology.triangles[np.repeat(opaque, 2)]
    part = np.repeat(topology.face_part, 2)[np.repeat(opaque, 2)]
    front = front_facing(places, triangles)
    triangles, part = triangles[front], part[front]
    distance, triangle = depth_map(places, camera_points[:, 2].astype(np.float64), triangles, VIEW_SIZE)
    open_ = (triangle >= 0) & (part[triangle] != topology.part_names.index(SKIN))
    return View(distance, open_), places


def to_view(frame: CropFrame, camera_points: np.ndarray) -> np.ndarray:
    """(..., 3) camera frame -> (..., 2) pixels of the view."""
    crop = frame.photo_to_crop(frame.camera.project(camera_points))
    return (crop + 0.5) * (VIEW_SIZE / CROP_SIZE) - 0.5


def view_weights(
    view: View, places: np.ndarray, distance: np.ndarray, cosine: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How well the camera sees points of the skin, (N,) float32, 0 to 1, and how far, (N,) metres, they are
    from the head's outline.

    places: (N, 2) pixels of the view; distance: (N,) metres from the camera; cosine: (N,) between the
    surface's normal and the ray.
    """
    solid = np.isfinite(view.distance)
    far = float(view.distance[solid].max()) + 0.1 if solid.any() else 0.0
    depth = np.where(solid, view.distance, far).astype(np.float32)
    kernel = np.ones((2 * STEP_REACH + 1, 2 * STEP_REACH + 1), np.uint8)
    nearest, farthest = cv2.erode(depth, kernel), cv2.dilate(np.where(solid, depth, 0), kernel)
    outline = cv2.distanceTransform(solid.astype(np.uint8), cv2.DIST_L2, 5) / PX_PER_METRE
    opening = cv2.distanceTransform(1 - view.open_.astype(np.uint8), cv2.DIST_L2, 5) / PX_PER_METRE
    layers = np.stack([depth, nearest, farthest, outline], -1).astype(np.float32)
    shown, nearest, farthest, outline = sample(layers, places).T
    opening = sample(opening.astype(np.float32), places)
    # A steep surface passes through some depth within a pixel, and more of it within the edges' reach.
    slope = np.sqrt(1 / np.clip(cosine, 0.1, 1) ** 2 - 1) / PX_PER_METRE
    weight = ramp(cosine, GRAZING, FACING) * ramp(outline, *OUTLINE) * ramp(opening, *OPENING)
    weight *= ramp(shown + DEPTH_TOLERANCE + slope - distance, 0.0, 0.001)
    behind = distance - nearest - slope * STEP_REACH
    before = farthest - distance - slope * STEP_REACH
    weight *= ramp(-behind, -STEP, -STEP / 2) * ramp(-before, -2 * STEP, -STEP)
    return weight.astype(np.float32), outline


def cosines(camera_points: np.ndarray, normals: np.ndarray, pose: HeadPose) -> np.ndarray:
    """(N,) cosine between normals (N, 3), head frame, and the rays to points (N, 3), camera frame."""
    directions = normals @ pose.rotation.T.astype(np.float32)
    return ray_cosines(camera_points, directions, normalized=False)


def sample(picture: np.ndarray, places: np.ndarray, interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
    """(N,) or (N, C) values of a picture (H, W[, C]) at pixels (N, 2) (x, y); its border goes on outside."""
    count = len(places)
    rows = max(-(-count // MAP_WIDTH), 1)
    maps = np.zeros((rows * MAP_WIDTH, 2), np.float32)
    maps[:count] = places
    x, y = (np.ascontiguousarray(maps[:, k]).reshape(rows, MAP_WIDTH) for k in (0, 1))
    result = cv2.remap(picture, x, y, interpolation, borderMode=cv2.BORDER_REPLICATE)
    return result.reshape(rows * MAP_WIDTH, *picture.shape[2:])[:count]


def photo_colors(
    linear_of: np.ndarray, rgb: np.ndarray, places: np.ndarray, spacing: float
) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) float32 linear colours of the photo rgb (H, W, 3) uint8 at pixels (N, 2), and which are inside.

    linear_of: (256,) float32 table. spacing: photo pixels between neighbouring points: a photo that is finer
    is averaged down first.
    """
    height, width = rgb.shape[:2]
    inside = ((places >= 0) & (places <= [width - 1, height - 1])).all(1)
    if not inside.any():
        return np.zeros((len(places), 3), np.float32), inside
    low = np.maximum(np.floor(places[inside].min(0)).astype(int) - 4, 0)
    high = np.minimum(np.ceil(places[inside].max(0)).astype(int) + 5, [width, height])
    region = cv2.LUT(np.ascontiguousarray(rgb[low[1] : high[1], low[0] : high[0]]), linear_of)
    step = np.ones(2)
    if spacing > 1.5:
        size = np.maximum(np.round(np.array(region.shape[1::-1]) / spacing), 1).astype(int)
        step = np.array(region.shape[1::-1]) / size
        region = cv2.resize(region, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA)
    return np.maximum(sample(region, (places - low + 0.5) / step - 0.5, cv2.INTER_CUBIC), 0), inside
