"""Pictures of synthetic hair as segmentation and structure tensor see it: masks with errors, and lines."""

from dataclasses import dataclass, replace

import cv2
import numba as nb
import numpy as np

from ...geometry.frames import FRONTAL, AffineFrame, Camera, HeadPose
from ...hair.masks import SIZE, HairMaps, HairView, maps_frame
from ...segmentation.segments import SEGMENT_SIZE, Segmentation, SegmentClass, segment_frame
from ...template.topology import HeadTopology
from ..rasterize import rasterize_perspective
from .head_field import torso_mesh

#: Side of the photo that cameras are given for, pixels.
PHOTO = 1024
#: Hair this far, meters, behind the head's depth in a pixel still shows: the head is rendered in triangles.
TOLERANCE = 0.004
#: Direction of the light in the camera frame.
LIGHT = np.array([0.25, -0.55, -0.8])
#: Limits of a random view: degrees, meters, millimeters of focal length.
MOST_YAW_DEG = 60.0
PITCH_SIGMA_DEG = 9.0
ROLL_SIGMA_DEG = 6.0
DISTANCE = (0.5, 2.5)
FOCAL_MM = (28.0, 85.0)
#: How heads are held: standard deviations of nodding and of leaning to the side, degrees.
NOD_SIGMA_DEG = 9.0
LEAN_SIGMA_DEG = 14.0
#: Standard deviations of what the reconstructed pose errs by, meters and degrees.
POSE_ERROR = 0.0015
POSE_ERROR_DEG = 0.8


@dataclass(frozen=True)
class View:
    """One photo of a head: its camera, and the head's pose as it is and as it is found."""

    camera: Camera
    pose: HeadPose
    found: HeadPose


def random_tilt(rng: np.random.Generator) -> np.ndarray:
    """(3, 3): how a person holds the head, from the upright head to a tilted one: nod, then lean aside."""
    nod, lean = np.radians(rng.normal(0, [NOD_SIGMA_DEG, LEAN_SIGMA_DEG]))
    nodded = np.asarray(cv2.Rodrigues(np.array([nod, 0.0, 0.0]))[0])
    return np.asarray(cv2.Rodrigues(np.array([0.0, lean, 0.0]))[0]) @ nodded


def random_view(rng: np.random.Generator, tilt: np.ndarray | None = None) -> View:
    """A random view: yaw within 60 degrees, often nearly frontal.

    Args:
        rng: Random numbers.
        tilt: (3, 3) of `random_tilt`, of a head seen by a camera that is held upright; by default an upright
            head and a camera that is tilted.

    Returns:
        The view.
    """
    yaw = rng.normal(0, 12) if rng.random() < 0.4 else rng.uniform(-MOST_YAW_DEG, MOST_YAW_DEG)
    pitch, roll = rng.normal(0, PITCH_SIGMA_DEG), rng.normal(0, ROLL_SIGMA_DEG)
    distance = float(np.exp(rng.uniform(*np.log(DISTANCE))))
    # Near cameras are wide ones, so that the head with its hair stays in the photo.
    longest = min(FOCAL_MM[1], max(FOCAL_MM[0] + 1, distance * 60))
    camera = Camera.from_focal_mm(rng.uniform(FOCAL_MM[0], longest), PHOTO, PHOTO)
    pose = view_pose(yaw, pitch, roll, distance)
    if tilt is not None:
        pose = view_pose(yaw, pitch / 2, roll / 4, distance, tilt)
    error = rng.normal(0, POSE_ERROR_DEG, 3)
    found = HeadPose(
        _rotation(*error) @ pose.rotation, pose.translation + rng.normal(0, POSE_ERROR, 3) * [1, 1, 3]
    )
    return View(camera, pose, found)


def view_pose(
    yaw_deg: float, pitch_deg: float, roll_deg: float, distance: float, tilt: np.ndarray | None = None
) -> HeadPose:
    """The pose of a head whose middle is on the camera's axis.

    Args:
        yaw_deg: Turn about the head's vertical axis, degrees.
        pitch_deg: Nod, degrees.
        roll_deg: Turn about the camera's axis, degrees.
        distance: From the camera, meters.
        tilt: (3, 3) of the head before it is turned; by default none.
    """
    a = np.radians(yaw_deg)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    if tilt is not None:
        turn = turn @ tilt
    rotation = _rotation(pitch_deg, 0, roll_deg) @ FRONTAL @ turn
    return HeadPose(rotation, np.array([0.0, 0.0, distance]) - rotation @ np.array([0.0, 0.07, -0.05]))


def _rotation(x_deg: float, y_deg: float, z_deg: float) -> np.ndarray:
    return np.asarray(cv2.Rodrigues(np.array([x_deg, 0.0, 0.0]) * np.pi / 180)[0]) @ np.asarray(
        cv2.Rodrigues(np.array([0.0, y_deg, z_deg]) * np.pi / 180)[0]
    )


@nb.njit(cache=True, fastmath=True)
def _splat(
    pixels: np.ndarray, depth: np.ndarray, tone: np.ndarray, limit: np.ndarray, radius: int
) -> tuple[np.ndarray, np.ndarray]:
    """The tone of the nearest point in each pixel, and its depth, inf where there is none."""
    height, width = limit.shape
    nearest = np.full((height, width), np.inf, np.float32)
    picture = np.zeros((height, width), np.float32)
    for k in range(len(pixels)):
        column, row = int(pixels[k, 0] + 0.5), int(pixels[k, 1] + 0.5)
        for dy in range(radius):
            for dx in range(radius):
                y, x = row + dy, column + dx
                if 0 <= y < height and 0 <= x < width and depth[k] < limit[y, x] and depth[k] < nearest[y, x]:
                    nearest[y, x] = depth[k]
                    picture[y, x] = tone[k]
    return picture, nearest


class HairRenderer:
    """Draws hair on heads of one topology with shoulders below them."""

    def __init__(self, topology: HeadTopology) -> None:
        """Make the shoulders' mesh."""
        self.topology = topology
        self._torso, self._torso_triangles = torso_mesh()

    def head_depth(
        self, vertices: np.ndarray, camera: Camera, pose: HeadPose, frame: AffineFrame
    ) -> tuple[np.ndarray, np.ndarray]:
        """Depth of head and shoulders.

        Args:
            vertices: (V, 3) of the head, head frame, meters.
            camera: Of the photo.
            pose: Of the head.
            frame: Photo -> the pictures of `HairMaps`.

        Returns:
            (SIZE, SIZE) float32 meters, inf beside them; and (SIZE, SIZE) bool, the shoulders.
        """
        whole = np.concatenate([vertices, self._torso])
        triangles = np.concatenate([self.topology.triangles, self._torso_triangles + len(vertices)])
        in_camera = pose.head_to_camera(whole)
        pixels = frame.photo_to_crop(camera.project(in_camera))
        points = np.column_stack([pixels, in_camera[:, 2]]).astype(np.float32)
        index, _, depth = rasterize_perspective(points, triangles.astype(np.int32), SIZE, SIZE)
        return np.where(index >= 0, depth, np.inf).astype(np.float32), index >= len(self.topology.triangles)

    def strands(
        self,
        points: np.ndarray,
        directions: np.ndarray,
        strand: np.ndarray,
        vertices: np.ndarray,
        view: View,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw strands.

        Args:
            points: (N, 3) on strands, about 1 mm apart, head frame, meters.
            directions: (N, 3) unit vectors along them.
            strand: (N,) int, the strand of each.
            vertices: (V, 3) of the head, head frame, meters.
            view: Of the photo.
            rng: Random numbers.

        Returns:
            (SIZE, SIZE, 3) float32 0..255, the picture; (SIZE, SIZE) bool, hair; (SIZE, SIZE) uint8, 0 for
            nothing, 1 for the head, 2 for the shoulders, where there is no hair.
        """
        frame = maps_frame(segment_frame(view.camera, view.pose))
        limit, shoulders = self.head_depth(vertices, view.camera, view.pose, frame)
        in_camera = view.pose.head_to_camera(points.astype(np.float64))
        pixels = frame.photo_to_crop(view.camera.project(in_camera)).astype(np.float32)
        # A strand's sheen by J. Kajiya and T. Kay, "Rendering fur with three dimensional textures", 1989.
        along = directions @ view.pose.rotation.T
        half = LIGHT / np.linalg.norm(LIGHT)
        sheen = np.sqrt(np.clip(1 - (along @ half) ** 2, 0, 1))
        base, contrast = rng.uniform(25, 150), rng.uniform(0.1, 0.5)
        tones = 1 + contrast * rng.standard_normal(int(strand.max(initial=0)) + 1)
        tone = (base * np.clip(tones, 0.2, 2)[strand] * (0.45 + 0.55 * sheen**2)).astype(np.float32)
        picture, nearest = _splat(pixels, in_camera[:, 2].astype(np.float32), tone, limit + TOLERANCE, 2)
        hair = np.isfinite(nearest)
        closed = cv2.morphologyEx(hair.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8)) > 0
        holes = closed & ~hair
        picture[holes] = cv2.blur(picture, (7, 7))[holes]
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 2.0))
        picture = np.asarray(picture + rng.normal(0, rng.uniform(0.5, 5), picture.shape), np.float32)
        kinds = np.where(np.isfinite(limit), np.where(shoulders, 2, 1), 0).astype(np.uint8)
        return np.repeat(picture[..., None], 3, 2), closed, kinds

    def mesh(
        self, vertices: np.ndarray, hair_vertices: np.ndarray, hair_triangles: np.ndarray, view: View
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw hair that is a mesh, without lines.

        Args:
            vertices: (V, 3) of the head, head frame, meters.
            hair_vertices: (N, 3) of the hair, head frame, meters.
            hair_triangles: (M, 3) int.
            view: Camera and pose.

        Returns:
            As `strands` does: picture, outline, and what hides the hair.
        """
        frame = maps_frame(segment_frame(view.camera, view.pose))
        limit, shoulders = self.head_depth(vertices, view.camera, view.pose, frame)
        in_camera = view.pose.head_to_camera(hair_vertices)
        pixels = frame.photo_to_crop(view.camera.project(in_camera))
        points = np.column_stack([pixels, in_camera[:, 2]]).astype(np.float32)
        index, _, depth = rasterize_perspective(points, hair_triangles.astype(np.int32), SIZE, SIZE)
        hair = (index >= 0) & (depth < limit + TOLERANCE)
        closed = cv2.morphologyEx(hair.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0
        kinds = np.where(np.isfinite(limit), np.where(shoulders, 2, 1), 0).astype(np.uint8)
        return np.full((SIZE, SIZE, 3), 128, np.float32), closed, kinds


def segmentation_of(
    hair: np.ndarray, kinds: np.ndarray, frame: AffineFrame, rng: np.random.Generator | None
) -> Segmentation:
    """What the segmentation network makes of a picture.

    Args:
        hair: (SIZE, SIZE) bool.
        kinds: (SIZE, SIZE) uint8, what is there without the hair: 0 nothing, 1 the head, 2 the shoulders.
        frame: The segment frame.
        rng: Random numbers of its errors; None for a perfect one.

    Returns:
        The segmentation.
    """
    size = (SEGMENT_SIZE, SEGMENT_SIZE)
    probability = cv2.resize(hair.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    if rng is not None:
        probability = with_errors(probability, rng)
    kind = kinds[::2, ::2]
    out = np.zeros((len(SegmentClass), SEGMENT_SIZE, SEGMENT_SIZE), np.float32)
    out[SegmentClass.HAIR] = probability
    for value, name in (
        (0, SegmentClass.BACKGROUND),
        (1, SegmentClass.SKIN),
        (2, SegmentClass.CLOTHES),
    ):
        out[name] = (kind == value) * (1 - probability)
    return Segmentation(out, frame)


def with_errors(probability: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A mask as a network finds it: its outline shifted here and there, holes, pieces lost or added, cut.

    Args:
        probability: (256, 256) float32, 0..1.
        rng: Random numbers.

    Returns:
        (256, 256) float32, 0..1.
    """
    size = probability.shape
    soft = cv2.GaussianBlur(probability, (0, 0), rng.uniform(0.6, 2.0))
    for scale, strength in ((4.0, 0.10), (14.0, 0.10)):
        noise = cv2.GaussianBlur(rng.standard_normal(size).astype(np.float32), (0, 0), scale)
        soft = soft + noise / max(float(noise.std()), 1e-6) * rng.uniform(0, strength)
    soft = soft + rng.normal(0, 0.12)
    rows, columns = np.mgrid[: size[0], : size[1]]
    inside = np.argwhere(probability > 0.5)
    if len(inside):
        for kind in rng.choice(3, size=rng.poisson(0.35)):
            row, column = inside[rng.integers(len(inside))]
            a, b = rng.uniform(2, 10, 2)
            spot = ((rows - row) / a) ** 2 + ((columns - column) / b) ** 2 < 1
            soft = np.where(spot, 0.0 if kind else 1.0, soft)
    if rng.random() < 0.08:  # the photo ends there
        edge = int(rng.uniform(0.55, 0.95) * size[0])
        soft[edge:] = 0
    if rng.random() < 0.05:
        edge = int(rng.uniform(0.02, 0.25) * size[1])
        soft[:, :edge] = 0
    return np.asarray(np.clip((soft - 0.5) * 4 + 0.5, 0, 1), np.float32)


def maps_of(
    picture: np.ndarray,
    segmentation: Segmentation,
    view: View,
    vertices: np.ndarray,
    topology: HeadTopology,
) -> HairMaps:
    """What `core.hair` sees of a drawn picture.

    Args:
        picture: (SIZE, SIZE, 3) float32 of `HairRenderer`.
        segmentation: Of it.
        view: Of the photo.
        vertices: (V, 3) of the head, head frame, meters.
        topology: Of the head.

    Returns:
        The pictures, with `picture` as the photo's colors.
    """
    plain = np.full((PHOTO, PHOTO, 3), 128, np.uint8)
    seen = HairView.of(plain, segmentation, view.camera, view.found, vertices, topology.triangles)
    maps = seen.maps(SegmentClass.HAIR)
    return replace(maps, colors=np.clip(picture, 0, 255).astype(np.float32))
