"""Labels of portraits: teachers of hair and of people and the projected head prior, put together by rules.

The teacher of hair is MediaPipe's hair segmentation (Apache-2.0). It takes headscarves, beards and shaven
scalps for hair; `corrections` lists the portraits where that matters.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...detection.mediapipe_topology import BROW_OUTLINES, LIPS
from ...geometry.frames import AffineFrame, Camera, HeadPose, compose_affine
from ...image.crop import cut_crop
from ...segmentation.segments import (
    SEGMENT_CENTER,
    SEGMENT_SIZE,
    SEGMENT_WIDTH_CM,
    SegmentClass,
    segment_frame,
)
from ...template.regions import Regions
from ...template.template import HeadTemplate
from ...template.topology import HeadTopology
from ..rasterize import rasterize_perspective
from .person import PersonNetwork

#: Side of the wide frame that portraits are kept in, pixels: the segment frame with room to move and turn it.
WIDE_SIZE = 640
#: Its width at the head's center, cm.
WIDE_WIDTH_CM = 70.0
#: Pixels of the wide frame per pixel of the segment frame.
WIDE_SCALE = (WIDE_SIZE / WIDE_WIDTH_CM) / (SEGMENT_SIZE / SEGMENT_WIDTH_CM)
#: Where the head's center lies in the wide frame, x and y, pixels.
WIDE_CENTER = np.array(
    [
        (WIDE_SIZE - 1) / 2,
        (SEGMENT_CENTER[1] + 0.5) * WIDE_SCALE - 0.5 + (WIDE_SIZE - SEGMENT_SIZE * WIDE_SCALE) / 2,
    ]
)
#: Side of the teacher's picture, pixels.
HAIR_SIZE = 512
#: Islands of skin in clothes, and of clothes in skin, smaller than this are none, pixels of the wide frame.
SMALLEST_SKIN = 1200
SMALLEST_CLOTHES = 3000
#: Chroma of a gray beard, as a fraction of the cheeks'.
GRAY_BEARD = 0.62
#: Fraction of an island's rim that is skin where the island is skin, too.
SURROUNDED = 0.6
#: What is left out of training and measuring: outside the photo, or not known.
IGNORED = 255


def wide_frame(camera: Camera, pose: HeadPose) -> AffineFrame:
    """The frame that portraits are kept in: the segment frame's turn, finer and wider.

    Args:
        camera: Of the photo.
        pose: Of the head.

    Returns:
        The frame, photo -> wide frame.
    """
    offset = WIDE_CENTER - WIDE_SCALE * np.array(SEGMENT_CENTER)
    zoom = np.column_stack([np.eye(2) * WIDE_SCALE, offset])
    return AffineFrame(compose_affine(zoom, segment_frame(camera, pose).matrix))


class HairTeacher:
    """MediaPipe's hair segmentation, run twice: the second time with its own first mask."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def probability(self, picture: np.ndarray) -> np.ndarray:
        """How probably pixels show hair.

        Args:
            picture: (512, 512, 3) uint8, the head at about 40 % of its height.

        Returns:
            (512, 512) float32.
        """
        x = np.zeros((1, 4, HAIR_SIZE, HAIR_SIZE), np.float32)
        x[0, :3] = picture.transpose(2, 0, 1) / 255.0
        for _ in range(2):
            other, hair = self._session.run(None, {self._input: x})[0][0]
            x[0, 3] = 1 / (1 + np.exp(np.clip(other - hair, -60, 60)))
        return x[0, 3].copy()


@dataclass(frozen=True)
class TemplateRegions:
    """The template's solid and how far each of its vertices is in a region: (V + E,) float32."""

    template: HeadTemplate
    weights: dict[str, np.ndarray]

    @classmethod
    def load(cls, models: Path) -> "TemplateRegions":
        """Of the template in the folder of models."""
        template = HeadTemplate.load(models)
        regions = Regions.of(HeadTopology.load(models))
        count = len(template.vertices)
        names = ("scalp", "beard", "neck", "ear")
        weights = {
            name: template.solid(np.repeat(getattr(regions, name)[:count, None], 3, 1))[:, 0]
            for name in names
        }
        return cls(template, weights)

    def project(
        self, frame: AffineFrame, camera: Camera, pose: HeadPose, vertices: np.ndarray, size: int
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """What of a head lies where in a frame.

        Args:
            frame: photo -> frame.
            camera: of the photo.
            pose: of the head.
            vertices: (V, 3) of the template, head frame, meters.
            size: side of the frame, pixels.

        Returns:
            (size, size) bool, the head; and by region (size, size) float32.
        """
        points = pose.head_to_camera(self.template.solid(np.asarray(vertices, np.float64)))
        pixels = np.column_stack([frame.photo_to_crop(camera.project(points)), points[:, 2]])
        triangles = np.ascontiguousarray(self.template.solid_triangles, np.int32)
        index, bary, _ = rasterize_perspective(pixels.astype(np.float32), triangles, size, size)
        head = index >= 0
        corners = triangles[np.maximum(index, 0)]
        maps = {name: np.where(head, (w[corners] * bary).sum(-1), 0) for name, w in self.weights.items()}
        return head, {name: values.astype(np.float32) for name, values in maps.items()}


@dataclass(frozen=True)
class Evidence:
    """What the rules start from, all in the wide frame.

    Attributes:
        picture: (640, 640, 3) uint8.
        inside: (640, 640) bool, inside the photo.
        hair: (640, 640) float32, the teacher's probability.
        person: (640, 640) float32, the person network's probability.
        head: (640, 640) bool, the projected head prior.
        regions: By name (640, 640) float32, its regions.
        points: (478, 2) landmarks, px.
    """

    picture: np.ndarray
    inside: np.ndarray
    hair: np.ndarray
    person: np.ndarray
    head: np.ndarray
    regions: dict[str, np.ndarray]
    points: np.ndarray


def gather_evidence(
    rgb: np.ndarray,
    camera: Camera,
    pose: HeadPose,
    points: np.ndarray,
    vertices: np.ndarray,
    teachers: tuple[HairTeacher, PersonNetwork],
    regions: TemplateRegions,
) -> Evidence:
    """Run the teachers on a portrait.

    Args:
        rgb: (H, W, 3) uint8, the portrait.
        camera: of the portrait.
        pose: of the head.
        points: (478, 3) landmarks, photo frame.
        vertices: (V, 3) the head prior, head frame, meters.
        teachers: of hair and of people.
        regions: of the template.

    Returns:
        The evidence.
    """
    frame = wide_frame(camera, pose)
    picture = cut_crop(rgb, frame, WIDE_SIZE, WIDE_SIZE)
    white = np.full(rgb.shape[:2], 255, np.uint8)
    inside = cv2.warpAffine(white, frame.matrix, (WIDE_SIZE, WIDE_SIZE), flags=cv2.INTER_NEAREST) > 0
    hair_teacher, person_network = teachers
    # The teacher knows heads of 40 % of its picture: the middle at that size, the margin coarser.
    margin = (WIDE_SIZE - HAIR_SIZE) // 2
    middle = slice(margin, margin + HAIR_SIZE)
    small = cv2.resize(picture, (HAIR_SIZE, HAIR_SIZE), interpolation=cv2.INTER_AREA)
    hair = cv2.resize(hair_teacher.probability(small), (WIDE_SIZE, WIDE_SIZE))
    hair[middle, middle] = hair_teacher.probability(picture[middle, middle])
    person = person_network.probability(cv2.resize(picture, (256, 256), interpolation=cv2.INTER_AREA))
    head, maps = regions.project(frame, camera, pose, vertices, WIDE_SIZE)
    person = cv2.resize(person, (WIDE_SIZE, WIDE_SIZE))
    return Evidence(
        picture, inside, hair, person, head, maps, frame.photo_to_crop(points[:, :2].astype(float))
    )


def skin_similarity(picture: np.ndarray, face: np.ndarray) -> np.ndarray:
    """How much pixels are of the color of a face's skin.

    Args:
        picture: (H, W, 3) uint8 sRGB.
        face: (H, W) bool, plain skin.

    Returns:
        (H, W, 2) float32, 0..1: in the light, and in the shadow under the chin.
    """
    lab = cv2.cvtColor(cv2.bilateralFilter(picture, 7, 30, 5), cv2.COLOR_RGB2LAB).astype(np.float32)
    mean = np.median(lab[face], 0)
    spread = np.maximum(lab[face].std(0), [14, 5, 5]) * [2.2, 1.6, 1.6]
    # Shadow on the neck is darker than the face, and not much else.
    offset = (lab - mean) / spread
    offset[..., 0] = np.where(offset[..., 0] < 0, 0.6 * offset[..., 0], offset[..., 0])
    shaded = offset.copy()
    shaded[..., 0] *= np.where(offset[..., 0] < 0, 0.5, 1.0)
    distance = np.stack([np.sqrt((values**2).sum(-1)) for values in (offset, shaded)], -1)
    return np.asarray(1 / (1 + np.exp(4 * (distance - 1.4))), np.float32)


def fill_rings(points: np.ndarray, rings: tuple[tuple[int, ...], ...], size: int) -> np.ndarray:
    """Where the outlines of features are.

    Args:
        points: (478, 2) landmarks, px.
        rings: numbers of the landmarks of each outline.
        size: side of the mask, pixels.

    Returns:
        (size, size) bool.
    """
    mask = np.zeros((size, size), np.uint8)
    for ring in rings:
        cv2.fillPoly(mask, [np.round(points[list(ring)]).astype(np.int32)], (255,))
    return mask > 0


def label_portrait(evidence: Evidence, bearded: bool, covered: bool) -> np.ndarray:
    """Labels by rules, before corrections.

    Args:
        evidence: of the teachers.
        bearded: whether the person has a beard, mustache or stubble.
        covered: whether the person wears something on the head.

    Returns:
        (640, 640) uint8, `SegmentClass` or `IGNORED`.
    """
    regions, hair, picture = evidence.regions, evidence.hair > 0.5, evidence.picture
    person = (evidence.person > 0.5) | hair
    lips = fill_rings(evidence.points, (LIPS[:20],), WIDE_SIZE)
    face = evidence.head & (regions["scalp"] < 0.05) & (regions["neck"] < 0.3) & (regions["ear"] < 0.3)
    plain = face & ~hair & (regions["beard"] < 0.3) & ~lips
    like = skin_similarity(picture, plain if plain.sum() > 500 else face)
    below = np.arange(WIDE_SIZE)[:, None] > WIDE_CENTER[1]
    neck = evidence.head & (regions["neck"] >= 0.3)
    skin = like[..., 0] > 0.5
    # Shadow under the chin is far darker than the face, and of its hue.
    skin = np.where(neck & ~covered, like[..., 1] > 0.5, skin)
    skin &= person & (evidence.head | below)
    skin |= face | ((regions["ear"] > 0.3) & person)
    if not covered:
        skin |= person & evidence.head & (regions["neck"] < 0.3)
    # Speckles of one class in the other are texture.
    skin = cv2.medianBlur(skin.astype(np.uint8), 9) > 0
    labels = np.full(hair.shape, SegmentClass.BACKGROUND, np.uint8)
    labels[person] = SegmentClass.CLOTHES
    labels[(skin & person) | face] = SegmentClass.SKIN
    labels[hair] = SegmentClass.HAIR
    _clean_speckles(labels)
    _label_facial_hair(labels, evidence, bearded, lips)
    if not covered:  # a collar, or a shadow too deep to tell
        labels[neck & (labels == SegmentClass.CLOTHES)] = IGNORED
    labels[~evidence.inside] = IGNORED
    return labels


def _clean_speckles(labels: np.ndarray) -> None:
    """Give islands of skin and clothes to what surrounds them, in place."""
    skin, clothes = SegmentClass.SKIN, SegmentClass.CLOTHES
    count, parts, stats, _ = cv2.connectedComponentsWithStats(
        (labels == skin).astype(np.uint8), connectivity=4
    )
    for part in range(1, count):
        if stats[part, cv2.CC_STAT_AREA] < SMALLEST_SKIN:
            labels[parts == part] = clothes
    count, parts, stats, _ = cv2.connectedComponentsWithStats(
        (labels == clothes).astype(np.uint8), connectivity=4
    )
    for part in range(1, count):
        if stats[part, cv2.CC_STAT_AREA] >= SMALLEST_CLOTHES:
            continue
        island = parts == part
        rim = (cv2.dilate(island.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0) & ~island
        # Between hair and background: an earring, a gap, hair that the teacher missed.
        labels[island] = skin if (labels[rim] == skin).mean() > SURROUNDED else IGNORED


def _label_facial_hair(labels: np.ndarray, evidence: Evidence, bearded: bool, lips: np.ndarray) -> None:
    """Brows, and the beard of those who have one, into the labels, in place."""
    lightness = cv2.cvtColor(evidence.picture, cv2.COLOR_RGB2LAB)[..., 0].astype(np.float32)
    brows = fill_rings(evidence.points, BROW_OUTLINES, WIDE_SIZE)
    around = cv2.dilate(brows.astype(np.uint8), np.ones((25, 25), np.uint8)) > 0
    skin = around & ~brows & (labels == SegmentClass.SKIN)
    if brows.any() and skin.any():
        level = np.median(lightness[skin]) * 0.6 + np.percentile(lightness[brows], 15) * 0.4
        smooth = cv2.GaussianBlur(lightness, (0, 0), 1.5)
        near = cv2.dilate(brows.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
        labels[near & (smooth < level) & (labels == SegmentClass.SKIN)] = SegmentClass.FACIAL_HAIR
    beard = (evidence.regions["beard"] > 0.5) & ~lips & evidence.head
    if not bearded:
        labels[beard & (labels == SegmentClass.HAIR) & (evidence.regions["beard"] > 0.9)] = SegmentClass.SKIN
        return
    lab = cv2.GaussianBlur(cv2.cvtColor(evidence.picture, cv2.COLOR_RGB2LAB).astype(np.float32), (0, 0), 3)
    cheeks = (labels == SegmentClass.SKIN) & evidence.head & (evidence.regions["beard"] < 0.1)
    cheeks &= evidence.regions["neck"] < 0.1
    level = np.percentile(lab[..., 0][cheeks], 40) * 0.68 + np.percentile(lab[..., 0][beard], 5) * 0.32
    chroma = np.hypot(lab[..., 1] - 128, lab[..., 2] - 128)
    gray = chroma < GRAY_BEARD * np.median(chroma[cheeks])
    found = cv2.medianBlur((((lab[..., 0] < level) | gray) & beard).astype(np.uint8), 9) > 0
    labels[beard & (found | (labels == SegmentClass.HAIR))] = SegmentClass.FACIAL_HAIR
