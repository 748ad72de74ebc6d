"""The detector's 478 landmarks and iBUG's 68 on the template; see `build` for the arrays."""

import logging
from pathlib import Path

import numpy as np

from ....detection.mediapipe_topology import FIRST_IRIS, INNER_LOWER_LIP
from ....geometry.reflection import load_landmark_symmetry
from ..mesh_landmarks import (
    PaintedHead,
    cast_landmarks,
    detector,
    replace_outliers,
    snap,
    symmetrize,
)
from .solid import solid_vertices

logger = logging.getLogger(__name__)

#: MediaPipe's indices of the points that iBUG's 68 correspond to, iBUG's order.
IBUG68_OF_478 = (
    *(127, 234, 93, 58, 172, 136, 150, 176, 152, 400, 379, 365, 397, 288, 323, 454, 356),
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    *(78, 82, 13, 312, 308, 317, 14, 87),
)
#: iBUG's indices of each point's counterpart on the other side.
IBUG68_MIRROR = (
    *range(16, -1, -1),
    *range(26, 16, -1),
    *(27, 28, 29, 30, 35, 34, 33, 32, 31),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60, 67, 66, 65),
)
#: Brows of the template, subject's left, head frame x and z in meters.
_BROW = np.array([(0.014, 0.0157), (0.023, 0.0206), (0.0325, 0.0233), (0.042, 0.0206), (0.050, 0.014)])


def painted_template(arrays: dict[str, np.ndarray]) -> PaintedHead:
    """The template as it is rendered for the detector.

    Args:
        arrays: of the template's file.

    Returns:
        The painted head, head frame, meters.
    """
    vertices = solid_vertices(arrays["vertices"].astype(np.float64), arrays["solid_extra"])
    triangles, part = arrays["solid_triangles"], arrays["solid_part"]
    lip = np.zeros(len(vertices))
    lip[arrays["lips"]] = 1
    skin = arrays["quads"][arrays["face_part"] == 0]
    for _ in range(4):
        lip[skin[lip[skin].max(1) > 0]] = 1
    drawn = np.isin(part, (0, 1, 2, 4))
    eyeball = np.where(part == 1, 1, np.where(part == 2, 2, 0))
    return PaintedHead(vertices, triangles[drawn], eyeball[drawn], lip, [_BROW, _BROW * [-1, 1]])


def find_landmarks(arrays: dict[str, np.ndarray], models_dir: Path) -> dict[str, np.ndarray]:
    """Find the detector's landmarks on the template, and from these iBUG's.

    Args:
        arrays: of the template's file.
        models_dir: folder with the face detector and the landmarks' symmetry.

    Returns:
        `landmark_faces`, `landmark_bary`, `landmarks478` and those of `carried_ibug68`, of the template's
        file.

    Raises:
        ValueError: some landmarks were not found.
    """
    mirror = load_landmark_symmetry(models_dir)
    positions, spread = cast_landmarks(painted_template(arrays), detector(models_dir))
    positions = symmetrize(replace_outliers(positions), mirror)
    lost = np.flatnonzero(np.isnan(positions[:, 0]))
    logger.info(
        "Landmarks: spread %.2f mm, too rarely visible: %s", np.nanmedian(spread) * 1000, lost.tolist()
    )
    vertices = solid_vertices(arrays["vertices"].astype(np.float64), arrays["solid_extra"])
    part = arrays["solid_part"]
    kinds = {0: np.flatnonzero(part == 0), 1: np.flatnonzero(part == 1), 2: np.flatnonzero(part == 2)}
    lower_lip = np.flatnonzero(on_lower_lip(arrays))

    def allowed(k: int) -> np.ndarray:
        if k in INNER_LOWER_LIP:
            return lower_lip
        return kinds[0 if k < FIRST_IRIS else 2 if k < FIRST_IRIS + 5 else 1]

    faces, bary = snap(positions, vertices, arrays["solid_triangles"], allowed)
    if len(lost):
        raise ValueError(f"landmarks {lost.tolist()} were not found on the template")
    corners = arrays["solid_triangles"][faces]
    nearest = corners[np.arange(478), bary.argmax(1)].astype(np.int32)
    return {
        "landmark_faces": faces,
        "landmark_bary": bary.astype(np.float32),
        "landmarks478": nearest,
        # MediaPipe has no such points: these are near. `scripts/build/ibug_landmarks.py` moves them.
        **carried_ibug68(arrays, faces[list(IBUG68_OF_478)], bary[list(IBUG68_OF_478)]),
    }


def on_lower_lip(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Which of the solid's triangles are the lower lip's skin near the mouth's opening.

    On a closed mouth both lips are where the landmarks of the lower one's inner rim appear.

    Args:
        arrays: of the template's file.

    Returns:
        (S,) bool.
    """
    triangles, vertices = arrays["solid_triangles"], arrays["vertices"].astype(np.float64)
    loop = np.roll(arrays["lips"], -int(np.argmax(vertices[arrays["lips"], 0])))
    turn = int(np.argmin(vertices[loop, 0]))
    halves = sorted((loop[1:turn], loop[turn + 1 :]), key=lambda half: _inner_height(half, arrays))
    skin = arrays["solid_part"] == 0
    near = []
    for half in halves:
        ring = np.isin(triangles, half).any(1) & skin
        near.append(np.isin(triangles, np.unique(triangles[ring])).any(1) & skin)
    return near[0] & ~near[1]


def ibug68(arrays: dict[str, np.ndarray], positions: np.ndarray) -> np.ndarray:
    """The vertices nearest to iBUG's landmarks.

    Args:
        arrays: Of the template's file.
        positions: (68, 3) the landmarks on the average head, head frame, meters.

    Returns:
        (68,) int32: eyes on the lids' rims and the inner mouth on the lips' loop, the rest on the skin.
    """
    vertices = arrays["vertices"].astype(np.float64)
    skin = np.unique(arrays["quads"][arrays["face_part"] == 0])
    loop = np.roll(arrays["lips"], -int(np.argmax(vertices[arrays["lips"], 0])))
    turn = int(np.argmin(vertices[loop, 0]))
    halves = sorted((loop[1:turn], loop[turn + 1 :]), key=lambda half: -_inner_height(half, arrays))
    found = np.zeros(68, np.int32)
    for k, position in enumerate(positions):
        if 61 <= k <= 63 or k >= 65:
            pool = halves[0 if k <= 63 else 1]
            found[k] = pool[np.argmin(np.abs(vertices[pool, 0] - position[0]))]
            continue
        pool = skin if k < 36 or k >= 48 else arrays["lid_right" if k < 42 else "lid_left"]
        found[k] = pool[np.argmin(np.linalg.norm(vertices[pool] - position, axis=1))]
    for name, outer, inner in (("lid_right", 36, 39), ("lid_left", 45, 42)):
        x = np.abs(vertices[arrays[name], 0])
        found[outer], found[inner] = arrays[name][x.argmax()], arrays[name][x.argmin()]
    x = vertices[arrays["lips"], 0]
    found[60], found[64] = arrays["lips"][np.argmin(x)], arrays["lips"][np.argmax(x)]
    return found


def carried_ibug68(
    arrays: dict[str, np.ndarray], faces: np.ndarray, bary: np.ndarray
) -> dict[str, np.ndarray]:
    """`ibug68_faces`, `ibug68_bary` and `ibug68` of the template's file, from where a face model has them.

    Made symmetrical: each landmark is the mean of itself and its mirrored counterpart.

    Args:
        arrays: Of the template's file.
        faces: (68,) int32, into `solid_triangles`, on which the face model's landmarks lie.
        bary: (68, 3) float64, where on them.
    """
    from .solid import solid_vertices

    vertices = solid_vertices(arrays["vertices"].astype(np.float64), arrays["solid_extra"])
    triangles = arrays["solid_triangles"]
    positions = (vertices[triangles[faces]] * bary[..., None]).sum(1)
    positions = (positions + positions[list(IBUG68_MIRROR)] * [-1, 1, 1]) / 2
    skin = np.flatnonzero(arrays["solid_part"] == 0)
    faces, bary = snap(positions, vertices, triangles, lambda _: skin)
    return {
        "ibug68_faces": faces.astype(np.int32),
        "ibug68_bary": bary.astype(np.float32),
        "ibug68": ibug68(arrays, positions),
    }


def _inner_height(half: np.ndarray, arrays: dict[str, np.ndarray]) -> float:
    """Mean height, meters, of the skin beside one half of the lips' loop: closed lips lie at the same
    height.
    """
    skin = arrays["quads"][arrays["face_part"] == 0]
    ring = set(map(int, half))
    for _ in range(3):
        ring |= {int(v) for quad in skin if ring & set(map(int, quad)) for v in quad}
    return float(arrays["vertices"][list(ring), 2].mean())
