"""Colors of a face's parts that tell how light its skin is, whatever the light.

How much darker and redder than the skin the lips are, how dark brows, irises and the whites of the eyes are
beside it: all are ratios within one face, which neither exposure nor the light's color changes. The deeper
the skin, the less the lips stand out of it. How the skin shines and how deep its shadows are would tell, too,
but depends on how soft the light is.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from ..detection.mediapipe_topology import BROWS, EYES, FIRST_IRIS, LIPS
from ..image.color import LUMINANCE, linear_of_bytes_float32
from ..segmentation.segments import Segmentation, SegmentClass
from .eyes import eye_white, iris_color

#: Side of the picture of the face that is looked at, pixels; the face fills FACE_FRACTION of it.
SIZE = 256
FACE_FRACTION = 0.9
#: Factors by which outlines are drawn larger or smaller: the face, whose rim is hair and shadow, and what is
#: no skin of it; lips and brows, whose rims are skin.
FACE_SCALE = 0.82
EYE_SCALE = 1.7
MOUTH_SCALE = 1.35
BROW_SCALE = 1.4
INNER_SCALE = 0.9
#: Of MediaPipe's brows and eyes, as many points are of the first one.
BROW_POINTS = len(BROWS) // 2
EYE_POINTS = len(EYES) // 2
#: Quantile of a brow's pixels: its hairs.
BROW_QUANTILE = 20
#: Fewer pixels say nothing.
MIN_PIXELS = 30
#: Linear light below which no color is known, and fraction of the skin's below which others are not: neither
#: noise nor black brows count without end.
DARK = 1e-5
DARKEST_FRACTION = 0.03
#: Colorfulness of a photo (`skin_tone.colorfulness`) from which on its hues say something.
COLORED = 0.5
#: Number of `FaceColors.contrasts`.
CONTRASTS = 9
#: Those of them that the light's color changes.
SKIN_HUE = slice(4, 6)


@dataclass(frozen=True)
class FaceColors:
    """Linear colors (3,) of parts of a face, as photographed; not a number where a part is not seen.

    Attributes:
        skin: Median of the skin.
        lips: Median of the lips.
        brows: Of the brows' hairs.
        iris: Of the irises.
        white: Of the whites of the eyes.
    """

    skin: np.ndarray
    lips: np.ndarray
    brows: np.ndarray
    iris: np.ndarray
    white: np.ndarray

    def contrasts(self, light: np.ndarray, colored: float = 1.0) -> np.ndarray:
        """What differs within the face.

        Args:
            light: (3,) color of the light, natural logarithm by channel, which is taken out.
            colored: Whether the photo has colors, 0..1; without them, hues say nothing.

        Returns:
            (CONTRASTS,) natural logarithms of ratios; not a number where nothing is known.
        """
        floor = DARKEST_FRACTION * np.maximum(self.skin, DARK)
        skin, lips, brows, iris, white = (
            np.log(np.maximum(color, floor)) - light for color in vars(self).values()
        )
        by_lightness = [float((part - skin) @ LUMINANCE) for part in (lips, brows, iris, white)]
        by_hue = [
            *(skin[0] - skin[1:]),
            *_redder(lips, skin),
            _redder(iris, skin)[1],
        ]
        hue = np.array(by_hue) if colored > COLORED else np.full(len(by_hue), np.nan)
        return np.concatenate([by_lightness, hue])


def face_colors(
    rgb: np.ndarray, landmarks: np.ndarray, segmentation: Segmentation | None = None
) -> FaceColors:
    """Measure the colors of a face's parts.

    Args:
        rgb: (H, W, 3) uint8 sRGB.
        landmarks: (478, 2 or more) MediaPipe's, photo pixels.
        segmentation: What the photo's pixels show; without it, nothing is thought to cover the face.

    Returns:
        The colors.
    """
    points = landmarks[:, :2].astype(np.float64)
    to_picture = _similarity(points)
    picture = _cut(rgb, to_picture)
    points = points @ to_picture[:, :2].T + to_picture[:, 2]
    eyes = [EYES[:EYE_POINTS], EYES[EYE_POINTS:]]
    brows = [BROWS[:BROW_POINTS], BROWS[BROW_POINTS:]]
    skin = _outline(points, range(FIRST_IRIS), FACE_SCALE)
    for parts, scale in ((eyes, EYE_SCALE), (brows, BROW_SCALE), ([LIPS], MOUTH_SCALE)):
        for part in parts:
            skin &= ~_outline(points, part, scale)
    lips = _outline(points, LIPS, INNER_SCALE)
    hairs = _outline(points, brows[0], INNER_SCALE) | _outline(points, brows[1], INNER_SCALE)
    if segmentation is not None:
        label = _labels(segmentation, to_picture)
        skin &= label == SegmentClass.SKIN
        lips &= label == SegmentClass.SKIN
        hairs &= (label == SegmentClass.SKIN) | (label == SegmentClass.FACIAL_HAIR)
    inside = _in_photo(rgb.shape, to_picture)
    skin, lips, hairs = skin & inside, lips & inside, hairs & inside
    linear = linear_of_bytes_float32()
    iris, white = iris_color(rgb, landmarks), eye_white(rgb, landmarks)
    dark = linear[picture[hairs]]
    return FaceColors(
        skin=_median(linear[picture[skin]]),
        lips=_median(linear[picture[lips]]),
        brows=np.percentile(dark, BROW_QUANTILE, axis=0) if len(dark) >= MIN_PIXELS else np.full(3, np.nan),
        iris=np.full(3, np.nan) if iris is None else iris,
        white=np.full(3, np.nan) if white is None else white,
    )


def _redder(color: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """(2,) by how much a color (3,) is redder than skin, beside green and beside blue; logarithms."""
    beside = color - skin
    return np.asarray(beside[0] - beside[1:])


def _median(colors: np.ndarray) -> np.ndarray:
    """(3,) median of colors (n, 3); not a number if they are too few."""
    return np.median(colors, axis=0).astype(np.float64) if len(colors) >= MIN_PIXELS else np.full(3, np.nan)


def _similarity(points: np.ndarray) -> np.ndarray:
    """(2, 3) from photo pixels to those of an upright picture of the face with landmarks (478, 2)."""
    across = points[list(EYES[EYE_POINTS:])].mean(0) - points[list(EYES[:EYE_POINTS])].mean(0)
    angle = np.arctan2(across[1], across[0])
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = points @ rotation.T
    low, high = turned.min(0), turned.max(0)
    scale = FACE_FRACTION * SIZE / max(float((high - low).max()), 1.0)
    return np.column_stack([scale * rotation, (SIZE - 1) / 2 - scale * (low + high) / 2])


def _cut(rgb: np.ndarray, to_picture: np.ndarray) -> np.ndarray:
    """(SIZE, SIZE, 3) uint8, a picture of the photo, averaged where that is larger.

    Other than `image.crop.cut_crop` it averages by powers of two: what contrasts are worth was learned so.
    """
    scale = float(np.hypot(*to_picture[0, :2]))
    if scale < 0.5:
        # Blurred first, as warpAffine knows no areas.
        factor = 2 ** int(np.floor(-np.log2(scale)))
        rgb = cv2.resize(rgb, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
        inner = np.array([[factor, 0, (factor - 1) / 2], [0, factor, (factor - 1) / 2], [0, 0, 1]])
        to_picture = to_picture @ inner
    return np.asarray(
        cv2.warpAffine(rgb, to_picture, (SIZE, SIZE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )


def _in_photo(shape: tuple[int, ...], to_picture: np.ndarray) -> np.ndarray:
    """(SIZE, SIZE) bool: pixels of the face's picture that a photo (H, W, ...) reaches."""
    inverse = np.linalg.inv(to_picture[:, :2])
    rows, columns = np.mgrid[:SIZE, :SIZE]
    points = (np.stack([columns, rows], -1) - to_picture[:, 2]) @ inverse.T
    return np.asarray(((points >= -0.5) & (points <= np.array(shape[1::-1]) - 0.5)).all(-1))


def _outline(points: np.ndarray, index: "tuple[int, ...] | range", scale: float) -> np.ndarray:
    """(SIZE, SIZE) bool: the convex outline of some of the points (478, 2), drawn larger by a factor."""
    chosen = points[list(index)]
    middle = chosen.mean(0)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    hull = cv2.convexHull(((chosen - middle) * scale + middle).astype(np.float32))
    cv2.fillConvexPoly(mask, np.round(hull).astype(np.int32), (1,))
    return mask > 0


def _labels(segmentation: Segmentation, to_picture: np.ndarray) -> np.ndarray:
    """(SIZE, SIZE) uint8: what the pixels of the face's picture show."""
    inverse = np.linalg.inv(to_picture[:, :2])
    to_photo = np.column_stack([inverse, -inverse @ to_picture[:, 2]])
    matrix = np.asarray(segmentation.frame.matrix, np.float64)
    to_segment = matrix[:, :2] @ to_photo
    to_segment[:, 2] += matrix[:, 2]
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(
            segmentation.labels, to_segment, (SIZE, SIZE), flags=flags, borderValue=(SegmentClass.BACKGROUND,)
        )
    )
