"""Which texels beside the face show what they should: cheek within the detected face, ear beyond it.

Where a head's ears are is guessed from the front: nothing of the face tells. The photo's ears then lie on the
head's cheeks, or its cheeks on the head's ears. The landmarks' outline passes before the ears and tells them
apart.
"""

import cv2
import numpy as np

from ..detection.mediapipe_topology import FACE_OUTLINE
from ..geometry.frames import CropFrame
from ..geometry.visibility import ramp
from ..image.sampling import sample_image
from .projection import PX_PER_METER, VIEW_SIZE, crop_to_view

#: Meters beyond the outline, less than 0 within it, at which what should be cheek begins to count less, and
#: does not count.
CHEEK_RANGE = (-0.007, -0.003)
#: Meters within the outline at which what should be ear begins to count less, and does not count.
EAR_RANGE = (-0.001, 0.002)


def beyond_outline(landmarks: np.ndarray, frame: CropFrame, pixels: np.ndarray) -> np.ndarray:
    """How far points are beyond the face's outline.

    Args:
        landmarks: (478, 2 or more) as detected, photo pixels.
        frame: The crop.
        pixels: (n, 2) photo.

    Returns:
        (n,) float32 meters at the head's distance, less than 0 within the outline.
    """
    outline = crop_to_view(frame.photo_to_crop(landmarks[list(FACE_OUTLINE), :2].astype(np.float64)))
    inside = np.zeros((VIEW_SIZE, VIEW_SIZE), np.uint8)
    cv2.fillConvexPoly(inside, np.round(cv2.convexHull(outline.astype(np.float32))).astype(np.int32), (1,))
    within = cv2.distanceTransform(inside, cv2.DIST_L2, 5)
    beyond = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    points = crop_to_view(frame.photo_to_crop(pixels.astype(np.float64))).astype(np.float32)
    return np.asarray(sample_image(beyond - within, points) / PX_PER_METER, np.float32)


def side_weights(beyond: np.ndarray, ear: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """How far texels beside the face show what they should.

    Args:
        beyond: (n,) of `beyond_outline`.
        ear: (n,) 0..1, how far texels are in the ears.
        beside: (n,) 0..1, how near they are to an ear, outside of it.

    Returns:
        (n,) float32, 0..1.
    """
    cheek = 1 - beside * ramp(beyond, *CHEEK_RANGE)
    return np.asarray(cheek * (1 - ear * ramp(-beyond, *EAR_RANGE)), np.float32)
