"""What the photo shows of the hair, as pictures in the segment frame."""

from dataclasses import dataclass, fields, replace

import cv2
import numpy as np

from ..geometry.frames import AffineFrame, Camera, HeadPose, compose_affine
from ..geometry.visibility import depth_map
from ..image.color import srgb_to_linear
from ..image.crop import cut_crop
from ..segmentation.segments import SEGMENT_PX_METERS, SEGMENT_SIZE, Segmentation, SegmentClass

#: Pixels of the pictures for one of the segment frame: outlines are finer than the network's pixels.
SCALE = 2
#: Side of the pictures, pixels.
SIZE = SEGMENT_SIZE * SCALE
#: Meters that a pixel is wide at the head's center.
METERS_PER_PIXEL = SEGMENT_PX_METERS / SCALE
#: Spots of fewer square centimeters are no hair.
SMALLEST_SPOT_CM2 = 3.0
#: Distances from the hairline, meters, between which hair and skin are compared; window, pixels, and the
#: fewest pixels of each.
LINE_MARGIN = 0.003
LINE_WIDTH = 0.009
LINE_REACH = 17
LEAST_LINE = 60
#: Standard deviation of the outline's smoothing, pixels.
OUTLINE_SIGMA = 1.0
#: The mouth's height on the head's axis, head frame, meters: below it hair hangs, above it it may stand.
MOUTH_POINT = np.array([[0.0, 0.05, -0.06]])
#: How far hanging hair may go to the side, pixels, per pixel down.
MOST_SIDEWAYS = 1
#: Hair goes on behind what hides it only this far from hair or head that is seen, meters: not along an arm.
HIDDEN_REACH = 0.02
#: Skin that was taken for headwear has the skin's hue, logarithms of linear light less their mean: its
#: distance from it is at most this.
SKIN_HUE = 0.3
#: And at most this factor of its distance from the headwear's hue.
SKIN_HUE_FACTOR = 0.7
#: Headwear whose hue is nearer to the skin's than this is left as it is.
LEAST_HUE_STEP = 0.25
#: How much darker and lighter it may be than the skin, natural logarithms.
SKIN_LIGHT = (-1.2, 0.9)
#: Distance from the mask, meters, from which on its color is that of skin alone.
SKIN_MARGIN = 0.006
#: Linear light that is added before logarithms: darker differences are noise.
LIGHT_FLOOR = 0.01
#: Pixels that colors are averaged over, that spots and gaps of such skin are opened and closed by.
SKIN_BLUR = 5
SKIN_OPENED = 5
SKIN_CLOSED = 13


@dataclass(frozen=True)
class HairMaps:
    """Pictures of SIZE x SIZE pixels.

    Attributes:
        frame: Photo -> these pictures.
        camera: Of the photo.
        pose: Of the head.
        mask: bool, hair (or headwear).
        outline: float32, meters, signed distance to the mask's outline, positive in the mask.
        hull: float32, meters, the same for the mask with everything that may hide hair.
        hairline: float32, meters, distance from what is seen of the head's bare skin, 0 on it.
        depth: float32, meters from the camera to the head's skin, inf beside it.
        hidden: bool, where something before the head hides what is there, or the photo does not reach.
        background: bool, what belongs neither to the person nor to what hides them.
        colors: (SIZE, SIZE, 3) float32, sRGB 0..255, the photo.
    """

    frame: AffineFrame
    camera: Camera
    pose: HeadPose
    mask: np.ndarray
    outline: np.ndarray
    hull: np.ndarray
    hairline: np.ndarray
    depth: np.ndarray
    hidden: np.ndarray
    background: np.ndarray
    colors: np.ndarray

    @property
    def hair_cm2(self) -> float:
        """Area of the mask at the head's distance, square centimeters."""
        return float(self.mask.sum()) * (METERS_PER_PIXEL * 100) ** 2

    def pixels_of(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where points are seen.

        Args:
            points: (N, 3), head frame, meters.

        Returns:
            (N, 2) float32 pixels of these pictures, and (N,) float32 depth, meters.
        """
        # By columns: over rows of two or three numbers numpy takes six times as long.
        x, y, depth = self.pose.rotation.astype(np.float32) @ points.T.astype(np.float32)
        for column, shift in zip((x, y, depth), self.pose.translation.astype(np.float32), strict=True):
            column += shift
        np.maximum(depth, np.float32(0.02), out=depth)
        x /= depth
        y /= depth
        matrix = self.frame.matrix
        scale = (matrix[:, :2] * self.camera.focal_px).astype(np.float32)
        offset = matrix[:, :2] @ np.array([self.camera.cx, self.camera.cy]) + matrix[:, 2]
        pixels = np.empty((len(points), 2), np.float32)
        for k, shift in enumerate(offset.astype(np.float32)):
            column = x * scale[k, 0]
            column += y * scale[k, 1]
            np.add(column, shift, out=pixels[:, k])
        return pixels, depth

    def part(self, rows: slice, columns: slice) -> "HairMaps":
        """A part of the pictures; the frame stays theirs.

        Args:
            rows: From where to where.
            columns: The same.
        """
        pictures = (field.name for field in fields(self) if isinstance(getattr(self, field.name), np.ndarray))
        return replace(self, **{name: getattr(self, name)[rows, columns].copy() for name in pictures})

    def hairline_step(self) -> float:
        """How different hair is from the skin at its line: of logarithms of linear light, 0 for no line.

        A shaven scalp that lies in shade may be taken for hair; but its shade comes slowly.
        """
        skin = np.isfinite(self.depth) & ~self.hidden
        near = cv2.dilate((skin & ~self.mask).astype(np.uint8), np.ones((LINE_REACH, LINE_REACH))) > 0
        inner = self.mask & near & (self.outline > LINE_MARGIN) & skin
        outer = (
            skin & (self.outline < -LINE_MARGIN) & (self.outline > -LINE_WIDTH) & (self.hull > LINE_MARGIN)
        )
        if inner.sum() < LEAST_LINE or outer.sum() < LEAST_LINE:
            return np.inf
        light = log_light(self.colors)
        return float(np.abs(np.median(light[inner], 0) - np.median(light[outer], 0)).mean())

    @property
    def typical_light(self) -> np.ndarray:
        """(3,) median of logarithms of linear light in the mask."""
        chosen = self.colors[self.mask & (self.outline > LINE_MARGIN)]
        if not len(chosen):
            chosen = self.colors[self.mask]
        return log_light(np.median(chosen, axis=0))

    @property
    def overhang(self) -> float:
        """Fraction of the mask that is not in front of the head's skin."""
        return float((self.mask & ~np.isfinite(self.depth)).sum() / max(self.mask.sum(), 1))


def log_light(colors: np.ndarray) -> np.ndarray:
    """Natural logarithm of the linear light of colors.

    Args:
        colors: (..., 3) float, sRGB 0..255.

    Returns:
        (..., 3), in the precision of what was given.
    """
    return np.asarray(np.log(srgb_to_linear(np.clip(colors, 0, 255) / 255) + LIGHT_FLOOR))


def maps_frame(frame: AffineFrame) -> AffineFrame:
    """The frame of the pictures, from the segment frame."""
    offset = (SCALE - 1) / 2
    return AffineFrame(
        compose_affine(np.array([[SCALE, 0, offset], [0, SCALE, offset]], float), frame.matrix)
    )


@dataclass(frozen=True)
class HairView:
    """A photo of a head, seen in the pictures' frame: what is the same whatever is looked for in it.

    Attributes:
        segmentation: What the photo's pixels show.
        frame: Photo -> the pictures.
        camera: Of the photo.
        pose: Of the head.
        depth: (SIZE, SIZE) float32, meters from the camera to the head's skin, inf beside it.
        on_face: (SIZE, SIZE) bool, in front of the face.
        beyond: (SIZE, SIZE) bool, what the photo does not reach.
        colors: (SIZE, SIZE, 3) float32, sRGB 0..255, the photo.
    """

    segmentation: Segmentation
    frame: AffineFrame
    camera: Camera
    pose: HeadPose
    depth: np.ndarray
    on_face: np.ndarray
    beyond: np.ndarray
    colors: np.ndarray

    @classmethod
    def of(
        cls,
        rgb: np.ndarray,
        segmentation: Segmentation,
        camera: Camera,
        pose: HeadPose,
        vertices: np.ndarray,
        triangles: np.ndarray,
        face: np.ndarray | None = None,
    ) -> "HairView":
        """Draw the head and the photo.

        Args:
            rgb: (H, W, 3) uint8 sRGB, the photo.
            segmentation: What its pixels show.
            camera: Of the photo.
            pose: Of the head.
            vertices: (V, 3) of the head, head frame, meters.
            triangles: (T, 3) int, of all its parts.
            face: (T,) bool, triangles of the face: what is before them, glasses or a hand, hides skin and no
                hair. By default none.
        """
        frame = maps_frame(segmentation.frame)
        in_camera = pose.head_to_camera(vertices.astype(np.float64))
        pixels = frame.photo_to_crop(camera.project(in_camera))
        depth, triangle = depth_map(pixels, in_camera[:, 2], triangles, SIZE)
        on_head = np.isfinite(depth)
        return cls(
            segmentation=segmentation,
            frame=frame,
            camera=camera,
            pose=pose,
            depth=depth,
            on_face=on_head & face[triangle] if face is not None else np.zeros_like(on_head),
            beyond=beyond_photo(frame, rgb.shape[1], rgb.shape[0]),
            colors=cut_crop(rgb, frame, SIZE, SIZE).astype(np.float32),
        )

    def maps(self, *kinds: SegmentClass) -> HairMaps:
        """Draw the pictures of what is looked for.

        Args:
            kinds: Its classes.

        Returns:
            The pictures; the mask is empty where there is none of it.
        """
        mouth = self.frame.photo_to_crop(self.camera.project(self.pose.head_to_camera(MOUTH_POINT)))[0]
        hidden = self._shows(SegmentClass.OCCLUDER, SegmentClass.ACCESSORY)
        mask = without_spots(hanging(self._shows(*kinds), hidden, round(float(mouth[1]))))
        on_head = np.isfinite(self.depth)
        # The head may be drawn too wide: what shows background beside hair is no bare skin.
        bare = on_head & self._shows(SegmentClass.SKIN, SegmentClass.FACIAL_HAIR) & ~mask
        bare |= hidden & self.on_face & ~mask
        # Beyond the photo's border its pixels are repeated: they say as little as a hand before the head.
        bare &= ~self.beyond
        hidden = (hidden & ~self.on_face) | (self.beyond & on_head)
        if kinds == (SegmentClass.HEADWEAR,):
            mistaken = skin_in_headwear(mask, on_head, bare, self.colors)
            mask, bare = without_spots(mask & ~mistaken), bare | mistaken
        hull = mask | on_head
        hull |= hidden & (signed_outline(hull) > -HIDDEN_REACH)
        return HairMaps(
            frame=self.frame,
            camera=self.camera,
            pose=self.pose,
            mask=mask,
            outline=signed_outline(mask),
            hull=signed_outline(hull),
            hairline=np.maximum(signed_outline(~bare), 0),
            depth=self.depth,
            hidden=hidden,
            background=self._shows(SegmentClass.BACKGROUND),
            colors=self.colors,
        )

    def _shows(self, *kinds: SegmentClass) -> np.ndarray:
        """(SIZE, SIZE) bool, where pixels probably show one of these classes."""
        return np.asarray(_enlarged(self.segmentation.probabilities[list(kinds)].sum(0)) > 0.5)


def beyond_photo(frame: AffineFrame, width: int, height: int) -> np.ndarray:
    """What the photo does not reach.

    Args:
        frame: Of the pictures.
        width: Of the photo, pixels.
        height: The same.

    Returns:
        (SIZE, SIZE) bool.
    """
    pixels = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), -1).reshape(-1, 2)
    inside = frame.crop_to_photo(pixels.astype(float))
    beyond = ((inside < -0.5) | (inside > np.array([width, height]) - 0.5)).any(1)
    return np.asarray(beyond.reshape(SIZE, SIZE))


def skin_in_headwear(
    mask: np.ndarray, on_head: np.ndarray, bare: np.ndarray, colors: np.ndarray
) -> np.ndarray:
    """Skin beside headwear that was taken for it: a cheek below a scarf, a forehead.

    Args:
        mask: (SIZE, SIZE) bool, of headwear.
        on_head: (SIZE, SIZE) bool, in front of the head's skin.
        bare: (SIZE, SIZE) bool, skin that is seen.
        colors: (SIZE, SIZE, 3) float32, sRGB 0..255.

    Returns:
        (SIZE, SIZE) bool, what of the mask is skin.
    """
    none = np.zeros(mask.shape, bool)
    of_skin = bare & (signed_outline(mask) < -SKIN_MARGIN)
    of_headwear = mask & ~on_head
    if min(of_skin.sum(), of_headwear.sum()) < LEAST_LINE:
        return none
    light = cv2.blur(log_light(colors), (SKIN_BLUR, SKIN_BLUR))
    lightness = light.mean(-1)
    hue = light - lightness[..., None]
    skin_hue, headwear_hue = np.median(hue[of_skin], 0), np.median(hue[of_headwear], 0)
    if np.abs(skin_hue - headwear_hue).mean() < LEAST_HUE_STEP:
        return none
    from_skin, from_headwear = (np.abs(hue - mean).mean(-1) for mean in (skin_hue, headwear_hue))
    relative = lightness - np.median(lightness[of_skin])
    found = mask & on_head & (from_skin < np.minimum(SKIN_HUE, SKIN_HUE_FACTOR * from_headwear))
    found &= (relative > SKIN_LIGHT[0]) & (relative < SKIN_LIGHT[1])
    opened = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, np.ones((SKIN_OPENED, SKIN_OPENED)))
    large = without_spots(opened > 0).astype(np.uint8)
    closed = cv2.morphologyEx(large, cv2.MORPH_CLOSE, np.ones((SKIN_CLOSED, SKIN_CLOSED)))
    return np.asarray(mask & on_head & (closed > 0))


def hanging(mask: np.ndarray, hidden: np.ndarray, mouth_row: int) -> np.ndarray:
    """A mask without what does not hang from the head: sleeves, arms and straps that were taken for hair.

    Args:
        mask: (SIZE, SIZE) bool, of hair; the head is upright.
        hidden: (SIZE, SIZE) bool, what may hide hair.
        mouth_row: Row below which hair hangs.

    Returns:
        (SIZE, SIZE) bool.
    """
    kept = mask.copy()
    carried = mask | hidden
    kernel = np.ones(2 * MOST_SIDEWAYS + 1, np.uint8)
    for row in range(min(max(mouth_row, 0), SIZE) + 1, SIZE):
        below = cv2.dilate(carried[row - 1 : row].astype(np.uint8), kernel[None])[0] > 0
        kept[row] &= below
        carried[row] &= below
    return kept


def signed_outline(mask: np.ndarray) -> np.ndarray:
    """Distance to a mask's outline, a little smoothed.

    Args:
        mask: (SIZE, SIZE) bool.

    Returns:
        (SIZE, SIZE) float32, meters, positive inside.
    """
    if mask.all() or not mask.any():
        return np.full(mask.shape, 1.0 if mask.all() else -1.0, np.float32)
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    signed = np.where(mask, inside - 0.5, 0.5 - outside).astype(np.float32)
    return cv2.GaussianBlur(signed, (0, 0), OUTLINE_SIGMA) * np.float32(METERS_PER_PIXEL)


def without_spots(mask: np.ndarray) -> np.ndarray:
    """A mask without its smallest spots.

    Args:
        mask: (SIZE, SIZE) bool.

    Returns:
        (SIZE, SIZE) bool.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    least = SMALLEST_SPOT_CM2 / (METERS_PER_PIXEL * 100) ** 2
    kept = stats[:, cv2.CC_STAT_AREA] >= least
    kept[0] = False
    return kept[labels] if count > 1 else np.zeros(mask.shape, bool)


def _enlarged(values: np.ndarray) -> np.ndarray:
    return cv2.resize(np.ascontiguousarray(values), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
