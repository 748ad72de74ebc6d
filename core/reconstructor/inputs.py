"""Photo, camera and faces, as they are given or found, checked before use; and the tasks that faces are."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..detection.detector import FaceDetector, FaceLandmarks
from ..errors import FaceTooSmallError, NoFaceError, RequestError
from ..geometry.frames import DEFAULT_FOCAL_MM, Camera
from ..image.photo import Photo, load_photo, search_frames
from ..wrapping.options import HeadOptions
from .results import FaceTask

if TYPE_CHECKING:
    from ..wrapping.adjustments import Adjustments

#: Faces smaller than this, pixels from forehead to chin, are not tried.
SMALLEST_FACE = 40
#: Faces that a sentence about corrections names at most.
MAX_NAMED_FACES = 5


def as_photo(photo: Photo | str | Path | np.ndarray) -> Photo:
    """A photo from whatever was given.

    Args:
        photo: A photo, the path of one, or (H, W, 3) uint8, sRGB.

    Raises:
        PhotoError: It cannot be read, or is no picture.
    """
    if isinstance(photo, Photo):
        return photo
    return Photo.from_array(photo) if isinstance(photo, np.ndarray) else load_photo(photo)


def camera_of(photo: Photo, focal_mm: float | None) -> Camera:
    """The photo's camera: focal length as given, else from EXIF, else that of a normal lens.

    Args:
        photo: The photo.
        focal_mm: 35 mm equivalent focal length, mm; None if none is given.

    Raises:
        ValueError: It is less than 1 mm or more than 10 m.
    """
    if focal_mm is not None:
        if not 1 <= focal_mm <= 10_000:
            raise ValueError(f"a 35 mm equivalent focal length of {focal_mm} mm makes no sense")
        return Camera.from_focal_mm(focal_mm, photo.width, photo.height, "option")
    if photo.focal_mm35 is not None:
        return Camera.from_focal_mm(photo.focal_mm35, photo.width, photo.height, "exif")
    return Camera.from_focal_mm(DEFAULT_FOCAL_MM, photo.width, photo.height, "default")


def find_faces(
    detector: FaceDetector, photo: Photo, given: Photo | str | Path | np.ndarray, max_faces: int
) -> tuple[Photo, Sequence[FaceLandmarks]]:
    """The faces of a photo; of an animation that was given as a file, the first frame with faces.

    Args:
        detector: Finds them.
        photo: The photo; of an animation, the first frame.
        given: What the photo was made from: a path, or (H, W, 3) uint8, sRGB.
        max_faces: The most faces to find, the largest first.

    Returns:
        The photo, of an animation the frame with faces, and the faces, the largest first.
    """

    def find(frame: Photo) -> Sequence[FaceLandmarks]:
        return detector.detect(frame.rgb, max_faces=max_faces)

    return search_frames(photo, given, find) if isinstance(given, (str, Path)) else (photo, find(photo))


def face_tasks(
    photo: Photo,
    camera: Camera,
    detected: Sequence[FaceLandmarks],
    chosen: Sequence[int] | None,
    wrap: HeadOptions | None,
    keep_volume: bool,
    adjustments: "Mapping[int, Adjustments]",
) -> list[FaceTask]:
    """The heads that are to be made of the faces in one photo.

    Args:
        photo: The photo.
        camera: Its camera.
        detected: All faces that were found, the largest first.
        chosen: Indices of the faces to reconstruct; None for all that are large enough.
        wrap: How to wrap the template onto the surfaces, None if not at all.
        keep_volume: Whether the reconstructions keep the volume.
        adjustments: What was corrected of the heads, by the faces' indices.

    Returns:
        A task for each face, the largest first.

    Raises:
        RequestError: A chosen face is not there, or a corrected point is outside of the photo.
    """
    faces = usable_faces(detected, chosen, photo.name)
    adjustments = {index: corrected.named_for(photo.name, ()) for index, corrected in adjustments.items()}
    for corrected in adjustments.values():
        corrected.check_inside(photo.width, photo.height, photo.name)
    of_missing_faces = ""
    if wrap and chosen is None:
        of_missing_faces = unused_corrections(adjustments, [index for index, _ in faces])
    tasks = []
    for number, (index, face) in enumerate(faces):
        corrections = adjustments.get(index)
        of_other_photos = corrections.unused(()) if wrap and corrections else ""
        task = FaceTask(
            photo,
            camera,
            face,
            index,
            "the face" if len(faces) == 1 else f"face {number + 1} of {len(faces)}",
            wrap,
            keep_volume,
            getattr(detected, "omitted", 0),
            corrections,
            unused_corrections=tuple(filter(None, (of_missing_faces, of_other_photos))),
            others=tuple(other for other in detected if other is not face),
        )
        tasks.append(task)
    return tasks


def usable_faces(
    detected: Sequence[FaceLandmarks], chosen: Sequence[int] | None, name: str
) -> list[tuple[int, FaceLandmarks]]:
    """The faces to reconstruct.

    Args:
        detected: All faces that were found, the largest first.
        chosen: The indices of those that are wanted; None for all.
        name: The photo's, for messages.

    Returns:
        Each face that is large enough and wanted, with its index.

    Raises:
        RequestError: None was chosen, or one that is not there or too small.
    """
    usable = [(i, face) for i, face in enumerate(detected) if face.size >= SMALLEST_FACE]
    if chosen is None:
        return usable
    unknown = sorted(set(chosen) - {i for i, _ in usable})
    if unknown or not chosen:
        asked = f"face {unknown[0] + 1}" if unknown else "no face"
        count = f"{len(usable)} face{'s' * (len(usable) != 1)}"
        raise RequestError(f"{name} has {count} that can be used, and {asked} was chosen: choose again")
    return [(i, face) for i, face in usable if i in chosen]


def omitted_message(count: int) -> str:
    """What to tell about faces that were more than asked for; smaller ones may not have been searched for."""
    faces = "1 further, smaller face is" if count == 1 else f"{count} further, smaller faces are"
    return f"at least {faces} left out: allow more with --max-faces"


def check_faces(faces: Sequence[FaceLandmarks], name: str) -> None:
    """Raise an error that says what to do if there is no face that can be reconstructed."""
    if not faces:
        raise NoFaceError(
            f"No face found in {name}: try a photo in which the face is larger, sharper, less covered or less"
            " turned away"
        )
    largest = max(face.size for face in faces)
    if largest < SMALLEST_FACE:
        raise FaceTooSmallError(
            f"The largest face in {name} is only {largest:.0f} pixels high, {SMALLEST_FACE} are needed:"
            " give a larger picture of it, or cut it out of the original photo"
        )


def unused_corrections(faces: Iterable[int], there: Sequence[int]) -> str:
    """What to say of corrections of faces, by their indices, that are not there; empty if all are."""
    missing = sorted(set(faces) - set(there))
    if not missing:
        return ""
    more = ", ..." if len(missing) > MAX_NAMED_FACES else ""
    count = f"{len(there)} face{'s' * (len(there) != 1)}"
    return (
        f"The corrections of face {', '.join(map(str, missing[:MAX_NAMED_FACES]))}{more} are not used:"
        f" the photo has {count} that can be used, counted from 0 on."
    )
