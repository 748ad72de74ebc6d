"""What covers a face in the photo, and how the light suits it: what the segmentation and the picture say.

`core.quality.report` puts it into words. Nothing here changes the expected error, which is calibrated without
it.
"""

from dataclasses import asdict, dataclass

import numpy as np

from ..detection.mediapipe_topology import EYES, FIRST_IRIS, LANDMARK_COUNT
from ..image.color import LUMINANCE, linear_of_bytes_float32
from ..image.crop import cut_crop
from ..segmentation.segments import SEGMENT_SIZE, Segmentation, SegmentClass

#: Borders of the face's regions, canonical landmarks, head frame, meters: below the first height is the
#: mouth, above the second the forehead; further from the middle than the last are the cheeks.
MOUTH_TOP_Z = -0.045
FOREHEAD_BOTTOM_Z = 0.022
CHEEK_BEGIN_X = 0.022
#: Landmarks of the far side are left out of a head that is turned further than this: sine of the angle
#: between its plane of symmetry and the ray.
FAR_SIDE = 0.5
#: What brightness is measured at: percentile of the face's pixels, which brings dark and fair skin together.
HIGHLIGHT_PERCENTILE = 98.0
#: Bytes from which on a pixel is burnt out.
CLIPPED_FROM = 254
#: Percentile of a photo's pixels that tells how bright what it shows gets: a lamp's reflection is brighter.
BRIGHTEST_PERCENTILE = 99.5
#: Every so many-th row and column of the photo is looked at for that.
BRIGHTEST_STEP = 2
#: Rays around each eye, and points on each, on which glasses are looked for, and the radii between which, of
#: the distance between the eyes.
RAYS = 24
RAY_STEPS = 24
RIM_RADII = (0.15, 0.65)
#: Linear light added before logarithms.
LIGHT_FLOOR = 0.004
#: The same before those of hues, whose noise in the dark is none of the light's.
HUE_FLOOR = 0.01
#: Pixels that colors are averaged over, in each direction: compression has noise of its own.
BLUR_PX = 3
#: What covers a face and is no part of it.
COVERS = (SegmentClass.ACCESSORY, SegmentClass.HEADWEAR, SegmentClass.OCCLUDER, SegmentClass.CLOTHES)
#: Fewer pixels than this say nothing.
MIN_PIXELS = 50


@dataclass(frozen=True)
class Coverage:
    """What covers a face, and its light.

    Attributes:
        eyes_accessory: Fraction of the eyes under glasses, 0..1.
        glasses: Fraction of the directions around an eye in which glasses lie, of the eye with less, 0..1.
        eyes_covered: Fraction of the eyes under anything else, 0..1.
        left_cheek: Fraction of the subject's left cheek under a hand, another thing or headwear, 0..1.
        right_cheek: The same of the right one.
        mouth: The same of mouth and chin.
        forehead: The same of the forehead.
        hair_on_face: Fraction of the face under hair of the head, 0..1.
        beard: Fraction of mouth and chin under facial hair, 0..1.
        hair: Area of the hair in the segment frame, of the face's, >= 0.
        headwear: The same of headwear.
        highlight: Linear brightness that the brightest fiftieth of the face exceeds, 0..1.
        clipped: Fraction of the face that is burnt out, 0..1.
        chroma: Mean difference between the greatest and the least color of a pixel of the face, bytes.
        left_cheek_headwear: Fraction of the subject's left cheek under headwear, 0..1.
        right_cheek_headwear: The same of the right one.
        red_over_blue: Median, over the face, of the natural logarithm of red over blue, linear.
        green_excess: The same of green over the mean of red and blue.
        hue_variety: Standard deviation of what the lightness does not say of the face's colors, bytes: none
            in a photo without color, be it toned.
        hue_slope: By how much hue changes from the middle of the face to its side, natural logarithms of red
            over blue and of green over both, beside what lightness and height say of it.
        scalp_hair: Area of the hair above the forehead's lower border, of the face's, >= 0.
        scalp_headwear: The same of headwear.
        left_cheek_accessory: Fraction of the subject's left cheek under what is taken for glasses or jewelry,
            0..1.
        right_cheek_accessory: The same of the right one.
        brightest: Linear value of its greatest color that few of the whole photo's pixels exceed, 0..1.
    """

    eyes_accessory: float
    glasses: float
    eyes_covered: float
    left_cheek: float
    right_cheek: float
    mouth: float
    forehead: float
    hair_on_face: float
    beard: float
    hair: float
    headwear: float
    highlight: float
    clipped: float
    chroma: float
    left_cheek_headwear: float = 0.0
    right_cheek_headwear: float = 0.0
    red_over_blue: float = 1.2
    green_excess: float = -0.2
    hue_variety: float = 7.0
    hue_slope: float = 0.15
    scalp_hair: float = 0.0
    scalp_headwear: float = 0.0
    left_cheek_accessory: float = 0.0
    right_cheek_accessory: float = 0.0
    brightest: float = 1.0

    def document(self) -> dict[str, float]:
        """All figures, rounded, for face.json."""
        return {name: round(float(value), 4) for name, value in asdict(self).items()}


def face_regions(canonical: np.ndarray) -> dict[str, np.ndarray]:
    """Which landmarks are where on the face.

    Args:
        canonical: (478, 3) landmarks of the average face, head frame, meters.

    Returns:
        (478,) bool by region.
    """
    x, _, z = canonical.T
    eyes = np.zeros(LANDMARK_COUNT, bool)
    eyes[list(EYES)] = True
    eyes[FIRST_IRIS:] = True
    middle = (z > MOUTH_TOP_Z) & (z < FOREHEAD_BOTTOM_Z) & ~eyes
    return {
        "eyes": eyes,
        "left_cheek": middle & (x > CHEEK_BEGIN_X),
        "right_cheek": middle & (x < -CHEEK_BEGIN_X),
        "mouth": z <= MOUTH_TOP_Z,
        "forehead": z >= FOREHEAD_BOTTOM_Z,
    }


def measure_coverage(
    rgb: np.ndarray,
    segmentation: Segmentation,
    landmarks: np.ndarray,
    canonical: np.ndarray,
    direction: np.ndarray,
) -> Coverage:
    """Measure what covers a face.

    Args:
        rgb: (H, W, 3) uint8, the photo.
        segmentation: Of the head.
        landmarks: (478, 3), photo frame, pixels.
        canonical: (478, 3) landmarks of the average face, head frame, meters.
        direction: (3,) unit vector from the head to the camera, head frame.

    Returns:
        The figures.
    """
    points = landmarks[:, :2].astype(np.float64)
    height, width = rgb.shape[:2]
    inside = ((points >= -0.5) & (points <= [width - 0.5, height - 0.5])).all(1)
    # The far side of a turned face: its landmarks are drawn over the near one's outline.
    visible = inside & (np.sign(canonical[:, 0]) * direction[0] > -FAR_SIDE)
    found = segmentation.probabilities_at(points).argmax(-1)
    regions = face_regions(canonical)

    def fraction(region: str, *classes: SegmentClass) -> float:
        chosen = regions[region] & visible
        return float(np.isin(found[chosen], classes).mean()) if chosen.any() else 0.0

    things = (SegmentClass.OCCLUDER, SegmentClass.HEADWEAR, SegmentClass.CLOTHES)
    face_area = max(_face_area(segmentation, points), 1.0)
    light = _light(rgb, segmentation, points)
    # The head is upright in the segment frame.
    forehead_rows = segmentation.frame.photo_to_crop(points[regions["forehead"]])[:, 1]
    scalp = segmentation.labels[: round(float(np.clip(forehead_rows.max(), 0, SEGMENT_SIZE)))]
    return Coverage(
        eyes_accessory=fraction("eyes", SegmentClass.ACCESSORY),
        glasses=_glasses(segmentation, points),
        eyes_covered=fraction("eyes", *things, SegmentClass.HAIR),
        left_cheek=fraction("left_cheek", *things),
        right_cheek=fraction("right_cheek", *things),
        mouth=fraction("mouth", *things),
        forehead=fraction("forehead", *things),
        hair_on_face=float((found[visible] == SegmentClass.HAIR).mean()) if visible.any() else 0.0,
        beard=fraction("mouth", SegmentClass.FACIAL_HAIR),
        hair=float((segmentation.labels == SegmentClass.HAIR).sum()) / face_area,
        headwear=float((segmentation.labels == SegmentClass.HEADWEAR).sum()) / face_area,
        left_cheek_headwear=fraction("left_cheek", SegmentClass.HEADWEAR),
        right_cheek_headwear=fraction("right_cheek", SegmentClass.HEADWEAR),
        scalp_hair=float((scalp == SegmentClass.HAIR).sum()) / face_area,
        scalp_headwear=float((scalp == SegmentClass.HEADWEAR).sum()) / face_area,
        left_cheek_accessory=fraction("left_cheek", SegmentClass.ACCESSORY),
        right_cheek_accessory=fraction("right_cheek", SegmentClass.ACCESSORY),
        brightest=_brightest(rgb),
        **light,
    )


def _brightest(rgb: np.ndarray) -> float:
    """`Coverage.brightest`, of a photo (H, W, 3) uint8."""
    greatest = rgb[::BRIGHTEST_STEP, ::BRIGHTEST_STEP].max(2)
    return float(linear_of_bytes_float32()[round(float(np.percentile(greatest, BRIGHTEST_PERCENTILE)))])


def _glasses(segmentation: Segmentation, points: np.ndarray) -> float:
    """`Coverage.glasses`, of landmarks (478, 2), photo frame."""
    eyes = [points[list(EYES[start : start + 16])].mean(0) for start in (0, 16)]
    distance = float(np.linalg.norm(eyes[1] - eyes[0]))
    angle = np.linspace(0, 2 * np.pi, RAYS, endpoint=False)
    directions = np.stack([np.cos(angle), np.sin(angle)], 1)
    steps = np.linspace(*RIM_RADII, RAY_STEPS) * distance
    around = directions[:, None] * steps[None, :, None]
    found = [segmentation.probabilities_at(eye + around).argmax(-1) for eye in eyes]
    return min(float((labels == SegmentClass.ACCESSORY).any(1).mean()) for labels in found)


def _face_mask(segmentation: Segmentation, points: np.ndarray) -> np.ndarray:
    """(256, 256) bool, segment frame: the convex outline of landmarks (478, 2), photo frame."""
    import cv2

    hull = cv2.convexHull(segmentation.frame.photo_to_crop(points).astype(np.float32))
    mask = np.zeros((SEGMENT_SIZE, SEGMENT_SIZE), np.uint8)
    cv2.fillConvexPoly(mask, np.round(hull).astype(np.int32), (1,))
    return mask > 0


def _face_area(segmentation: Segmentation, points: np.ndarray) -> float:
    return float(_face_mask(segmentation, points).sum())


def _light(rgb: np.ndarray, segmentation: Segmentation, points: np.ndarray) -> dict[str, float]:
    """The fields of `Coverage` about light: of the face's skin, or of all of the face without any."""
    picture = cut_crop(rgb, segmentation.frame, SEGMENT_SIZE, SEGMENT_SIZE)
    face = _face_mask(segmentation, points)
    skin = face & (segmentation.labels == SegmentClass.SKIN)
    chosen = skin if skin.sum() >= MIN_PIXELS else face
    bare = face & ~np.isin(segmentation.labels, COVERS)
    if chosen.sum() < MIN_PIXELS:
        return {"highlight": 1.0, "clipped": 0.0, "chroma": 255.0}  # nothing that could be complained about
    pixels = picture[chosen]
    linear = linear_of_bytes_float32()[pixels]
    red, green, blue = np.log(linear + LIGHT_FLOOR).T
    spread = pixels.max(1).astype(np.float32) - pixels.min(1)
    return {
        "highlight": float(np.percentile(linear @ LUMINANCE, HIGHLIGHT_PERCENTILE)),
        "clipped": float((pixels.max(1) >= CLIPPED_FROM).mean()),
        "chroma": float(spread.mean()),
        "red_over_blue": float(np.median(red - blue)),
        "green_excess": float(np.median(green - (red + blue) / 2)),
        # What covers a face has hues of its own.
        "hue_variety": _hue_variety(picture, bare if bare.sum() >= MIN_PIXELS else face),
        "hue_slope": _hue_slope(picture, chosen),
    }


def _hue_variety(picture: np.ndarray, face: np.ndarray) -> float:
    """`Coverage.hue_variety`, of a picture (H, W, 3) uint8 and the face's mask (H, W)."""
    import cv2

    colors = cv2.blur(picture, (BLUR_PX, BLUR_PX))[face].astype(np.float64)
    lightness = colors @ LUMINANCE
    powers = np.stack([np.ones_like(lightness), lightness, lightness**2], 1)
    hue = colors[:, [0, 2]] - lightness[:, None]
    return float((hue - powers @ np.linalg.lstsq(powers, hue, rcond=None)[0]).std())


def _hue_slope(picture: np.ndarray, face: np.ndarray) -> float:
    """`Coverage.hue_slope`, of a picture (H, W, 3) uint8 and the mask (H, W) of the face's skin."""
    import cv2

    colors = linear_of_bytes_float32()[cv2.blur(picture, (BLUR_PX, BLUR_PX))[face]]
    red, green, blue = np.log(colors.astype(np.float64) + HUE_FLOOR).T
    rows, columns = np.nonzero(face)
    across, along = (
        (axis - axis.mean()) / max(float(np.ptp(axis)) / 2, 1.0)
        for axis in (columns.astype(np.float64), rows)
    )
    lightness = red * LUMINANCE[0] + green * LUMINANCE[1] + blue * LUMINANCE[2]
    terms = np.stack([np.ones_like(across), across, along, lightness, lightness**2], 1)
    hues = np.stack([red - blue, green - (red + blue) / 2], 1)
    return float(np.linalg.norm(np.linalg.lstsq(terms, hues, rcond=None)[0][1]))
