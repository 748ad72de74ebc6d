"""Further photos of a person, as far as their hair is that of the main photo."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..geometry.frames import Camera, HeadPose
from ..image.sampling import sample_image
from ..segmentation.segments import Segmentation, SegmentClass
from .masks import HairMaps, HairView
from .skin import Skin

#: Photos that are used beside the main one, at most, and the least angle, degrees, between the directions
#: from which two see the head.
MOST_PHOTOS = 4
LEAST_ANGLE_DEG = 20.0
#: Of the head's skin that both photos show, the fraction on which they have to agree where hair is.
LEAST_AGREEMENT = 0.85
#: Distance from the outlines, meters, within which they need not.
OUTLINE_MARGIN = 0.008
#: Fewer vertices than this say nothing.
FEWEST = 50
#: Depth behind the seen skin, meters, that still counts as seen.
TOLERANCE = 0.006


@dataclass(frozen=True)
class HairPhoto:
    """A further photo of the person.

    Attributes:
        rgb: (H, W, 3) uint8 sRGB.
        segmentation: What its pixels show.
        camera: Of the photo.
        pose: Of the head.
    """

    rgb: np.ndarray
    segmentation: Segmentation
    camera: Camera
    pose: HeadPose

    @property
    def direction(self) -> np.ndarray:
        """(3,) unit vector from the head toward the camera, head frame."""
        toward = self.pose.camera_to_head(np.zeros(3))
        return np.asarray(toward / np.linalg.norm(toward))


def further_maps(
    main: HairMaps, photos: Sequence[HairPhoto], skin: Skin, triangles: np.ndarray
) -> list[HairMaps]:
    """What further photos show of the hair that the main one shows.

    Left out are photos with headwear, those in which the hair is another, as on another day, and those that
    see the head from where another one sees it.

    Args:
        main: What the main photo shows.
        photos: The further ones.
        skin: Of the head.
        triangles: (T, 3) int, of all its parts.

    Returns:
        The chosen photos' maps, at most `MOST_PHOTOS`.
    """
    toward = main.pose.camera_to_head(np.zeros(3))
    directions = [toward / np.linalg.norm(toward)]
    left, chosen = list(photos), list[HairMaps]()
    while left and len(chosen) < MOST_PHOTOS:
        # The direction that is furthest from those there are says most.
        cosines = [max(float(photo.direction @ direction) for direction in directions) for photo in left]
        photo = left.pop(int(np.argmin(cosines)))
        if min(cosines) > np.cos(np.radians(LEAST_ANGLE_DEG)):
            break
        headwear = photo.segmentation.labels == SegmentClass.HEADWEAR
        hair = photo.segmentation.labels == SegmentClass.HAIR
        if headwear.sum() > hair.sum() or not hair.any():
            continue
        view = HairView.of(photo.rgb, photo.segmentation, photo.camera, photo.pose, skin.vertices, triangles)
        maps = view.maps(SegmentClass.HAIR)
        if agreement(main, maps, skin.vertices) >= LEAST_AGREEMENT:
            chosen.append(maps)
            directions.append(photo.direction)
    return chosen


def agreement(one: HairMaps, other: HairMaps, vertices: np.ndarray) -> float:
    """On which part of the head's skin that two photos show both show hair, or both none.

    Args:
        one: What the first photo shows.
        other: What the second photo shows.
        vertices: (V, 3) of the head, head frame, meters.

    Returns:
        0..1; 0 if they show hardly anything in common: nothing says that the hair is the same.
    """
    hair, clear = [], np.ones(len(vertices), bool)
    for maps in (one, other):
        pixels, depth = maps.pixels_of(vertices)
        outline = sample_image(maps.outline, pixels)
        near = sample_image(np.where(np.isfinite(maps.depth), maps.depth, np.float32(0)), pixels)
        clear &= (depth < near + TOLERANCE) & (np.abs(outline) > OUTLINE_MARGIN)
        clear &= sample_image(maps.hidden.astype(np.float32), pixels) < 0.5
        hair.append(outline > 0)
    if clear.sum() < FEWEST:
        return 0.0
    return float((hair[0] == hair[1])[clear].mean())
