"""What is to become a head, and what it became."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..detection.detector import FaceLandmarks
from ..geometry.frames import Camera, CropFrame, HeadPose
from ..image.photo import Photo
from ..lifting.lifter import HeadPrior
from ..lifting.person import USED, PhotoView
from ..quality.coverage import Coverage
from ..quality.measures import LiftedDetections
from ..quality.report import QualityReport
from ..segmentation.segments import Segmentation
from ..surface.isosurface import Surface
from ..wrapping.options import HeadOptions

if TYPE_CHECKING:
    from ..hair.groom import HairGroom
    from ..texture.painter import Albedo
    from ..wrapping.adjuster import AdjustedHead
    from ..wrapping.adjustments import Adjustments
    from ..wrapping.head import Head
    from ..wrapping.pin_solver import PinView


@dataclass(frozen=True)
class Reconstruction:
    """One face's head.

    Attributes:
        face_index: The face's place among those of the photo, the largest first, from 0 on.
        landmarks: What the detector found, photo frame.
        frame: The crop.
        pose: Of the head.
        camera: Of the photo.
        surface: The colored surface, head frame, meters.
        landmark_points: (478, 3) float32, MediaPipe's landmarks on the surface, head frame, meters, NaN where
            the surface has none.
        landmark68: (68, 3) float32, the same for iBUG's.
        timings: Seconds by step; "detect" is the time for all faces of the photo.
        crop: (192, 192, 3) uint8, what the network saw.
        quality: How far to trust the head.
        volume: (200, 192, 192) float32 [z, y, x], the occupancy, if it was asked for.
        models_dir: Folder of the weights.
        backend: What ran them.
        head: The template wrapped onto the surface, if it was asked for.
        albedo: Its texture, if it was asked for.
        hair: What stands on it, if that was asked for and the photo shows any.
        hair_product: What was looked for of the hair, "none" for nothing.
        faces_omitted: How many further faces were found, but more than asked for; there may be others.
        segmentation: What the pixels around the head show; None if the models cannot tell.
        adjusted: What was corrected of the head, if anything was.
        views: What became of each photo, if several were given of one person.
    """

    face_index: int
    landmarks: FaceLandmarks
    frame: CropFrame
    pose: HeadPose
    camera: Camera
    surface: Surface
    landmark_points: np.ndarray
    landmark68: np.ndarray
    timings: dict[str, float]
    crop: np.ndarray
    quality: QualityReport
    volume: np.ndarray | None = None
    models_dir: Path | None = None
    backend: str | None = None
    head: "Head | None" = None
    albedo: "Albedo | None" = None
    hair: "HairGroom | None" = None
    hair_product: str = "none"
    faces_omitted: int = 0
    segmentation: Segmentation | None = None
    adjusted: "AdjustedHead | None" = None
    views: tuple[PhotoView, ...] = ()


@dataclass(frozen=True)
class FurtherPhoto:
    """A further photo of the person.

    Attributes:
        name: The view's.
        photo: The photo.
        prior: The person with the expression and the pose of this photo.
        segmentation: What its pixels show.
        face: What the detector found in it, photo frame.
        corrected: The wrapped head in this photo, as a person's pins have it; None without corrections.
    """

    name: str
    photo: Photo
    prior: HeadPrior
    segmentation: Segmentation | None
    face: FaceLandmarks
    corrected: "PinView | None" = None

    @property
    def pose(self) -> HeadPose:
        """Of the head in this photo, as corrected if it was."""
        return self.corrected.pose if self.corrected is not None else self.prior.pose


@dataclass(frozen=True)
class FaceTask:
    """One face of a photo that is to become a head.

    Attributes:
        photo: The photo.
        camera: Of the photo.
        face: What the detector found, photo frame.
        index: The face's place among those of the photo, the largest first, from 0 on.
        name: What to call it in messages.
        wrap: How to wrap the template onto the surface, None if not at all.
        keep_volume: Whether the reconstruction keeps the volume.
        faces_omitted: How many further faces of the photo were left out.
        adjustments: What is corrected of the head.
        prior: The head, if several photos have been solved together; else it is lifted from this one.
        further: The person's other photos.
        views: What became of each of them.
        identity_doubt: What to say, a sentence or two, if it is not certain that they show one person.
        unused_corrections: What to say, a sentence each, of corrections of faces or over photos that are not
            there.
        others: The photo's other faces.
    """

    photo: Photo
    camera: Camera
    face: FaceLandmarks
    index: int
    name: str
    wrap: HeadOptions | None = None
    keep_volume: bool = False
    faces_omitted: int = 0
    adjustments: "Adjustments | None" = None
    prior: HeadPrior | None = None
    further: tuple[FurtherPhoto, ...] = ()
    views: tuple[PhotoView, ...] = ()
    identity_doubt: str = ""
    unused_corrections: tuple[str, ...] = ()
    others: tuple[FaceLandmarks, ...] = ()

    @property
    def solved_together(self) -> bool:
        """Whether the prior is that of several photos."""
        return sum(view.verdict == USED for view in self.views) > 1

    @property
    def ignored(self) -> np.ndarray | None:
        """(H, W) bool, photo frame: what of the photo is left out; None if nothing is."""
        return self.adjustments.ignored_at(self.photo.height, self.photo.width) if self.adjustments else None


@dataclass(frozen=True)
class FaceSurface:
    """A face's surface, and what was found out on the way to it.

    Attributes:
        prior: The head that landmarks and picture, or several photos together, suggest.
        crop: (192, 192, 3) uint8, what the network saw.
        volume: (200, 192, 192) float32 [z, y, x], the occupancy; None unless it is kept.
        surface: The colored surface, head frame, meters; its confidence is 0 where the photo is ignored.
        landmark_points: (478, 3) float32, MediaPipe's landmarks on the surface, head frame, meters, NaN where
            the surface has none.
        landmark68: (68, 3) float32, the same for iBUG's.
        segmentation: What the pixels around the head show; None if the models cannot tell.
        quality: How far to trust the surface.
    """

    prior: HeadPrior
    crop: np.ndarray
    volume: np.ndarray | None
    surface: Surface
    landmark_points: np.ndarray
    landmark68: np.ndarray
    segmentation: Segmentation | None
    quality: QualityReport


@dataclass(frozen=True)
class Redetections:
    """Further detections of a face.

    Attributes:
        found: (distance in sizes of the face, landmarks) of each of them.
        lifted: The heads lifted from those that found it, and from the first one.
    """

    found: Sequence[tuple[float, FaceLandmarks]]
    lifted: LiftedDetections


@dataclass(frozen=True)
class PhotoEvidence:
    """What a photo says of a face beside its surface.

    Attributes:
        segmentation: What the pixels around the head show; None if the models cannot tell.
        redetected: Further detections of the face.
        coverage: What covers the face; None without a segmentation.
    """

    segmentation: Segmentation | None
    redetected: Redetections
    coverage: Coverage | None
