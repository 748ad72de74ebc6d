"""A person's other photos: as texture, hair and pins take them."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..image.photo import Photo
from ..lifting.person import USED, PhotoView, without_texture
from ..quality.report import SEVERAL_PHOTOS, TEXTURE_OF_ONE
from ..texture.skin_views import SkinPhoto
from ..wrapping.adjustments import without_repeated
from .results import FaceTask, FurtherPhoto

if TYPE_CHECKING:
    from ..hair.further_photos import HairPhoto
    from ..wrapping.adjuster import AdjustedHead
    from ..wrapping.adjustments import Adjustments
    from ..wrapping.head import Head, HeadShape
    from ..wrapping.pin_solver import PinView


def doubt_about(views: Sequence[PhotoView]) -> str:
    """What to say of a head of several photos that nothing proves to be of one person."""
    names = without_texture(views)
    return f"{SEVERAL_PHOTOS} {TEXTURE_OF_ONE.format(', '.join(names))}" if names else SEVERAL_PHOTOS


def adjustments_over(name: str | None, adjustments: "Mapping[str, Adjustments]") -> "Adjustments | None":
    """What was corrected over the main photo of a person, of this name; warns of what was over another."""
    for other in adjustments:
        if other != name:
            logging.getLogger(__name__).warning(
                "%s is not the photo that the head is seen in, %s is: its corrections are left out",
                *(other, name),
            )
    return adjustments.get(name or "")


def corrections_of_person(
    photo: Photo, others: Sequence[tuple[str, Photo]], adjustments: "Mapping[str, Adjustments]"
) -> "tuple[Adjustments | None, str]":
    """What was corrected of a person's head, checked against the photos.

    Args:
        photo: The main one.
        others: The other ones that are used, each with the name of its view.
        adjustments: By the name of the photo that the head was corrected over.

    Returns:
        The corrections over the main photo, None if there are none; and what to say of those over photos that
        are not there, empty if all are.

    Raises:
        RequestError: A point is outside of its photo.
    """
    corrections = adjustments_over(photo.name, adjustments)
    if not corrections:
        return None, ""
    names = without_repeated(name for name, _ in others)
    corrections = corrections.named_for(photo.name, names)
    corrections.check_inside(photo.width, photo.height, photo.name)
    for name, other in others:
        corrections.check_inside(other.width, other.height, name, name)
    return corrections, corrections.unused(names)


def skin_photos(further: Sequence[FurtherPhoto], head: "HeadShape", prior: np.ndarray) -> list[SkinPhoto]:
    """Further photos, as the texture takes them.

    Args:
        further: The photos; without segmentations they are left out.
        head: The wrapped head, with the main photo's expression.
        prior: (T, 3) the solved one, likewise: what others differ from it by is their expression.
    """
    found = []
    for other in further:
        if other.segmentation is None:
            continue
        vertices = head.vertices + (other.prior.vertices - prior)[head.topology.origin]
        if other.corrected is not None:
            vertices = other.corrected.photo.astype(vertices.dtype)
        shown = other.photo.rgb, other.prior.frame, other.pose, vertices, other.segmentation
        found.append(SkinPhoto(*shown, other.face.points if other.prior.follows(other.face.points) else None))
    return found


def corrected_task(task: FaceTask, adjusted: "AdjustedHead") -> FaceTask:
    """A task whose further photos have the head as pins have it, for the texture and for face.json."""
    poses = {name: view.pose for name, view in adjusted.further.items()}
    views = tuple(
        replace(view, prior=replace(view.prior, pose=poses[view.name]))
        if view.name in poses and not view.main and view.prior is not None
        else view
        for view in task.views
    )
    further = tuple(replace(other, corrected=adjusted.further.get(other.name)) for other in task.further)
    return replace(task, views=views, further=further)


def hair_photos(further: Sequence[FurtherPhoto]) -> "list[HairPhoto]":
    """Further photos, as the hair takes them; without segmentations they are left out."""
    from ..hair.further_photos import HairPhoto

    return [
        HairPhoto(other.photo.rgb, other.segmentation, other.prior.frame.camera, other.pose)
        for other in further
        if other.segmentation is not None
    ]


def views_for_pins(views: Sequence[PhotoView], head: "Head", prior: np.ndarray) -> "dict[str, PinView]":
    """Further photos of a person, as pins take them: by their names, which several may not have in common.

    Args:
        views: What became of all photos.
        head: The wrapped head with the main photo's expression.
        prior: (U, 3) float64, meters, the template's vertices, solved with it: what others differ by is
            their expression.
    """
    from ..wrapping.pin_solver import PinView

    further = [view for view in views if view.verdict == USED and not view.main]
    names = without_repeated(view.name for view in further)
    return {
        view.name: PinView(
            head.vertices + (view.prior.vertices - prior)[head.topology.origin].astype(np.float64),
            view.camera,
            view.prior.pose,
        )
        for view in further
        if view.name in names and view.prior is not None and view.camera is not None
    }
