"""What a head's face.json says, as far as Blender's side needs it. No bpy.

The text is kept in the head's object, so that a .blend still knows its photo's camera when the results'
folder is gone.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import SurfaceFileError

#: Parts of face.json that are kept in a .blend; the rest is bulky and of no use there.
KEPT = ("schema_version", "generator", "input", "camera", "pose", "landmarks", "quality", "timings")


@dataclass(frozen=True)
class PhotoCamera:
    """The pinhole camera that took the photo, and the head before it.

    Pixels in the photo frame: upright, x right, y down, the centre of the top-left pixel is (0, 0).
    `rotation` (3, 3) and `translation` (3,) float64: head frame -> camera frame (x right, y down, z forward),
    metres.
    """

    width: int
    height: int
    focal_px: float
    cx: float
    cy: float
    rotation: np.ndarray
    translation: np.ndarray

    def project(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) head frame, metres -> (N, 2) photo frame, pixels."""
        seen = points @ self.rotation.T + self.translation
        return seen[:, :2] / seen[:, 2:] * self.focal_px + np.array([self.cx, self.cy])


@dataclass(frozen=True)
class FaceDocument:
    """A face.json. Parts that another version of the engine did not write are empty."""

    document: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> "FaceDocument":
        """Read a face.json. Raises SurfaceFileError."""
        try:
            return cls.parse(path.read_text("utf-8"))
        except OSError as error:
            raise SurfaceFileError(f"{path} cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise SurfaceFileError(f"{path} is damaged ({error}). Reconstruct the photo again.") from error

    @classmethod
    def parse(cls, text: str) -> "FaceDocument":
        """From JSON. Raises ValueError."""
        document = json.loads(text)
        if not isinstance(document, dict):
            raise ValueError("not a JSON object")
        return cls(document)

    def compact(self) -> str:
        """JSON of the parts worth keeping in a .blend."""
        kept = {name: self.document[name] for name in KEPT if name in self.document}
        return json.dumps(kept, separators=(",", ":"))

    @property
    def camera(self) -> PhotoCamera | None:
        """The photo's camera, None if the file does not tell it."""
        try:
            photo, camera, pose = (self.document[name] for name in ("input", "camera", "pose"))
            cx, cy = camera["principal_point_px"]
            return PhotoCamera(
                width=int(photo["width"]),
                height=int(photo["height"]),
                focal_px=float(camera["focal_length_px"]),
                cx=float(cx),
                cy=float(cy),
                rotation=np.array(pose["rotation_head_to_camera"], float).reshape(3, 3),
                translation=np.array(pose["translation_m"], float).reshape(3),
            )
        except (KeyError, TypeError, ValueError):
            return None

    @property
    def orientation(self) -> int:
        """EXIF's number, 1..8, for how the photo's file has to be turned to be upright; 1: it is."""
        value = self.document.get("input", {}).get("orientation", 1)
        return value if value in range(1, 9) else 1

    @property
    def quality(self) -> dict[str, Any]:
        """How far to trust the head."""
        return dict(self.document.get("quality") or {})

    @property
    def timings(self) -> dict[str, float]:
        """The engine's seconds by step."""
        return dict(self.document.get("timings") or {})

    def landmarks(self, kind: str) -> np.ndarray:
        """(N, 3) float64, head frame, metres, NaN where there is none; `kind` as in face.json.

        Empty (0, 3) if the file has none of that kind.
        """
        points = self.document.get("landmarks", {}).get(kind) or []
        rows = [point if point is not None else (np.nan, np.nan, np.nan) for point in points]
        return np.array(rows, float).reshape(-1, 3)
