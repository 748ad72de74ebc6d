"""What the worker does for each request. The protocol is in `core.worker.server`."""

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .. import __version__
from ..errors import Cancelled, FaceTooSmallError, ModelError, NoFaceError, OutputError
from ..image.formats import readable_suffixes, unreadable_suffixes
from ..runtime.backend import choose_backend
from ..runtime.memory import release_free_memory
from ..runtime.weights import fingerprints, models_folder
from .adjusting import AdjustJobs
from .params import (
    Params,
    adjustments_param,
    confirmed_param,
    force_param,
    head_param,
    max_faces_param,
    person_adjustments_param,
    photo_param,
    photos_param,
    preview_model_param,
    reconstruct_params,
    result_folder_name,
    stages_param,
    surfaces_param,
    thumbnail_params,
)

if TYPE_CHECKING:
    from ..detection.landmarks import FaceLandmarks
    from ..image.photo import Photo
    from ..lifting.lifter import HeadPrior
    from ..reconstructor import Reconstruction, Reconstructor
    from ..runtime.timing import Progress
    from ..surface.isosurface import Surface
    from ..template.template import HeadTemplate
    from ..wrapping.options import HeadOptions

#: Raised when a client has to know; new methods and keys are listed in `CAPABILITIES` and do not raise it.
PROTOCOL_VERSION = 1
CAPABILITIES = (
    *("detect", "faces", "head", "texture", "hair", "preview_model", "surfaces", "stages", "adjust"),
    "person",
)
#: A thumbnail shows the face's box, made square and this much larger.
THUMBNAIL_MARGIN = 1.5

#: Fraction of a request that is done when the results are written.
WRITING = 0.95


class FileProgress(Protocol):
    """A `Progress` that can also hand over files, name -> path, that are complete."""

    def __call__(
        self, step: str, fraction: float, message: str, files: Mapping[str, str] | None = None
    ) -> None:
        """Take the progress: the step's name, the fraction done, 0..1, and a sentence for people."""
        ...


class PartialProgress:
    """The reconstructor's progress as a part of a request's, from `start` until the files are written."""

    def __init__(self, progress: FileProgress, start: float) -> None:
        """`start`: the fraction of the request that is done before."""
        self._progress = progress
        self._start = start
        self._reached = 0.0

    def __call__(self, step: str, fraction: float, message: str) -> None:
        """Take the reconstructor's progress."""
        self._reached = self._start + (WRITING - self._start) * fraction
        self._progress(step, self._reached, message)

    def hand_over(self, step: str, message: str, files: Mapping[str, str]) -> None:
        """Hand over files, name -> path, that are complete."""
        self._progress(step, self._reached, message, files)


@dataclass(frozen=True)
class LoadedPhoto:
    """A photo and, once it was searched, what the detector found in it.

    Attributes:
        key: What `photo_fingerprint` gave for its file before it was read; None if there was no such file.
        photo: The photo; of an animation, the frame with faces.
        faces: The faces, the largest first, photo frame; None as long as nobody has searched for them.
    """

    key: tuple[object, ...] | None
    photo: "Photo"
    faces: "Sequence[FaceLandmarks] | None" = None


class Jobs:
    """Does requests. Keeps the models, and the last photo with its faces."""

    def __init__(
        self, load: "Callable[[HeadOptions | None], Reconstructor]", backend: str | None = None
    ) -> None:
        """`load` makes the reconstructor when it is first needed, and begins to prepare what heads are made
        with if they are wanted; `backend` is what it will ask for.
        """
        self._load = load
        self._backend = backend
        self._reconstructor: Reconstructor | None = None
        self._last: LoadedPhoto | None = None
        self._adjusting = AdjustJobs(backend)

    def hello(self) -> dict[str, Any]:
        """Versions, and what this engine can do."""
        folder = models_folder()
        try:
            backend = choose_backend(folder, self._backend)
        except ModelError:
            backend = None  # whoever asks for a head gets the reason
        return {
            "name": "Photobust",
            "version": __version__,
            "protocol": PROTOCOL_VERSION,
            "capabilities": list(CAPABILITIES),
            "backend": backend,
            "models": fingerprints(folder),
            "photo_suffixes": list(readable_suffixes()),
            "unreadable_suffixes": list(unreadable_suffixes()),
            "python": platform.python_version(),
            "pid": os.getpid(),
        }

    def detect(self, params: Params, progress: "Progress", cancelled: Callable[[], bool]) -> dict[str, Any]:
        """Detect faces, and write a picture of each if a folder is given for them."""
        source, max_faces = photo_param(params), max_faces_param(params)
        folder, size = thumbnail_params(params)
        reconstructor = self._ready(progress, cancelled)
        from ..reconstructor.inputs import SMALLEST_FACE, check_faces

        start = time.perf_counter()
        progress("load", 0.02, "Reading the photo")
        loaded = self._load_photo(source, max_faces)
        timings = {"load": time.perf_counter() - start}
        check(cancelled)
        start = time.perf_counter()
        progress("detect", 0.2, "Finding the faces")
        photo, faces = self._with_faces(reconstructor, loaded, source, max_faces)
        timings["detect"] = time.perf_counter() - start
        check(cancelled)
        problem = None
        try:
            check_faces(faces, photo.name)
        except (NoFaceError, FaceTooSmallError) as error:
            problem = {"type": type(error).__name__, "message": str(error)}
        pictures = write_thumbnails(photo, faces, folder, size) if folder else [None] * len(faces)
        return {
            "photo": about_photo(photo),
            "faces": [
                {
                    "index": index,
                    **about_face(face),
                    "usable": face.size >= SMALLEST_FACE,
                    "thumbnail": str(picture) if picture else None,
                }
                for index, (face, picture) in enumerate(zip(faces, pictures, strict=True))
            ],
            "faces_omitted": getattr(faces, "omitted", 0),
            "problem": problem,
            "timings": timings,
        }

    def adjust(self, params: Params) -> dict[str, Any]:
        """A preview of a result's head with corrections; may run while another request does."""
        return self._adjusting.adjust(params)

    def reconstruct(
        self, params: Params, progress: FileProgress, cancelled: Callable[[], bool]
    ) -> dict[str, Any]:
        """Reconstruct the faces of a photo, or a person of several, and write them below the folder `out`."""
        if photos_param(params):
            return self._reconstruct_person(params, progress, cancelled)
        source, out, focal_mm, max_faces, chosen = reconstruct_params(params)
        wrap, preview_model = head_param(params), preview_model_param(params)
        surfaces, stages, adjustments = (
            surfaces_param(params),
            stages_param(params),
            adjustments_param(params),
        )
        reconstructor = self._ready(progress, cancelled, wrap)
        start = time.perf_counter()
        progress("load", 0.02, "Reading the photo")
        loaded = self._load_photo(source, max_faces)
        timings = {"load": time.perf_counter() - start, "detect": 0.0}
        photo, detected = loaded.photo, loaded.faces
        if detected is None and (chosen is not None or photo.is_animated):
            start = time.perf_counter()
            progress("detect", 0.05, "Finding the faces")
            photo, detected = self._with_faces(reconstructor, loaded, source, max_faces)
            timings["detect"] = time.perf_counter() - start
        report = PartialProgress(progress, 0.05)
        on_prior, on_surface = stage_writers(
            surfaces, stages, reconstructor.lifter.template, report.hand_over
        )
        heads = reconstructor.reconstruct(
            photo,
            focal_mm,
            max_faces,
            report,
            cancelled,
            chosen=chosen,
            detected=detected,
            head=wrap or False,
            on_surface=on_surface,
            on_prior=on_prior,
            adjustments=adjustments,
        )
        timings["detect"] += heads[0].timings["detect"]
        # Chosen one by one, the faces of a photo still get folders of their own.
        several = len(heads) > 1 or (chosen is not None and len(detected or ()) > 1)
        faces = []
        for head in heads:
            check(cancelled)
            progress("write", WRITING, "Writing the results")
            number = f"_{head.face_index + 1}" if several else ""
            folder = out / f"{result_folder_name(source)}{number}"
            faces.append(write_head(head, photo, folder, preview_model))
        return {"faces": faces, "photo": about_photo(photo), "timings": timings}

    def _reconstruct_person(
        self, params: Params, progress: FileProgress, cancelled: Callable[[], bool]
    ) -> dict[str, Any]:
        """Reconstruct one head from several photos and write it below the folder `out`."""
        _, out, focal_mm, _, _ = reconstruct_params(params)
        sources, wrap, preview_model = photos_param(params), head_param(params), preview_model_param(params)
        surfaces, stages = surfaces_param(params), stages_param(params)
        force, confirmed = force_param(params), confirmed_param(params)
        adjustments = person_adjustments_param(params)
        reconstructor = self._ready(progress, cancelled, wrap)
        # Their photos are in the memory together: the last one need not be there, too.
        self._last = None
        report = PartialProgress(progress, 0.02)
        on_prior, on_surface = stage_writers(
            surfaces, stages, reconstructor.lifter.template, report.hand_over
        )
        head, photo = reconstructor.reconstruct_person(
            sources,
            focal_mm,
            report,
            cancelled,
            wrap or False,
            on_surface,
            force,
            confirmed,
            on_prior,
            adjustments,
        )
        check(cancelled)
        progress("write", WRITING, "Writing the results")
        face = write_head(head, photo, out / result_folder_name(sources[0]), preview_model)
        face["views"] = [view.document() for view in head.views]
        timings = {"load": 0.0, "detect": head.timings["detect"]}
        return {"faces": [face], "photo": about_photo(photo), "timings": timings}

    def release_memory(self) -> None:
        """Give memory back to the system that is only kept for the next photo."""
        if self._reconstructor:
            self._reconstructor.lifter.release_memory()
        release_free_memory()

    def _ready(
        self, progress: "Progress", cancelled: Callable[[], bool], head: "HeadOptions | None" = None
    ) -> "Reconstructor":
        """The reconstructor, loaded if need be, and how the head is wanted, if one is."""
        check(cancelled)
        if self._reconstructor is None:
            progress("start", 0.0, "Loading the models")
            self._reconstructor = self._load(head)
            check(cancelled)
        return self._reconstructor

    def _with_faces(
        self, reconstructor: "Reconstructor", loaded: LoadedPhoto, source: Path, max_faces: int
    ) -> "tuple[Photo, Sequence[FaceLandmarks]]":
        """A photo, of an animation the frame with faces, and its faces, which are remembered."""
        from ..image.photo import search_frames

        if loaded.faces is not None:
            return loaded.photo, loaded.faces
        photo, faces = search_frames(
            loaded.photo, source, lambda frame: reconstructor.detector.detect(frame.rgb, max_faces=max_faces)
        )
        self._last = LoadedPhoto(loaded.key, photo, faces)
        return photo, faces

    def _load_photo(self, source: Path, max_faces: int) -> LoadedPhoto:
        """A photo; with its faces if it is the last one that was searched."""
        # Before the file is read: what is written into it from now on is to be seen the next time.
        key = photo_fingerprint(source, max_faces)
        if self._last and key is not None and self._last.key == key:
            return self._last
        # Two large photos need not be in the memory at once.
        self._last = None
        from ..image.photo import load_photo

        return LoadedPhoto(key, load_photo(source))


def stage_writers(
    surfaces: Path | None,
    stages: Path | None,
    template: "HeadTemplate",
    hand_over: Callable[[str, str, Mapping[str, str]], None],
) -> "tuple[Callable[[int, HeadPrior], None] | None, Callable[[int, Surface], None] | None]":
    """What shows heads on the way: `on_prior` and `on_surface` of `Reconstructor.reconstruct`.

    Args:
        surfaces: Folder for the surfaces as GLB files, if they are wanted.
        stages: Folder for priors and surfaces as PLY files, if they are wanted.
        template: Of the priors.
        hand_over: Takes the step, a sentence, and the files that are complete, name -> path.

    Returns:
        Both, each None if nobody wants it.
    """

    def show_prior(index: int, prior: "HeadPrior") -> None:
        if stages:
            path = write_prior(prior, template, stages, index)
            hand_over("prior_ready", "The head's proportions can be looked at", {path.name: str(path)})

    def show_surface(index: int, surface: "Surface") -> None:
        paths = [write_surface(surface, surfaces, index)] if surfaces else []
        paths += [write_surface(surface, stages, index, ".ply")] if stages else []
        hand_over("surface_ready", "The surface can be looked at", {path.name: str(path) for path in paths})

    return (show_prior if stages else None), (show_surface if surfaces or stages else None)


def check(cancelled: Callable[[], bool]) -> None:
    """Raise Cancelled if that was asked for."""
    if cancelled():
        raise Cancelled("The reconstruction was cancelled")


def photo_fingerprint(photo: Path, max_faces: int) -> tuple[object, ...] | None:
    """What changes if the file does, or what was looked for in it; None if there is no such file."""
    try:
        status = photo.stat()
    except (OSError, ValueError):
        return None
    return str(photo), status.st_mtime_ns, status.st_size, max_faces


def about_photo(photo: "Photo") -> dict[str, Any]:
    """A photo in an answer. Sizes are pixels, as loaded; the focal length is EXIF's or null."""
    return {
        "name": photo.name,
        "sha256": photo.sha256,
        "width": photo.width,
        "height": photo.height,
        "focal_mm35": photo.focal_mm35,
    }


def about_face(face: "FaceLandmarks") -> dict[str, Any]:
    """A detected face in an answer: photo frame, pixels."""
    return {
        "box": [round(float(value), 1) for value in face.box],
        "size": round(float(face.size), 1),
        "score": round(float(face.score), 3),
    }


def about_head(head: "Reconstruction", photo: "Photo") -> dict[str, Any]:
    """A head in an answer: what a panel shows without opening face.json."""
    yaw, pitch, roll = (round(float(angle), 2) for angle in head.pose.angles)
    focal = head.camera.focal_mm(photo.width, photo.height)
    return {
        "index": head.face_index,
        "vertices": len(head.surface.vertices),
        "faces": len(head.surface.faces),
        "detection": about_face(head.landmarks),
        "pose": {"yaw": yaw, "pitch": pitch, "roll": roll},
        "camera": {"focal_length_mm35": round(focal, 2), "focal_length_source": head.camera.source},
        "quality": head.quality.document(),
        "faces_omitted": head.faces_omitted,
    }


def write_head(head: "Reconstruction", photo: "Photo", folder: Path, preview_model: bool) -> dict[str, Any]:
    """Write a head's files.

    Args:
        head: What is written.
        photo: What it was made from.
        folder: Where; made if need be.
        preview_model: Also write view.js, see `core.io.writer`.

    Returns:
        The answer's entry of the face.

    Raises:
        OutputError: Something cannot be written.
    """
    from ..io.writer import write_reconstruction

    start = time.perf_counter()
    files = write_reconstruction(head, photo, folder, preview_model)
    own = {step: seconds for step, seconds in head.timings.items() if step != "detect"}
    return {
        "folder": str(folder),
        "files": {file: str(path) for file, path in files.items()},
        "timings": {**own, "write": time.perf_counter() - start},
        **about_head(head, photo),
    }


def write_surface(surface: "Surface", folder: Path, index: int, suffix: str = ".glb") -> Path:
    """Write a face's surface.

    Args:
        surface: What is written.
        folder: Where; made if need be.
        index: The face's: surface_1.glb is that of index 0.
        suffix: ".glb" or ".ply".

    Returns:
        The file.

    Raises:
        OutputError: It cannot be written.
    """
    from ..io.ply import ply_bytes
    from ..io.surface_glb import glb_bytes

    if suffix == ".ply":
        data = ply_bytes(surface.vertices, surface.faces, surface.confidence, surface.colors)
    else:
        data = glb_bytes(surface, f"Photobust {__version__}")
    return _write_stage(folder / f"surface_{index + 1}{suffix}", data)


def write_prior(prior: "HeadPrior", template: "HeadTemplate", folder: Path, index: int) -> Path:
    """Write the head that a face's landmarks and picture suggest.

    Args:
        prior: What is written.
        template: Of which it has the vertices.
        folder: Where; made if need be.
        index: The face's: prior_1.ply is that of index 0.

    Returns:
        The file.

    Raises:
        OutputError: It cannot be written.
    """
    import numpy as np

    from ..io.ply import ply_bytes

    vertices = template.solid(prior.vertices)[template.solid_vertices]
    data = ply_bytes(vertices, template.solid_topology.triangles, np.zeros(len(vertices)))
    return _write_stage(folder / f"prior_{index + 1}.ply", data)


def _write_stage(path: Path, data: bytes) -> Path:
    from ..io.writer import write_atomically

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror or error})") from error
    return path


def write_thumbnails(photo: "Photo", faces: "Sequence[FaceLandmarks]", folder: Path, size: int) -> list[Path]:
    """Write a square picture of each face.

    Args:
        photo: The photo.
        faces: Found in it.
        folder: Where; made if need be.
        size: Side of the pictures, pixels.

    Returns:
        The files: face_1.png, face_2.png and so on, in the order of the faces.

    Raises:
        OutputError: One cannot be written.
    """
    import cv2

    from ..io.writer import png_bytes, write_atomically

    paths = []
    for number, face in enumerate(faces, 1):
        left, top, right, bottom = face.box
        side = THUMBNAIL_MARGIN * max(right - left, bottom - top)
        # getRectSubPix repeats the edge pixels beyond the photo's edge.
        center = ((left + right) / 2, (top + bottom) / 2)
        cut = cv2.getRectSubPix(photo.rgb, (max(1, round(side)),) * 2, center)
        shrinks = cut.shape[0] > size
        picture = cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
        paths.append(folder / f"face_{number}.png")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(paths[-1], png_bytes(picture))
        except OSError as error:
            raise OutputError(f"{paths[-1]} cannot be written ({error.strerror or error})") from error
    return paths
