"""Photos as the reconstruction wants them: upright 8-bit sRGB, with the focal length that the camera
noted.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..errors import (
    PhotoError,
    PhotoFormatError,
    PhotoNotFoundError,
    PhotoPermissionError,
    PhotoTooLargeError,
)
from ..runtime.regular_file import read_regular
from .decoding import WORKING_SIDE, decode
from .isolated_decoding import decode_isolated
from .limits import check_scans, is_slow

Face = TypeVar("Face")
MAX_FILE_BYTES = 500_000_000
#: Moments of an animation, 0 its first frame and 1 its last, that are searched for a face in turn.
LATER_MOMENTS = (0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Photo:
    """A loaded photo.

    Attributes:
        rgb: (H, W, 3) uint8 sRGB, upright.
        focal_mm35: 35 mm equivalent focal length by the diagonal, mm, if known.
        name: File name.
        sha256: Of the file's bytes.
        original_size: (width, height), upright, before it was made smaller.
        orientation: EXIF's number, 1..8, for how the picture in the file had to be turned; 1: it was upright.
        is_animated: Whether the file has further frames.
    """

    rgb: np.ndarray
    focal_mm35: float | None
    name: str
    sha256: str
    original_size: tuple[int, int]
    orientation: int = 1
    is_animated: bool = False

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return int(self.rgb.shape[0])

    @classmethod
    def from_array(cls, rgb: np.ndarray, name: str = "picture", focal_mm35: float | None = None) -> "Photo":
        """A photo from an array.

        Args:
            rgb: (H, W, 3) uint8, sRGB.
            name: What messages call it.
            focal_mm35: 35 mm equivalent focal length by the diagonal, mm, if it is known.

        Raises:
            PhotoError: The array is no such picture.
            PhotoTooLargeError: A side has more than WORKING_SIDE pixels (see `core.image.decoding`).
        """
        rgb = np.ascontiguousarray(rgb)
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or rgb.size == 0:
            raise PhotoError(f"A picture has to be an (H, W, 3) array of uint8, not {rgb.dtype} {rgb.shape}")
        size = (rgb.shape[1], rgb.shape[0])
        if max(size) > WORKING_SIDE:
            raise PhotoTooLargeError(
                f"{name} has {size[0]} x {size[1]} pixels: make it smaller, up to {WORKING_SIDE} a side"
            )
        return cls(rgb, focal_mm35, name, hashlib.sha256(rgb.tobytes()).hexdigest(), size)


def load_photo(path: str | Path, moment: float = 0.0) -> Photo:
    """Read a photo file.

    Args:
        path: A regular file.
        moment: Which frame of an animation, from 0 for the first to 1 for the last.

    Returns:
        The photo, upright, with at most WORKING_PIXELS pixels, and WORKING_SIDE a side (see
        `core.image.decoding`).

    Raises:
        PhotoError: It cannot be read; the message says what is wrong with it and what to do.
    """
    path = Path(path)
    name = _displayable(path.name)
    data = _read(path)
    check_scans(data, name)
    slow = moment > 0 or is_slow(data)
    picture = (decode_isolated if slow else decode)(data, name, moment)
    return Photo(
        picture.rgb,
        picture.focal_mm35,
        name,
        hashlib.sha256(data).hexdigest(),
        picture.size,
        picture.orientation,
        picture.is_animated,
    )


def search_frames(
    photo: Photo, path: str | Path, find: Callable[[Photo], Sequence[Face]]
) -> tuple[Photo, Sequence[Face]]:
    """Search a photo for faces and, if it is an animation without one at first, its later frames.

    Args:
        photo: The photo's first frame.
        path: Its file.
        find: Finds faces.

    Returns:
        The frame with faces, and the faces; the first frame and no faces if none has any.
    """
    faces = find(photo)
    if faces or not photo.is_animated:
        return photo, faces
    for moment in LATER_MOMENTS:
        frame = load_photo(path, moment)
        found = find(frame)
        if found:
            return frame, found
    return photo, faces


def _displayable(name: str) -> str:
    """A file name as Unicode text: bytes that are not UTF-8 become U+FFFD, since face.json is UTF-8."""
    return os.fsencode(name).decode("utf-8", "replace")


def _read(path: Path) -> bytes:
    """The file's bytes, or an error that says what stands in the way."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise PhotoNotFoundError(f"{path} is a folder: give a photo, or use the batch script")
        if not stat.S_ISREG(status.st_mode):
            # Opening a pipe or a device may wait for ever, and reading one never end.
            raise PhotoNotFoundError(f"{path} is a pipe or a device, not a file: give a photo")
        data = read_regular(path, MAX_FILE_BYTES) if status.st_size <= MAX_FILE_BYTES else b""
    except PermissionError as error:
        raise PhotoPermissionError(f"{path} may not be read: ask for read permission on it") from error
    except FileNotFoundError as error:
        raise PhotoNotFoundError(f"There is no file {path}: check its name") from error
    except (OSError, ValueError) as error:
        raise PhotoNotFoundError(f"{path} cannot be opened: {error}") from error
    if status.st_size > MAX_FILE_BYTES:
        raise PhotoTooLargeError(
            f"{path.name} has {status.st_size / 1e6:.0f} MB; photos up to {MAX_FILE_BYTES / 1e6:.0f} MB are"
            " read: save it as a JPEG"
        )
    if not data:
        raise PhotoFormatError(f"{path.name} is empty (0 bytes): copy or download it again")
    return data
