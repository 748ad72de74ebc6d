"""What the scripts that lay out sheets of pictures share."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.io.writer import write_atomically

#: Of a sheet's JPEG file, of 100.
QUALITY = 85
#: Color of paper.
WHITE = 255


def stacked(pictures: Sequence[np.ndarray], axis: int, line: int = 0) -> np.ndarray:
    """Put pictures below or beside each other, filled up with white to the size of the largest.

    Args:
        pictures: (H, W, 3) uint8 each.
        axis: 0 for below each other, 1 for beside.
        line: Width of the white line between two of them, pixels.

    Returns:
        (H, W, 3) uint8.
    """
    side = max(picture.shape[1 - axis] for picture in pictures)
    padded = []
    for number, picture in enumerate(pictures):
        after = [(0, 0), (0, 0), (0, 0)]
        after[1 - axis] = (0, side - picture.shape[1 - axis])
        after[axis] = (0, line if number < len(pictures) - 1 else 0)
        padded.append(np.pad(picture, after, constant_values=WHITE))
    return np.concatenate(padded, axis)


def save_sheet(target: Path, sheet: np.ndarray, quality: int = QUALITY) -> None:
    """Save a sheet in the format of its name, whole or not at all.

    Args:
        target: The file; its folder is made.
        sheet: (H, W, 3) uint8, BGR as OpenCV reads pictures.
        quality: Of JPEG, of 100.

    Raises:
        OSError: The file cannot be written.
        ValueError: No picture format has such a name.
    """
    import cv2

    if not cv2.haveImageWriter(str(target)):
        raise ValueError(f"{target.name}: name a .jpg or .png file")
    _, data = cv2.imencode(target.suffix, sheet, [cv2.IMWRITE_JPEG_QUALITY, quality])
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, data.tobytes())
