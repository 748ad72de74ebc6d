"""Glasses, found by their geometry: two rims, each a closed thin line around an eye, or two dark lenses.

The segmentation network knows glasses from few pictures. A rim, though, is what no skin has: a line all
around the eye that is darker, or lighter, than what lies on both of its sides. The best closed line is found
by dynamic programming over the angle, with radii that change little from one angle to the next; brows and
folds of skin never go all around.
"""

from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np

from ..detection.mediapipe_topology import CHIN, EYES, FOREHEAD
from .segments import SEGMENT_SIZE, Segmentation, SegmentClass

#: MediaPipe's landmarks: the outer and the inner corner of the subject's right eye and of the left one.
CORNERS = ((33, 133), (263, 362))

# The upright picture of the eyes.
#: Distance of the outer corners, pixels.
SPAN_PX = 120.0
#: Its width, pixels.
WIDTH = 260
#: Its height, pixels.
HEIGHT = 150
#: Row of the eyes, as a fraction of its height.
EYES_ROW = 0.42
#: Added to gray values before logarithms: darker differences are noise.
GRAY_FLOOR = 8.0

# Rims. Lengths are fractions of the distance between the eyes.
#: Angles around an eye.
ANGLES = 72
#: Least radius of a rim: nearer there are lids.
MIN_RADIUS = 0.20
#: Greatest radius of a rim.
MAX_RADIUS = 0.62
#: How far a rim's center lies below the eye's.
CENTER_DOWN = 0.06
#: Width of a rim by its height.
ASPECT = 1.15
#: Standard deviation of the blur that takes out noise, pixels.
BLUR_PX = 0.8
#: Pixels on both sides of a thin line that it is compared with.
THIN_SIDE_PX = 4
#: The same of a thick line.
THICK_SIDE_PX = 8
#: Least and most that one point of a line counts, natural logarithm.
LINE_LIMITS = (-0.05, 0.5)
#: Steps of the radius from one angle to the next, pixels; of equal ones the first is taken.
STEPS = (0, -1, 1, -2, 2)
#: What each pixel of a step costs, natural logarithm.
STEP_COST = 0.02
#: The quantile of the line's contrast below the eye and beside the nose, where neither brows nor lashes are,
#: that has to reach a least value in both eyes.
CONTRAST_QUANTILE = 0.25
#: The least value for thin lines, natural logarithm: 139 portraits without glasses have at most 0.02, the one
#: with glasses 0.22.
THIN_CONTRAST = 0.05
#: The same for thick lines, which have at most 0.144 without glasses.
THICK_CONTRAST = 0.18
#: Sine of the angle from which on a rim is below the eye.
BELOW_SINE = 0.2
#: Cosine of the angle, outward, up to which a rim is beside the nose,
NOSE_COSINE = -0.3
#: and the sine that it has to have: above it is the brow.
NOSE_SINE = -0.5

# Dark lenses. Lengths are fractions of the distance between the eyes, darkness is a natural logarithm.
#: Half width and half height of a lens.
LENS = (0.30, 0.20)
#: The quantile of a lens's lightness that counts.
LENS_QUANTILE = 0.8
#: How much darker than the cheeks that has to be in both eyes: in the shade of brows it is 0.49 at most.
DARK_LENS = 0.58
#: Half width and half height of a cheek.
CHEEK = (0.18, 0.12)
#: How far a cheek lies below the eye.
CHEEK_DOWN = 0.62
#: Pixels this much darker than the cheeks are a dark lens's.
DARK_PIXEL = 0.55
#: How far a dark lens reaches above the eyes.
REACH_UP = 0.38
#: The same below.
REACH_DOWN = 0.50
#: The same to each side of their middle.
REACH_SIDEWAYS = 1.0
#: Sides of the squares, pixels, by which holes of the mask are closed, and specks are removed.
CLOSING_PX = 9
OPENING_PX = 3

# Drawing.
#: Distance of the eyes' outer corners, of the face's height, below which glasses are not looked for: the face
#: is seen from the side.
LEAST_SPAN = 0.15
#: Width of frames, pixels of the segment frame.
FRAME_WIDTH = 3
#: Length of the arms' beginnings, as a fraction of the distance between the rims' centers.
ARM_LENGTH = 0.35
#: Fractional bits of coordinates handed to OpenCV's drawing.
SHIFT = 4


@dataclass(frozen=True)
class Glasses:
    """Glasses in a photo.

    Attributes:
        rims: Of the subject's right and left eye, each (A, 2) float64 photo pixels, a closed line.
        dark: Masks of dark lenses, (HEIGHT, WIDTH) bool in the picture of the eyes; None if they are clear.
        to_photo: (2, 3) from the picture of the eyes to the photo.
    """

    rims: tuple[np.ndarray, np.ndarray]
    dark: np.ndarray | None
    to_photo: np.ndarray


def find_glasses(rgb: np.ndarray, landmarks: np.ndarray) -> Glasses | None:
    """Look for glasses.

    Args:
        rgb: (H, W, 3) uint8, the photo.
        landmarks: (478, 2 or more), photo pixels.

    Returns:
        The glasses; None if there are none.
    """
    points = landmarks[:, :2].astype(np.float64)
    matrix = _upright(points)
    if matrix is None:
        return None
    # Not averaged down, however large the photo: the least contrasts were measured so.
    picture = cv2.warpAffine(
        rgb, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    gray = np.log(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) + GRAY_FLOOR)
    eyes = [points[list(pair)].mean(0) @ matrix[:, :2].T + matrix[:, 2] for pair in CORNERS]
    distance = float(np.linalg.norm(eyes[1] - eyes[0]))
    back = cv2.invertAffineTransform(matrix)
    found = [_rims(gray, eye, distance, side) for side, eye in zip((-1, 1), eyes, strict=True)]
    # Both rims are of one kind; a fold below one eye and sheen around the other are not.
    contrast, rims = max(
        ((min(one[1] for one in pair), [one[0] for one in pair]) for pair in zip(*found, strict=True)),
        key=lambda pair: pair[0],
    )
    dark = _dark_lenses(gray, eyes, distance)
    if dark is None and contrast < 1:
        return None
    right, left = (rim @ back[:, :2].T + back[:, 2] for rim in rims)
    return Glasses((right, left), dark, back)


def with_glasses(segmentation: Segmentation, rgb: np.ndarray, landmarks: np.ndarray) -> Segmentation:
    """A segmentation with the glasses that the face's geometry shows.

    Args:
        segmentation: As the network has found it.
        rgb: (H, W, 3) uint8, the photo.
        landmarks: (478, 2 or more), photo pixels.

    Returns:
        The same one if there are no glasses, else one whose frames and dark lenses are accessories.
    """
    glasses = find_glasses(rgb, landmarks)
    if glasses is None:
        return segmentation
    drawn = _drawn(glasses, segmentation, landmarks[:, :2].astype(np.float64))
    probabilities = segmentation.probabilities * (1 - drawn)
    probabilities[SegmentClass.ACCESSORY] += drawn
    return Segmentation(probabilities.astype(np.float32), segmentation.frame)


def _upright(points: np.ndarray) -> np.ndarray | None:
    """(2, 3) from the photo to the upright picture of the eyes; None if they fall together (profiles)."""
    low, high = points[CORNERS[0][0]], points[CORNERS[1][0]]
    along = high - low
    span = float(np.linalg.norm(along))
    height = float(np.linalg.norm(points[FOREHEAD] - points[CHIN]))
    if not np.isfinite(span) or span < max(1.0, LEAST_SPAN * height):
        return None
    cos, sin = along / span * (SPAN_PX / span)
    linear = np.array([[cos, sin], [-sin, cos]])
    return np.column_stack([linear, np.array([WIDTH / 2, HEIGHT * EYES_ROW]) - linear @ ((low + high) / 2)])


def _rims(gray: np.ndarray, eye: np.ndarray, distance: float, side: int) -> list[tuple[np.ndarray, float]]:
    """The best closed line of each kind around an eye, (ANGLES, 2) pixels, and its contrast, of the least:
    dark and light ones, thin and thick.

    Args:
        gray: (HEIGHT, WIDTH) float32, natural logarithm of lightness.
        eye: (2,) its center.
        distance: Between the eyes, pixels.
        side: -1 for the eye on the picture's left, 1 on its right.
    """
    center = eye + np.array([0.0, CENTER_DOWN * distance])
    angle = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
    radius = np.arange(MIN_RADIUS * distance, MAX_RADIUS * distance)
    x = (center[0] + np.outer(np.cos(angle), radius) * ASPECT).astype(np.float32)
    y = (center[1] + np.outer(np.sin(angle), radius)).astype(np.float32)
    smooth = cv2.GaussianBlur(gray, (0, 0), BLUR_PX)
    ring = cv2.remap(smooth, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    below = np.sin(angle) > BELOW_SINE
    inward = (np.cos(angle) * side < NOSE_COSINE) & (np.sin(angle) > NOSE_SINE)
    found = []
    at = np.arange(ANGLES)
    lines = ((THIN_SIDE_PX, THIN_CONTRAST), (THICK_SIDE_PX, THICK_CONTRAST))
    kinds = list(product((1, -1), lines))
    pictures = np.stack([_darker(sign * ring, reach) for sign, (reach, _) in kinds])
    for (_, (_, least)), line, path in zip(kinds, pictures, _closed_paths(pictures), strict=True):
        values = line[at, path][below | inward]
        contrast = float(np.quantile(values, CONTRAST_QUANTILE)) / least
        found.append((np.stack([x[at, path], y[at, path]], 1).astype(np.float64), contrast))
    return found


def _darker(ring: np.ndarray, reach: int) -> np.ndarray:
    """(A, R): by how much each point is darker than what lies `reach` pixels from it on both sides."""
    result = np.full_like(ring, LINE_LIMITS[0])
    inner, outer = ring[:, : -2 * reach], ring[:, 2 * reach :]
    result[:, reach:-reach] = np.minimum(inner, outer) - ring[:, reach:-reach]
    return np.clip(result, *LINE_LIMITS)


def _closed_paths(lines: np.ndarray) -> np.ndarray:
    """(P, A) int: the radius at each angle of the best line in each of P pictures (P, A, R), found by going
    around twice.
    """
    pictures, angles, radii = lines.shape
    twice = np.concatenate([lines, lines], 1).astype(np.float64)
    steps = np.array(STEPS)
    cost, reach = STEP_COST * np.abs(steps)[:, None], int(np.abs(steps).max())
    # The radius before was smaller by the step.
    source = reach - steps[:, None] + np.arange(radii)
    padded = np.full((pictures, radii + 2 * reach), -np.inf)
    taken = np.zeros((2 * angles, pictures, radii), int)
    total = twice[:, 0]
    for k in range(1, 2 * angles):
        padded[:, reach:-reach] = total
        options = padded[:, source] - cost
        taken[k] = steps[options.argmax(1)]
        total = options.max(1) + twice[:, k]
    path, every = np.empty((2 * angles, pictures), int), np.arange(pictures)
    path[-1] = total.argmax(1)
    for k in range(2 * angles - 1, 0, -1):
        path[k - 1] = path[k] - taken[k, every, path[k]]
    half = angles // 2
    return np.roll(path[half : half + angles], half, axis=0).T


def _dark_lenses(gray: np.ndarray, eyes: list[np.ndarray], distance: float) -> np.ndarray | None:
    """(HEIGHT, WIDTH) bool: dark lenses; None if the eyes are not behind any."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]

    def ellipse(center: np.ndarray, half: tuple[float, float]) -> np.ndarray:
        scaled = ((x - center[0]) / (half[0] * distance)) ** 2 + ((y - center[1]) / (half[1] * distance)) ** 2
        return np.asarray(scaled < 1)

    lenses = [ellipse(eye, LENS) for eye in eyes]
    if not all(lens.any() for lens in lenses):
        return None
    cheeks = [ellipse(eye + np.array([0.0, CHEEK_DOWN * distance]), CHEEK) for eye in eyes]
    skin = [float(np.median(gray[cheek])) for cheek in cheeks]
    darker = [
        own - float(np.quantile(gray[lens], LENS_QUANTILE)) for own, lens in zip(skin, lenses, strict=True)
    ]
    if min(darker) < DARK_LENS:
        return None
    middle = (eyes[0] + eyes[1]) / 2
    rows = (y > middle[1] - REACH_UP * distance) & (y < middle[1] + REACH_DOWN * distance)
    columns = np.abs(x - middle[0]) < REACH_SIDEWAYS * distance
    mask = ((gray < min(skin) - DARK_PIXEL) & rows & columns).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((CLOSING_PX, CLOSING_PX), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((OPENING_PX, OPENING_PX), np.uint8))
    _, labels = cv2.connectedComponents(mask)
    on_eyes = {int(label) for lens in lenses for label in np.unique(labels[lens])} - {0}
    return np.asarray(np.isin(labels, list(on_eyes)))


def _drawn(glasses: Glasses, segmentation: Segmentation, points: np.ndarray) -> np.ndarray:
    """(256, 256) float32, 0..1, segment frame: frames, bridge, the arms' beginnings, and dark lenses."""
    frame = segmentation.frame
    layer = np.zeros((SEGMENT_SIZE, SEGMENT_SIZE), np.uint8)

    def line(photo: np.ndarray, closed: bool) -> None:
        pixels = np.round(frame.photo_to_crop(photo) * (1 << SHIFT)).astype(np.int32)
        cv2.polylines(layer, [pixels], closed, (255,), FRAME_WIDTH, cv2.LINE_AA, SHIFT)

    centers = [rim.mean(0) for rim in glasses.rims]
    across = centers[1] - centers[0]
    for rim, toward in zip(glasses.rims, (across, -across), strict=True):
        line(rim, True)
        # The arm goes on outward from the rim's outermost point.
        outermost = rim[(rim @ toward).argmin()]
        line(np.stack([outermost, outermost - ARM_LENGTH * toward]), False)
    inner = [
        rim[(rim @ toward).argmax()] for rim, toward in zip(glasses.rims, (across, -across), strict=True)
    ]
    line(np.stack(inner), False)
    if glasses.dark is not None:
        matrix = frame.matrix[:, :2] @ glasses.to_photo
        matrix[:, 2] += frame.matrix[:, 2]
        lens = cv2.warpAffine(glasses.dark.astype(np.uint8) * 255, matrix, (SEGMENT_SIZE, SEGMENT_SIZE))
        openings = [EYES[:16], EYES[16:]]
        for opening in openings:
            hull = cv2.convexHull(frame.photo_to_crop(points[list(opening)]).astype(np.float32))
            cv2.fillConvexPoly(lens, np.round(hull).astype(np.int32), (255,))
        layer = np.maximum(layer, lens)
    return layer.astype(np.float32) / 255
