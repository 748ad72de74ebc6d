"""Runs the registration of the template to the face model: see `registration`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ....detection.mediapipe_topology import FIRST_IRIS
from ....geometry.mesh import vertex_normals
from ....geometry.pose import umeyama
from ....geometry.reflection import load_landmark_symmetry
from ..ict_facekit import FaceModel
from ..mesh_landmarks import PaintedHead, cast_landmarks, detector, replace_outliers, snap, symmetrize
from ..mesh_topology import boundary_loops, polygon_edges, triangulate
from ..template.solid import solid_vertices
from ..visibility import visible_triangles
from .correspondence import Registration
from .nonrigid_icp import (
    ClosestPointSurface,
    barycentric_coordinates,
    fit_skin,
    harmonic_followers,
    match_loops,
)

#: Rings of the face model's skin behind the edges of its lids.
LID_RINGS = 1
#: Rings of the face model's skin behind the line where its lips meet.
LIP_RINGS = 6
#: Skin that is visible from fewer of 54 directions lies in a nostril.
NOSTRIL_VIEWS = 10
#: Rings around that skin that belong to the nostril too.
NOSTRIL_RINGS = 1


def painted_face_model(model: FaceModel) -> PaintedHead:
    """The face model's neutral head as it is rendered for the detector."""
    from matplotlib.path import Path as Polygon

    part, names = model.triangle_part, model.part_names
    balls = [names.index("eyeball_left"), names.index("eyeball_right")]
    drawn = (part <= 1) | np.isin(part, balls)
    marks = model.mean[model.landmarks68].astype(np.float64)
    vertices = model.mean.astype(np.float64)
    inside = Polygon(marks[48:60][:, [0, 2]]).contains_points(vertices[:, [0, 2]])
    lip = (inside & (vertices[:, 1] < 0.0)).astype(float)
    eyeball = np.where(part == balls[0], 1, np.where(part == balls[1], 2, 0))
    brows = [marks[17:22][:, [0, 2]], marks[22:27][:, [0, 2]]]
    return PaintedHead(vertices, model.triangles[drawn], eyeball[drawn], lip, brows)


def face_model_landmarks(model: FaceModel, models_dir: Path) -> tuple[np.ndarray, np.ndarray]:
    """The detector's landmarks on the face model: triangles (478,) of `model.triangles` and bary (478, 3)."""
    mirror = load_landmark_symmetry(models_dir)
    positions, _ = cast_landmarks(painted_face_model(model), detector(models_dir))
    positions = symmetrize(replace_outliers(positions), mirror)
    part, names = model.triangle_part, model.part_names
    skin = np.flatnonzero(part <= 1)
    balls = [np.flatnonzero(part == names.index(f"eyeball_{side}")) for side in ("right", "left")]
    return snap(
        positions,
        model.mean.astype(np.float64),
        model.triangles,
        lambda k: skin if k < FIRST_IRIS else balls[0 if k < FIRST_IRIS + 5 else 1],
    )


def model_rims(model: FaceModel) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Triangle indices of the skin up to lips and lids, and the loops at which it ends, running as the
    template's.

    The face model's skin goes on behind the lids and lips; its first rings there are left out.
    """
    skin = np.flatnonzero(model.triangle_part <= 1)
    inside = np.zeros(len(model.mean), bool)
    for loop, center in _openings(model, skin):
        ring = np.zeros(len(model.mean), bool)
        ring[loop] = True
        for _ in range(LIP_RINGS if abs(center[0]) < 0.01 else LID_RINGS):
            inside |= ring
            touched = ring[model.triangles[skin]].any(1)
            ring = np.zeros(len(model.mean), bool)
            ring[model.triangles[skin[touched]]] = True
            ring &= ~inside
    kept = skin[~inside[model.triangles[skin]].any(1)]
    found = {}
    for loop, center in _openings(model, kept):
        name = "lips" if abs(center[0]) < 0.01 else "lid_left" if center[0] > 0 else "lid_right"
        found[name] = loop[::-1]
    if len(found) != 3:
        raise ValueError(
            f"the face model's skin should be open at the mouth and both eyes, found {sorted(found)}"
        )
    return kept, found


def _openings(model: FaceModel, triangles: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Open loops of the given triangles with their centers, without the neck's."""
    loops = [
        (loop, model.mean[loop].mean(0)) for loop in map(np.array, boundary_loops(model.triangles[triangles]))
    ]
    return [(loop, center) for loop, center in loops if center[2] > -0.12]


@dataclass(frozen=True)
class _Landmarks:
    """MediaPipe's landmarks on both heads.

    Attributes:
        face: (478,) int, the face model's triangle that each lies in.
        bary: (478, 3) barycentric coordinates there.
        aims: (478, 3) float64, where that is, head frame, meters.
        corners: (478, 3) int, the template's vertices around each, those of `solid_extra` after its own.
        visible: (478,) bool, which of them were found on the face model's skin.
    """

    face: np.ndarray
    bary: np.ndarray
    aims: np.ndarray
    corners: np.ndarray
    visible: np.ndarray

    @classmethod
    def of(cls, template: dict[str, np.ndarray], model: FaceModel, models_dir: Path) -> "_Landmarks":
        face, bary = face_model_landmarks(model, models_dir)
        visible = face >= 0
        visible[FIRST_IRIS:] = False
        aims = (model.mean.astype(np.float64)[model.triangles[face]] * bary[..., None]).sum(1)
        return cls(face, bary, aims, template["solid_triangles"][template["landmark_faces"]], visible)

    def used(self, count: int) -> np.ndarray:
        """Indices of those that the fit aims at; `count`: of the template's own vertices."""
        return np.flatnonzero(self.visible & (self.corners < count).all(1))


@dataclass(frozen=True)
class _PinnedLoops:
    """Vertices of the template's lips and lids, which lie on the loops where the face model's skin ends.

    Attributes:
        vertices: (n,) int, of the template.
        edges: (n, 2) int, vertices of the face model.
        fraction: (n,) how far along these, 0..1.
        aims: (n, 3) where that is, head frame, meters.
    """

    vertices: np.ndarray
    edges: np.ndarray
    fraction: np.ndarray
    aims: np.ndarray

    @classmethod
    def of(
        cls,
        template: dict[str, np.ndarray],
        start: np.ndarray,
        rims: dict[str, np.ndarray],
        target: np.ndarray,
    ) -> "_PinnedLoops":
        found = [match_loops(template[name], start, loop, target) for name, loop in rims.items()]
        vertices, edges, fraction = (np.concatenate(part) for part in zip(*found, strict=True))
        first, second = target[edges[:, 0]], target[edges[:, 1]]
        aims = first * (1 - fraction[:, None]) + second * fraction[:, None]
        return cls(vertices, edges, fraction, aims)


def register(
    template: dict[str, np.ndarray], model: FaceModel, models_dir: Path
) -> tuple[Registration, dict]:
    """Register the template to the face model's neutral head.

    Args:
        template: arrays of the template's file.
        model: the face model.
        models_dir: folder with the face detector and the landmarks' symmetry.

    Returns:
        The registration and figures about it.
    """
    target = model.mean.astype(np.float64)
    count = len(template["vertices"])
    quads, part = template["quads"], template["face_part"]
    landmarks = _Landmarks.of(template, model, models_dir)
    start, figures = _aligned(template, landmarks)
    skin = np.zeros(count, bool)
    skin[quads[part == 0].ravel()] = True
    connected = np.zeros(count, bool)
    connected[quads[part <= 1].ravel()] = True
    rim_ids, rims = model_rims(model)
    skin_ids = rim_ids[visible_triangles(target, model.triangles[rim_ids])]
    surface = ClosestPointSurface(target, model.triangles[skin_ids])
    drawn = skin & ~nostrils(template, start)
    loops = _PinnedLoops.of(template, start, rims, target)
    fitted = _fitted(template, start, connected, drawn, surface, landmarks, loops)

    direct = drawn.copy()
    direct[loops.vertices] = True
    rows = np.flatnonzero(direct)
    face, bary = np.zeros(count, np.int32), np.zeros((count, 3))
    normals = vertex_normals(fitted, triangulate(quads[part <= 1], fitted))
    nearest, closest, distance = surface.nearest(fitted[rows], normals[rows])
    lost = ~np.isfinite(distance)
    if lost.any():
        nearest[lost], closest[lost], _ = surface.nearest(fitted[rows[lost]], normals[rows[lost]], -2.0)
    corners = target[model.triangles[skin_ids][nearest]]
    face[rows], bary[rows] = skin_ids[nearest], barycentric_coordinates(closest, corners)
    _pin_loops(face, bary, loops, model, rim_ids)
    _attach_rest(template, model, fitted, face, bary, direct)
    on_model = (target[model.triangles[face]] * bary[..., None]).sum(1)
    offset = np.where(direct[:, None], fitted - on_model, 0.0)
    carry = _followers(template, fitted, direct, connected)
    lashes = np.unique(quads[part == 7])
    for row, col, weight in zip(*carry, strict=True):
        if row in lashes:
            fitted[row] += weight * (fitted[col] - start[col])
    ict_face, ict_bary = _reverse(template, fitted, model, target)
    registration = Registration(
        face, bary.astype(np.float32), offset.astype(np.float32), direct, *carry,
        fitted.astype(np.float32), ict_face, ict_bary.astype(np.float32),
        landmarks.face.astype(np.int32), landmarks.bary.astype(np.float32),
    )  # fmt: skip
    far = np.linalg.norm(offset[rows], axis=1) * 1000
    figures |= {
        "landmarks_used": len(landmarks.used(count)),
        "without_agreeing_normal": int(lost.sum()),
        "offset_mm_median_95_max": [round(float(x), 3) for x in np.percentile(far, (50, 95, 100))],
    }
    return registration, figures


def _aligned(
    template: dict[str, np.ndarray], landmarks: _Landmarks
) -> tuple[np.ndarray, dict[str, float | int | list[float]]]:
    """(V, 3) float64, the template scaled, turned and moved onto the face model, and figures about that."""
    start = template["vertices"].astype(np.float64)
    extended = solid_vertices(start, template["solid_extra"])
    marks = (extended[landmarks.corners] * template["landmark_bary"][..., None]).sum(1)
    scale, rotation, shift = umeyama(marks[landmarks.visible], landmarks.aims[landmarks.visible])
    pitch = float(np.degrees(np.arctan2(rotation[2, 1], rotation[1, 1])))
    return scale * start @ rotation.T + shift, {"scale": scale, "pitch_degrees": pitch}


def _fitted(
    template: dict[str, np.ndarray],
    start: np.ndarray,
    connected: np.ndarray,
    drawn: np.ndarray,
    surface: ClosestPointSurface,
    landmarks: _Landmarks,
    loops: _PinnedLoops,
) -> np.ndarray:
    """(V, 3) float64, the aligned template with its skin and the inside of its mouth fitted."""
    quads = template["quads"][template["face_part"] <= 1]
    used = landmarks.used(len(start))
    numbers = np.flatnonzero(connected)
    renumber = np.full(len(start), -1)
    renumber[numbers] = np.arange(len(numbers))
    fitted = start.copy()
    fitted[numbers] = fit_skin(
        start[numbers],
        renumber[triangulate(quads, start)],
        polygon_edges(renumber[quads]),
        renumber[template["mirror"][numbers]],
        drawn[numbers],
        surface,
        (
            renumber[landmarks.corners[used]],
            template["landmark_bary"][used].astype(np.float64),
            landmarks.aims[used],
        ),
        (renumber[loops.vertices], loops.aims),
    )
    return fitted


def _pin_loops(
    face: np.ndarray, bary: np.ndarray, loops: _PinnedLoops, model: FaceModel, skin_ids: np.ndarray
) -> None:
    """Loop vertices lie on an open edge of the face model's skin, which one triangle of the right lip or lid
    has.
    """
    owner = {}
    for number in skin_ids:
        triangle = model.triangles[number]
        for i in range(3):
            owner[frozenset((int(triangle[i]), int(triangle[(i + 1) % 3])))] = number
    for vertex, (a, b), t in zip(loops.vertices, loops.edges, loops.fraction, strict=True):
        face[vertex] = owner[frozenset((int(a), int(b)))]
        triangle = model.triangles[face[vertex]]
        bary[vertex] = (triangle == a) * (1 - t) + (triangle == b) * t


def nostrils(template: dict[str, np.ndarray], vertices: np.ndarray) -> np.ndarray:
    """The template's shallow nostrils, which have no counterpart in the face model's deep ones.

    Args:
        template: arrays of the template's file.
        vertices: (V, 3) of the template, head frame, meters.

    Returns:
        (V,) bool.
    """
    solid = template["solid_triangles"][np.isin(template["solid_part"], (0, 3, 4, 5))]
    visible = visible_triangles(solid_vertices(vertices, template["solid_extra"]), solid, NOSTRIL_VIEWS)
    pit = np.ones(len(vertices), bool)
    pit[solid[visible & (solid < len(vertices)).all(1)]] = False
    pit &= np.linalg.norm(vertices - vertices[template["ibug68"][33]], axis=1) < 0.02
    for _ in range(NOSTRIL_RINGS):
        quads = template["quads"]
        pit[quads[pit[quads].any(1)]] = True
    return pit


def _attach_rest(
    template: dict[str, np.ndarray],
    model: FaceModel,
    fitted: np.ndarray,
    face: np.ndarray,
    bary: np.ndarray,
    direct: np.ndarray,
) -> None:
    """Eyeballs onto the face model's eyeballs, teeth and tongue onto its teeth; changes the arrays given."""
    import igl

    target = model.mean.astype(np.float64)
    names = [str(n) for n in template["part_names"]]

    def vertices_of(name: str) -> np.ndarray:
        return np.unique(template["quads"][template["face_part"] == names.index(name)])

    def attach(rows: np.ndarray, points: np.ndarray, candidates: np.ndarray) -> None:
        _, found, closest = igl.point_mesh_squared_distance(
            np.ascontiguousarray(points), target, model.triangles[candidates].astype(np.int64)
        )[:3]
        face[rows] = candidates[np.ravel(found)]
        bary[rows] = barycentric_coordinates(np.asarray(closest), target[model.triangles[face[rows]]])
        direct[rows] = True

    for side in ("left", "right"):
        rows = vertices_of(f"eye_{side}")
        triangles = np.flatnonzero(model.triangle_part == model.part_names.index(f"eyeball_{side}"))
        ball = target[np.unique(model.triangles[triangles])]
        theirs, ours = (ball.min(0) + ball.max(0)) / 2, (fitted[rows].min(0) + fitted[rows].max(0)) / 2
        size = float(np.ptp(ball[:, 0]) / np.ptp(fitted[rows][:, 0]))
        fitted[rows] = (fitted[rows] - ours) * size + theirs
        attach(rows, fitted[rows], triangles)
    teeth = np.flatnonzero(model.triangle_part == model.part_names.index("teeth"))
    lower = _lower_teeth(model, teeth)
    mouth = target[np.unique(model.triangles[teeth[~lower]])]
    ours = fitted[vertices_of("teeth_upper")]
    # The teeth keep their shape; the front of the upper row goes where the face model's is.
    shift = np.array([0.0, mouth[:, 1].min() - ours[:, 1].min(), mouth[:, 2].min() - ours[:, 2].min()])
    for name, choice in (
        ("teeth_upper", teeth[~lower]),
        ("teeth_lower", teeth[lower]),
        ("tongue", teeth[lower]),
    ):
        rows = vertices_of(name)
        fitted[rows] += shift
        attach(rows, fitted[rows], choice)


def _lower_teeth(model: FaceModel, teeth: np.ndarray) -> np.ndarray:
    """(len(teeth),) bool: triangles of teeth that the jaw carries."""
    jaw = model.expression[model.expression_names.index("jawOpen")]
    return np.linalg.norm(jaw[model.triangles[teeth]], axis=2).mean(1) > 0.002


def _followers(
    template: dict[str, np.ndarray], fitted: np.ndarray, direct: np.ndarray, connected: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and weights of the vertices that follow others; moves these in `fitted` too."""
    from scipy.spatial import cKDTree

    count = len(fitted)
    quads, part = template["quads"], template["face_part"]
    inner = np.flatnonzero(connected & ~direct)
    rows, cols, weights = harmonic_followers(
        polygon_edges(quads[part <= 1]), inner, np.flatnonzero(connected & direct), count
    )
    lashes = np.unique(quads[part == 7])
    rims = np.concatenate([template["lid_left"], template["lid_right"]])
    start = template["vertices"].astype(np.float64)
    distance, near = cKDTree(start[rims]).query(start[lashes], 3)
    fraction = 1 / (distance + 1e-4) ** 2
    fraction /= fraction.sum(1, keepdims=True)
    rows = np.r_[rows, np.repeat(lashes, 3)].astype(np.int32)
    cols = np.r_[cols, rims[near].ravel()].astype(np.int32)
    return rows, cols, np.r_[weights, fraction.ravel()].astype(np.float32)


def _reverse(
    template: dict[str, np.ndarray], fitted: np.ndarray, model: FaceModel, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each vertex of the face model's skin its point on the template's skin triangles."""
    solid = solid_vertices(fitted, template["solid_extra"])
    ids = np.flatnonzero(template["solid_part"] == 0)
    skin = slice(0, model.skin_range.stop)
    triangles = model.triangles[model.triangle_part <= 1]
    normals = vertex_normals(target, triangles)[skin]
    surface = ClosestPointSurface(solid, template["solid_triangles"][ids])
    nearest, closest, distance = surface.nearest(target[skin], normals)
    lost = ~np.isfinite(distance)
    if lost.any():
        nearest[lost], closest[lost], _ = surface.nearest(target[skin][lost], normals[lost], -2.0)
    faces = ids[nearest].astype(np.int32)
    return faces, barycentric_coordinates(closest, solid[template["solid_triangles"][faces]])
