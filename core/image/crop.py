"""Cuts square pictures of faces out of a photo."""

from dataclasses import dataclass

import cv2
import numpy as np

from ..geometry.frames import CROP_CENTER, CROP_SIZE, AffineFrame, compose_affine, upright_map
from ..geometry.pose import WeakPerspectivePose

#: Pixels per cm at the head's center: the face fills two thirds of the picture, as MediaPipe's networks know
#: it.
FACE_PX_PER_CM = 7.2


@dataclass(frozen=True)
class CropVariation:
    """How a crop differs from the one that landmarks give.

    Attributes:
        scale: Factor of the size of what it shows.
        turn: Clockwise turn of what it shows, radians.
        right: Shift of what it shows, crop pixels.
        down: The same downward.
    """

    scale: float = 1.0
    turn: float = 0.0
    right: float = 0.0
    down: float = 0.0

    def of(self, frame: AffineFrame, center: float = CROP_CENTER) -> AffineFrame:
        """A frame varied about the middle of its crop.

        Args:
            frame: As landmarks give it.
            center: Of the crop, both ways, pixels.

        Returns:
            The varied frame, photo -> crop.
        """
        cosine, sine = self.scale * np.cos(self.turn), self.scale * np.sin(self.turn)
        linear = np.array([[cosine, -sine], [sine, cosine]])
        middle = np.full(2, center)
        offset = middle + np.array([self.right, self.down]) - linear @ middle
        return AffineFrame(compose_affine(np.column_stack([linear, offset]), frame.matrix))


#: A crop as the landmarks give it.
UNVARIED = CropVariation()


def cut_crop(
    rgb: np.ndarray, frame: AffineFrame, size: int = CROP_SIZE, frame_size: int = CROP_SIZE
) -> np.ndarray:
    """Cut a picture out of the photo; edge pixels are repeated outside.

    Photos larger than the crop are averaged down first, so that no aliasing is taken for detail.

    Args:
        rgb: (H, W, 3) uint8, the photo.
        frame: What to cut.
        size: Side of the result, pixels: that of the crop, or a finer or coarser raster of the same square.
        frame_size: Side of the frame's square, pixels of the frame.

    Returns:
        (size, size, 3) uint8.
    """
    factor = size / frame_size
    inverse = frame.inverse
    corners = frame.crop_to_photo(
        np.array([[0, 0], [frame_size, 0], [0, frame_size], [frame_size, frame_size]], float) - 0.5
    )
    height, width = rgb.shape[:2]
    shrink = max(1, int(1.0 / (frame.scale * factor)))
    left, top = np.clip(np.floor(corners.min(0)).astype(int) - 2, 0, [width - 1, height - 1])
    right, bottom = np.ceil(corners.max(0)).astype(int) + 3
    columns = _blocks(left, right, width, shrink)
    rows = _blocks(top, bottom, height, shrink)
    region = rgb[top : top + rows * shrink, left : left + columns * shrink]
    fx, fy = region.shape[1] / columns, region.shape[0] / rows
    if shrink > 1:
        region = cv2.resize(region, (columns, rows), interpolation=cv2.INTER_AREA)
    # Crop pixel -> region pixel; pixel centers are at whole numbers in all of these frames.
    scale = np.array([1 / fx, 1 / fy])
    step = (1 / factor - 1) / 2
    linear = inverse[:, :2] / factor
    offset = inverse[:, 2] + inverse[:, :2] @ np.full(2, step) - [left, top]
    matrix = np.column_stack([linear * scale[:, None], (offset + 0.5) * scale - 0.5])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        np.ascontiguousarray(region), matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )


def _blocks(first: int, end: int, limit: int, size: int) -> int:
    """How many blocks of pixels to average: `size` wide where the photo, up to `limit`, has as many pixels.

    Whole blocks are averaged several times as fast as others; beside the last one of a photo some pixels may
    be left out.
    """
    return max(1, min(-(-(end - first) // size), (limit - first) // size))


def network_input(picture: np.ndarray) -> np.ndarray:
    """A picture as networks take it.

    Args:
        picture: (H, W, 3) uint8, RGB.

    Returns:
        (1, 3, H, W) float32, 0..1.
    """
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32) / np.float32(255)


def face_frame(points: np.ndarray, pose: WeakPerspectivePose) -> AffineFrame:
    """The frame of a face as its landmarks place it: 192 px, upright, the landmarks in the middle.

    Args:
        points: (478, 3) landmarks, photo frame, px.
        pose: Fitted to the landmarks. It gives roll and size, so that neither jumps with yaw.

    Returns:
        The frame that is used before the head is known.
    """
    linear = upright_map(pose.up, 100.0 * FACE_PX_PER_CM / pose.scale)
    upright = points[:, :2] @ linear.T
    offset = CROP_CENTER - (upright.min(0) + upright.max(0)) / 2
    return AffineFrame(np.column_stack([linear, offset]))
