"""Regions of the face by which errors are shown, as benchmarks of 3D faces do.

Z. Chai et al., "REALY: Rethinking the Evaluation of 3D Face Reconstruction", ECCV 2022, measures nose, mouth,
forehead and cheeks; chin, eyes and sides are separate here. Scans and synthetic heads both have MediaPipe's
landmarks, so a point's region is that of its nearest landmark.
"""

import numpy as np
from scipy.spatial import cKDTree

from ...detection.mediapipe_topology import (
    BROWS,
    EYES,
    LEFT_EYE_OUTER,
    LID_OUTLINES,
    LIPS,
    RIGHT_EYE_OUTER,
)

#: Names of the regions; a region's number is its place here.
FACE_REGIONS = ("nose", "mouth", "chin", "forehead", "cheeks", "eyes", "sides")
NOSE, MOUTH, CHIN, FOREHEAD, CHEEKS, EYE, SIDES = range(len(FACE_REGIONS))
#: Landmarks between the eyes, where the nose begins, and where it meets the upper lip.
NOSE_ROOT = 168
NOSE_BASE = 2
#: Landmarks of the nose's wings, of the lower lip's outer rim, and of the brows' inner ends.
NOSE_WINGS = (64, 294)
LOWER_LIP = 17
INNER_BROWS = (55, 285)
#: Half the width of the nose at its root, meters.
ROOT_HALF_WIDTH = 0.009
#: Margins around the nose's wings, the lips, and the lids and brows, meters.
WING_MARGIN = 0.003
LIP_MARGIN = 0.012
EYE_MARGIN = 0.006
#: Half the width of the chin, meters.
CHIN_HALF_WIDTH = 0.028
#: Depth behind the inner corners of the eyes at which the sides begin, meters.
SIDES_DEPTH = 0.025
#: A point further than this from every landmark belongs to the sides, relative to the eyes' outer distance.
REACH = 0.2


def landmark_regions(canonical: np.ndarray) -> np.ndarray:
    """The region of each landmark.

    Args:
        canonical: (478, 3) landmarks of the average face, head frame, meters.

    Returns:
        (478,) int, an index into `FACE_REGIONS`.
    """
    x, y, z = np.abs(canonical[:, 0]), canonical[:, 1], canonical[:, 2]
    regions = np.full(len(canonical), CHEEKS)
    regions[y > SIDES_DEPTH] = SIDES
    above_root = (z > canonical[NOSE_ROOT, 2]) & (x < ROOT_HALF_WIDTH)
    regions[above_root | (z > canonical[list(INNER_BROWS), 2].mean())] = FOREHEAD
    regions[(z < canonical[LOWER_LIP, 2]) & (x < CHIN_HALF_WIDTH)] = CHIN
    regions[_near(canonical, LIPS, LIP_MARGIN) & (z < canonical[NOSE_BASE, 2])] = MOUTH
    lids = np.concatenate(LID_OUTLINES)
    regions[_near(canonical, (*EYES, *lids, *BROWS), EYE_MARGIN)] = EYE
    root, base = canonical[NOSE_ROOT, 2], canonical[NOSE_BASE, 2]
    wings = np.abs(canonical[list(NOSE_WINGS), 0]).mean() + WING_MARGIN
    half_width = np.interp(z, [base, root], [wings, ROOT_HALF_WIDTH])
    regions[(z >= base) & (z <= root) & (x <= half_width)] = NOSE
    return regions


def point_regions(points: np.ndarray, landmarks: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """The region of each point of a face.

    Args:
        points: (P, 3) of the true face, any frame and unit.
        landmarks: (478, 3) of the same face in the same frame and unit, NaN where there is none.
        regions: (478,) int, of `landmark_regions`.

    Returns:
        (P,) int, an index into `FACE_REGIONS`.
    """
    known = np.flatnonzero(np.isfinite(landmarks).all(1))
    distance, nearest = cKDTree(landmarks[known]).query(points)
    size = np.linalg.norm(np.subtract(*landmarks[[RIGHT_EYE_OUTER, LEFT_EYE_OUTER]]))
    return np.where(distance > REACH * size, SIDES, regions[known[nearest]])


def region_medians(distance: np.ndarray, regions: np.ndarray) -> dict[str, float]:
    """Median error of each region.

    Args:
        distance: (P,) errors, any unit.
        regions: (P,) int, of `point_regions`.

    Returns:
        Name -> median, NaN where the region has no point.
    """
    return {
        name: float(np.median(distance[regions == k])) if (regions == k).any() else float("nan")
        for k, name in enumerate(FACE_REGIONS)
    }


def _near(canonical: np.ndarray, ids: tuple[int, ...], margin: float) -> np.ndarray:
    """(478,) bool: landmarks within a margin of some of them."""
    return np.asarray(cKDTree(canonical[list(ids)]).query(canonical)[0] <= margin)
