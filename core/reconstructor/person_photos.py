"""Several photos of a person: which are of use, what they say together, and the task that this makes."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..detection.detector import FaceDetector
from ..errors import NoFaceError, NoHeadError, PhotoError
from ..image.photo import Photo
from ..lifting.hair_contrast import hair_contrast
from ..lifting.lifter import LandmarkLifter
from ..lifting.person import UNLIKE, UNUSABLE, USED, PersonPhoto, PersonSolver, PhotoView
from ..runtime.timing import Stopwatch
from ..segmentation.glasses import with_glasses
from ..segmentation.hair_color import with_hair_by_color
from ..segmentation.segmenter import Segmenter
from ..wrapping.ignored import ignoring
from ..wrapping.options import HeadOptions
from .further_photos import corrections_of_person, doubt_about
from .inputs import as_photo, camera_of, check_faces, find_faces
from .results import FaceTask, FurtherPhoto

if TYPE_CHECKING:
    from ..wrapping.adjustments import Adjustments


@dataclass(frozen=True)
class UsablePhoto:
    """A photo of the person with a face.

    Attributes:
        photo: The photo.
        lifted: Its largest face, lifted.
    """

    photo: Photo
    lifted: PersonPhoto


@dataclass(frozen=True)
class SolvedPerson:
    """What several photos say of a person together.

    Attributes:
        views: What became of each photo, in their order.
        used: The photos that were solved together, by their places among the views.
        main: The place of the one that shows the face best.
    """

    views: tuple[PhotoView, ...]
    used: Mapping[int, UsablePhoto]
    main: int

    @property
    def others(self) -> list[tuple[PhotoView, UsablePhoto]]:
        """The photos that are used beside the main one, in their order."""
        return [(self.views[k], usable) for k, usable in self.used.items() if k != self.main]


@dataclass(frozen=True)
class PersonReader:
    """Looks at the photos of a person.

    Attributes:
        detector: Finds faces.
        lifter: Lifts their landmarks.
        segmenter: Finds out what the pixels around a head show; without it nobody knows.
        solver: Puts the photos together.
    """

    detector: FaceDetector
    lifter: LandmarkLifter
    segmenter: Segmenter | None
    solver: PersonSolver

    def solve(
        self,
        photos: Sequence[Photo | str | Path | np.ndarray],
        focal_mm: float | None,
        watch: Stopwatch,
        force: bool = False,
        confirmed: bool = False,
    ) -> SolvedPerson:
        """Look at all photos, and solve identity and expressions from those that may show one person.

        Args:
            photos: Of the person, their paths, or (H, W, 3) uint8, sRGB.
            focal_mm: 35 mm equivalent focal length, instead of what the photos' EXIF data give.
            watch: Times the steps.
            force: Whether photos that seem to show somebody else are used, too; implies `confirmed`.
            confirmed: Whether somebody has said that the photos show one person.

        Returns:
            What they say together.

        Raises:
            NoFaceError: None can be used; the message says why.
        """
        views, usable = self._look_at(photos, focal_mm, watch)
        if not force:
            self._leave_out_others(views, usable)
        with watch.step("person", 1.0, "Putting the photos together"):
            shape = self.solver.solve([photo.lifted for photo in usable.values()])
        main = max(usable, key=lambda index: usable[index].lifted.fitness)
        for index, solved in zip(usable, shape.views, strict=True):
            views[index] = replace(
                views[index],
                prior=solved.prior,
                expression=solved.expression,
                weight=solved.weight,
                main=index == main,
                identity_confirmed=index == main or confirmed or force,
            )
        return SolvedPerson(tuple(views), usable, main)

    def task(
        self,
        person: SolvedPerson,
        wrap: HeadOptions | None,
        adjustments: "Mapping[str, Adjustments]",
        force: bool = False,
    ) -> FaceTask:
        """The head that is to be made.

        Args:
            person: What the photos say.
            wrap: How to wrap the template onto the surface, None if not at all.
            adjustments: What was corrected, by the name of the photo that it was corrected over.
            force: Whether nobody doubts that the photos show one person.

        Returns:
            The face of the main photo, with the prior that all photos gave.

        Raises:
            RequestError: A corrected point is outside of its photo.
        """
        main = person.used[person.main]
        others = [(view.name, other.photo) for view, other in person.others]
        corrections, unused = corrections_of_person(main.photo, others, adjustments)
        further = tuple(
            further_photo(view, other, self.segmenter, corrections)
            for view, other in person.others
            if view.identity_confirmed
        )
        return FaceTask(
            main.photo,
            main.lifted.camera,
            main.lifted.face,
            0,
            "the face",
            wrap,
            adjustments=corrections,
            prior=person.views[person.main].prior,
            further=further,
            views=person.views,
            identity_doubt="" if force or len(person.used) == 1 else doubt_about(person.views),
            unused_corrections=(unused,) if unused and wrap else (),
        )

    def _look_at(
        self, photos: Sequence[Photo | str | Path | np.ndarray], focal_mm: float | None, watch: Stopwatch
    ) -> tuple[list[PhotoView], dict[int, UsablePhoto]]:
        """What is known of each photo; and by their places those of use.

        Raises:
            NoFaceError: None can be used.
        """
        views: list[PhotoView] = []
        usable: dict[int, UsablePhoto] = {}
        for number, given in enumerate(photos):
            name = Path(given).name if isinstance(given, (str, Path)) else f"photo {number + 1}"
            with watch.step(f"photo {number + 1}", number / len(photos), f"Looking at {name}"):
                view, photo = self._look_at_photo(given, name, focal_mm)
            views.append(view)
            if photo:
                usable[number] = photo
        if not usable:
            raise NoFaceError("None of the photos can be used. " + "; ".join(view.reason for view in views))
        return views, usable

    def _look_at_photo(
        self, given: Photo | str | Path | np.ndarray, name: str, focal_mm: float | None
    ) -> tuple[PhotoView, UsablePhoto | None]:
        """A photo, with its largest face lifted; or why it is of no use."""
        try:
            photo = Photo.from_array(given, name) if isinstance(given, np.ndarray) else as_photo(given)
        except PhotoError as error:
            return PhotoView(name, "", (0, 0), UNUSABLE, str(error)), None
        name = photo.name or name
        size = photo.width, photo.height
        view = PhotoView(name, photo.sha256 or "", size, USED, orientation=photo.orientation)
        try:
            camera = camera_of(photo, focal_mm)
            photo, detected = find_faces(self.detector, photo, given, 1)
            check_faces(detected, name)
            face = detected[0]
            prior = self.lifter.lift(face, camera, photo.rgb)
        except (NoHeadError, PhotoError) as error:  # later frames of an animation can be cut off
            return replace(view, verdict=UNUSABLE, reason=str(error)), None
        contrast = pattern = segmentation = None
        if self.segmenter:
            segmentation = self.segmenter.segment(photo.rgb, camera, prior.pose)
            contrast = hair_contrast(photo.rgb, segmentation)
            segmentation = with_glasses(segmentation, photo.rgb, face.points)
            pattern = self.solver.pattern(photo.rgb, camera, prior, segmentation)
        lifted = PersonPhoto(name, face, camera, prior, contrast, pattern, photo.rgb, segmentation)
        return replace(view, camera=camera, prior=prior), UsablePhoto(photo, lifted)

    def _leave_out_others(self, views: list[PhotoView], usable: dict[int, UsablePhoto]) -> None:
        """Remove the photos that seem to show somebody else from the usable ones; their views say so."""
        indices = list(usable)
        for k in self.solver.unlike([photo.lifted for photo in usable.values()]):
            view = views[indices[k]]
            reason = f"{view.name} seems to show somebody else"
            logging.getLogger(__name__).warning("%s: it is left out", reason)
            views[indices[k]] = replace(view, verdict=UNLIKE, reason=reason, weight=0.0)
            del usable[indices[k]]


def further_photo(
    view: PhotoView, usable: UsablePhoto, segmenter: Segmenter | None, adjustments: "Adjustments | None"
) -> FurtherPhoto:
    """A further photo of a person, segmented, and without what is ignored of it.

    Args:
        view: What became of it; it has been solved.
        usable: The photo.
        segmenter: Finds out what its pixels show; without it nobody knows.
        adjustments: What was corrected of the person's head.
    """
    if view.prior is None or view.camera is None:
        raise ValueError("the photo has not been solved")
    photo, segmentation = usable.photo, None
    if segmenter:
        segmentation = segmenter.segment(photo.rgb, view.camera, view.prior.pose)
        segmentation = with_hair_by_color(segmentation, photo.rgb)
        size = photo.height, photo.width
        ignored = adjustments.ignored_at(*size, view.name) if adjustments else None
        segmentation = segmentation if ignored is None else ignoring(segmentation, ignored)
    return FurtherPhoto(view.name, photo, view.prior, segmentation, usable.lifted.face)
