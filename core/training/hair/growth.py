"""Grows a synthetic groom on a head: guide strands from roots on the scalp, all at once in numpy."""

from dataclasses import dataclass, replace

import numpy as np

from ...geometry.mesh import even_barycentric, perpendicular_part
from ...geometry.visibility import ramp
from ...hair.flow import WHORL, float32_unit_vectors
from ...hair.shell_mesh import NEAR_EARS, out_of_skin
from .grooms import GroomSpec
from .head_field import HeadField

#: Guide strands of a groom, and points of each.
STRANDS = 2600
POINTS = 40
#: Longest step of the growth, meters.
LONGEST_STEP = 0.014
#: Distance over which a strand keeps its direction, meters.
STIFFNESS = 0.02
#: Least distance from the skin after the root, meters.
LEAST_HEIGHT = 0.0012
#: Height over the skin, meters, within which strands are drawn to the height of their layer.
LAYER_REACH = 0.015
#: Heights over the skin, meters, from which on and down to which hair only hangs and is only combed.
HELD = (0.08, 0.025)
#: Within this distance of the tie, meters, gathered strands have arrived.
TIE_RADIUS = 0.022
#: Step of gathered strands, meters, and the most steps to the tie.
TIE_STEP = 0.009
TIE_STEPS = 44
#: The middle of the head, head frame, meters: ties are behind it.
HEAD_MIDDLE = np.array([0.0, 0.085, 0.03])
#: Scalp weight of a triangle from which on it has roots.
LEAST_SCALP = 0.35
#: Wavelengths of frizz along a strand, meters, and of a braid.
FRIZZ_LENGTH = (0.012, 0.04)
BRAID_LENGTH = 0.035
#: Waves that frizz is made of.
FRIZZ_WAVES = 3
#: Hair parts before the face: height below which and y before which it does, head frame, half width, meters.
FACE_TOP = 0.045
FACE_Y = 0.045
FACE_WIDTH = 0.07
#: Below this height, head frame, meters, hair lies on the shoulders, before or behind this y.
SHOULDER_TOP = -0.17
SHOULDER_Y = 0.11


@dataclass(frozen=True)
class Groom:
    """Guide strands on one head.

    Attributes:
        spec: What was asked for.
        points: (S, P, 3) float32, head frame, meters, the root first.
        guide_points: (S, P, 3) float32, the same without curl and frizz: which way the lock
            goes that each is in.
        lengths: (S,) float32, meters, asked for and cut, along the strand without curls.
        root_triangle: (S,) int, of the skin's triangles.
        root_template: (S, 3) float32, the root on the average head, head frame, meters.
    """

    spec: GroomSpec
    points: np.ndarray
    guide_points: np.ndarray
    lengths: np.ndarray
    root_triangle: np.ndarray
    root_template: np.ndarray


@dataclass(frozen=True)
class _Roots:
    """Where strands begin: (S,) triangles, (S, 3) positions, normals, and positions on the average head."""

    triangle: np.ndarray
    position: np.ndarray
    normal: np.ndarray
    template: np.ndarray

    def chosen(self, which: np.ndarray) -> "_Roots":
        """Some of them, (S,) bool."""
        parts = (self.triangle, self.position, self.normal, self.template)
        return _Roots(*(part[which] for part in parts))


def grow_groom(spec: GroomSpec, head: HeadField, seed: int, strands: int = STRANDS) -> Groom:
    """Grow a groom.

    Args:
        spec: What is asked for.
        head: What it grows on.
        seed: Of the random numbers: the same seed grows the same groom.
        strands: How many.

    Returns:
        The groom; it has no strands where the scalp has no hair.
    """
    rng = np.random.default_rng(seed)
    roots = _roots(spec, head, strands, rng)
    asked = _lengths(spec, roots, rng)
    if spec.flow == "gathered":
        path, asked = _gather_sides(spec, head, roots, asked, rng)
    else:
        path, asked = _comb(spec, head, roots, asked, rng)
    course = _clump(spec, path, roots, rng)
    points = course + _curl(spec, course, roots, asked, rng)
    moved = _pushed_out(points[:, 1:].reshape(-1, 3), head, LEAST_HEIGHT)
    # The field is too coarse for the ears' folds.
    near = np.flatnonzero(head.grid.sample(head.distance, moved) < NEAR_EARS)
    moved[near] = out_of_skin(moved[near], head.skin, 0.0)
    points[:, 1:] = moved.reshape(points[:, 1:].shape)
    kept = ~_crosses_face(spec, points, head, _in_fringe(spec, roots))
    return Groom(
        spec,
        points[kept].astype(np.float32),
        course[kept].astype(np.float32),
        asked[kept],
        roots.triangle[kept],
        roots.template[kept],
    )


def _roots(spec: GroomSpec, head: HeadField, count: int, rng: np.random.Generator) -> _Roots:
    skin = head.skin
    weight = head.scalp_weights(spec.recession, spec.crown, spec.bald_above)[skin.triangles].mean(1)
    corners = skin.vertices[skin.triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    area = area * np.where(weight > LEAST_SCALP, weight, 0)
    if area.sum() <= 0:
        count, area = 0, area + 1
    at = (rng.permutation(count) + rng.random(count)) / max(count, 1)
    triangle = np.searchsorted(np.cumsum(area) / area.sum(), at).clip(0, len(area) - 1)
    barycentric = even_barycentric(*rng.random((2, count)))

    def at_roots(values: np.ndarray) -> np.ndarray:
        mixed = np.einsum("nk,nkc->nc", barycentric, values[skin.triangles[triangle]])
        return np.asarray(mixed, np.float32)

    normal = float32_unit_vectors(at_roots(skin.normals))
    return _Roots(triangle, at_roots(skin.vertices), normal, at_roots(head.template))


def _lengths(spec: GroomSpec, roots: _Roots, rng: np.random.Generator) -> np.ndarray:
    """(S,) meters: the length map at the roots."""
    _, y, z = roots.template.T
    top = ramp(z, 0.05, 0.085)
    behind = ramp(y, 0.10, 0.14)
    length = spec.sides + (spec.back - spec.sides) * behind
    length = length + (spec.top * (1 - spec.layers) - length) * top
    if spec.fringe > 0:
        length = np.where(_in_fringe(spec, roots), spec.fringe, length)
    return np.asarray(length * (1 + spec.length_spread * rng.uniform(-1, 1, len(length))), np.float32)


def _in_fringe(spec: GroomSpec, roots: _Roots) -> np.ndarray:
    """(S,) bool: whether a root's strand belongs to the fringe."""
    x, y, _ = roots.template.T
    return np.asarray((np.abs(x) < spec.fringe_width) & (y < 0.045) & (spec.fringe > 0))


def _combed(
    spec: GroomSpec, points: np.ndarray, normals: np.ndarray, fringe: np.ndarray, side: np.ndarray
) -> np.ndarray:
    """(N, 3) unit vectors along the head: which way hair is combed there."""
    flow = np.zeros_like(points)
    flow[:, 2] = -1
    from_whorl = float32_unit_vectors(points[:, :2] - WHORL.astype(np.float32))
    cos, sin = np.cos(spec.swirl), np.sin(spec.swirl)
    from_whorl = from_whorl @ np.array([[cos, sin], [-sin, cos]], np.float32)
    if spec.flow == "back":
        flow[:, 1] = 1.3
        flow[:, 0] = 0.3 * np.sign(points[:, 0]) * ramp(np.abs(points[:, 0]), 0.01, 0.05)
    else:
        flow[:, :2] = from_whorl
    if spec.flow == "parting":
        front = ramp(points[:, 1], spec.parting_end, spec.parting_end - 0.04)[:, None]
        across = np.stack([side, np.full(len(points), 0.25, np.float32)], 1)
        flow[:, :2] = from_whorl * (1 - front) + across * front
    flow[:, 1] -= spec.forward * 0.8 * ramp(np.abs(points[:, 0]), 0.045, 0.075) * ramp(points[:, 2], 0.06, 0)
    ahead = np.column_stack(
        [0.15 * points[:, 0] / 0.05, np.full(len(points), -1.0), np.full(len(points), -0.8)]
    )
    flow = np.where(fringe[:, None], ahead, flow).astype(np.float32)
    return float32_unit_vectors(perpendicular_part(flow, normals))


def _comb(
    spec: GroomSpec, head: HeadField, roots: _Roots, length: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(S, P, 3) strands that lie on the head and hang down, and (S,) their lengths once cut."""
    count = len(length)
    longest = float(length.max(initial=0.01))
    steps = max(POINTS - 1, int(np.ceil(longest / LONGEST_STEP)))
    step = (length / steps).astype(np.float32)[:, None]
    level = np.sqrt(rng.random(count)).astype(np.float32)
    behind = ramp(roots.template[:, 1], 0.09, 0.15)
    height = spec.lift * level * (1 - (1 - spec.back_lift) * behind)
    fringe = _in_fringe(spec, roots)
    height = np.where(fringe, np.minimum(height, 0.012), height).astype(np.float32)
    # The side of the parting that a strand falls to is that of its root, also where it has crossed it.
    offset = roots.template[:, 0] - spec.parting - spec.parting_slope * (roots.template[:, 1] - 0.03)
    side = np.where(offset + rng.normal(0, 0.0015, count) > 0, 1.0, -1.0).astype(np.float32)
    turn = _smooth_noise(roots.template, rng, 0.05) * 0.3
    down = np.array(spec.down, np.float32)
    at = roots.position.copy()
    direction = roots.normal
    if spec.flow != "radial":
        direction = float32_unit_vectors(0.5 * direction + 0.8 * _combed(spec, at, direction, fringe, side))
    path = [at.copy()]
    for k in range(steps):
        above, away = head.obstacle_at(at)
        along = _combed(spec, at, away, fringe, side)
        along = along + turn[:, None] * np.cross(away, along)
        # Near the head hair is combed and drawn to its layer; further off it only hangs.
        near = ramp(above, *HELD)[:, None]
        rise = np.clip((height - above) / LAYER_REACH, -1, 1)
        hold = ramp(at[:, 2], -0.05, 0.0) * 0.7 + 0.15
        rise = np.where(rise < 0, rise * hold, rise)[:, None]
        gone = (k * step) / 0.10
        weight = spec.gravity * np.clip(gone, 0, 1) * ramp(at[:, 2:], 0.09, 0.0)
        if spec.flow == "back":  # it holds at the forehead
            weight = weight * ramp(at[:, 1:2], 0.03, 0.08)
        if spec.flow == "radial":
            wanted = roots.normal + spec.gravity * gone * down
        else:
            wanted = near * (along + rise * away) * (1 - 0.7 * weight) + down * np.maximum(weight, 1 - near)
            wanted = wanted + (1 - spec.gravity) * (1 - near) * direction
            wanted = wanted + _aside(at, above, side, fringe)
        keep = np.exp(-step / STIFFNESS)
        direction = float32_unit_vectors(direction * keep + float32_unit_vectors(wanted) * (1 - keep))
        ahead = at + step * direction
        least = np.minimum(LEAST_HEIGHT + 0.35 * height, (k + 1) * step[:, 0])
        ahead = _pushed_out(ahead, head, least)
        # What was pushed aside has gone no further than a step.
        direction = float32_unit_vectors(ahead - at)
        at = at + step * direction
        path.append(at.copy())
    whole = np.stack(path, 1)
    used = np.full(count, steps, np.float32)
    if np.isfinite(spec.cut_height):
        line = spec.cut_height + 0.006 * rng.standard_normal(count)
        below = whole[:, :, 2] < line[:, None]
        used = np.where(below.any(1), np.maximum(below.argmax(1), 2), steps).astype(np.float32)
    return _resampled(whole, used), (length * used / steps).astype(np.float32)


def _aside(at: np.ndarray, above: np.ndarray, side: np.ndarray, fringe: np.ndarray) -> np.ndarray:
    """(N, 3): what makes hair go beside the face rather than over it, and before or behind the shoulders."""
    x, y, z = at.T
    over_face = ramp(z, FACE_TOP, FACE_TOP - 0.02) * ramp(y, FACE_Y, FACE_Y - 0.02)
    over_face = over_face * ramp(np.abs(x), FACE_WIDTH, FACE_WIDTH - 0.015) * ~fringe
    on_shoulder = ramp(z, SHOULDER_TOP, SHOULDER_TOP - 0.04) * ramp(above, 0.025, 0.005)
    out = np.zeros_like(at)
    out[:, 0] = 2.0 * over_face * np.where(np.abs(x) < 0.01, side, np.sign(x)) - on_shoulder * np.sign(x)
    out[:, 1] = 2.0 * on_shoulder * np.sign(y - SHOULDER_Y)
    return out


def _crosses_face(spec: GroomSpec, points: np.ndarray, head: HeadField, fringe: np.ndarray) -> np.ndarray:
    """(S,) bool: strands that hang before the face, off it."""
    flat = points.reshape(-1, 3)
    x, y, z = flat.T
    before = (np.abs(x) < FACE_WIDTH - 0.02) & (y < FACE_Y - 0.02) & (z < FACE_TOP - 0.02)
    before[before] = head.obstacle_at(flat[before])[0] > 0.008
    return np.asarray(before.reshape(points.shape[:2]).any(1) & ~fringe & (spec.flow != "radial"))


def _gather_sides(
    spec: GroomSpec, head: HeadField, roots: _Roots, length: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """As `_gather`, tied on one or on both sides."""
    if not spec.twin:
        return _gather(spec, head, roots, length, rng)
    left = roots.template[:, 0] > spec.parting
    path = np.zeros((len(length), POINTS, 3), np.float32)
    lengths = np.zeros(len(length), np.float32)
    for sign, half in ((1, left), (-1, ~left)):
        side = replace(spec, tie_side=sign * spec.tie_side)
        path[half], lengths[half] = _gather(side, head, roots.chosen(half), length[half], rng)
    return path, lengths


def _gather(
    spec: GroomSpec, head: HeadField, roots: _Roots, length: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(S, P, 3) strands that run to a tie behind the head and go on as tail or bun; (S,) their lengths."""
    count = len(length)
    flat = np.cos(spec.tie_angle)
    outward = np.array(
        [flat * np.sin(spec.tie_side), flat * np.cos(spec.tie_side), np.sin(spec.tie_angle)], np.float32
    )
    ray = HEAD_MIDDLE + np.linspace(0.03, 0.2, 120)[:, None] * outward
    tie = ray[int(np.argmax(head.obstacle_at(ray)[0] > 0.008))].astype(np.float32)
    level = np.sqrt(rng.random(count)).astype(np.float32)
    height = spec.lift * level
    at, direction = roots.position.copy(), roots.normal.copy()
    arrived = np.zeros(count, bool)
    steps = np.full(count, TIE_STEPS)
    path = [at.copy()]
    for k in range(TIE_STEPS):
        above, away = head.obstacle_at(at)
        toward = tie - at
        far = np.linalg.norm(toward, axis=1)
        now = (far < TIE_RADIUS) & ~arrived
        steps[now] = k
        arrived |= now
        tangent = toward - ((toward * away).sum(1) * (far > 0.04))[:, None] * away
        rise = np.clip((height - above) / LAYER_REACH, -1, 1)[:, None] * ramp(far, 0.03, 0.06)[:, None]
        keep = 0.45
        direction = float32_unit_vectors(
            direction * keep + float32_unit_vectors(float32_unit_vectors(tangent) + rise * away) * (1 - keep)
        )
        ahead = _pushed_out(at + TIE_STEP * direction, head, LEAST_HEIGHT + 0.3 * height)
        direction = float32_unit_vectors(ahead - at)
        at = np.where(arrived[:, None], at, at + TIE_STEP * direction)
        path.append(at.copy())
    whole = np.stack(path, 1)
    tail = _tail(spec, head, tie, outward, count, rng)
    if not tail.shape[1]:
        return _resampled(whole, steps.astype(np.float32)), (steps * TIE_STEP).astype(np.float32)
    # Behind the tie each strand goes on as its own strand of the tail.
    column = np.arange(TIE_STEPS + 1 + tail.shape[1])[None] - steps[:, None]
    index = np.arange(count)[:, None]
    joined = np.where(
        (column <= 0)[..., None],
        whole[index, np.clip(column + steps[:, None], 0, TIE_STEPS)],
        tail[index, np.clip(column - 1, 0, tail.shape[1] - 1)],
    )
    ends = tail.shape[1] * (1 - 0.15 * rng.random(count)) if spec.tail > 0 else tail.shape[1]
    used = (steps + ends).astype(np.float32)
    lost = ~arrived  # the few that did not find the way end where they are
    used[lost] = steps[lost]
    return _resampled(joined, used), (used * TIE_STEP).astype(np.float32)


def _tail(
    spec: GroomSpec,
    head: HeadField,
    tie: np.ndarray,
    outward: np.ndarray,
    count: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """(S, K, 3) strands behind the tie, a step of the growth apart."""
    if spec.bun_radius > 0:
        steps = int(np.ceil(2.5 * np.pi * spec.bun_radius / TIE_STEP))
        middle = tie + outward * spec.bun_radius * 0.8
        axis = float32_unit_vectors(rng.standard_normal((count, 3)) + 1.5 * outward)
        first = float32_unit_vectors(np.cross(axis, rng.standard_normal((count, 3))))
        second = np.cross(axis, first)
        radius = spec.bun_radius * rng.random(count)[:, None, None] ** (1 / 3)
        angle = (np.arange(steps) * TIE_STEP / spec.bun_radius)[None, :, None]
        angle = angle + rng.uniform(0, 2 * np.pi, (count, 1, 1))
        around = np.cos(angle) * first[:, None] + np.sin(angle) * second[:, None]
        return np.asarray(middle + radius * around, np.float32)
    steps = int(spec.tail / TIE_STEP)
    at, direction = tie.astype(np.float32), outward.copy()
    axis_path = []
    for _ in range(steps):
        direction = float32_unit_vectors(
            direction[None] + 0.22 * spec.gravity * np.array(spec.down, np.float32)
        )[0]
        at = at + TIE_STEP * direction
        at = _pushed_out(at[None], head, 0.6 * spec.tail_radius)[0]
        axis_path.append(at)
    if not axis_path:
        return np.zeros((count, 0, 3), np.float32)
    middle = np.stack(axis_path)
    along = np.gradient(middle, axis=0) if steps > 1 else np.repeat(direction[None], steps, 0)
    first = np.array([1.0, 0.0, 0.0], np.float32)
    second = float32_unit_vectors(np.cross(along, first))
    fraction = np.linspace(0, 1, steps)
    width = np.interp(fraction, [0, 0.08, 0.35, 0.8, 1], [0.35, 0.5, 1.0, 0.8, 0.45]) * spec.tail_radius
    width = width * (1 + spec.braid * np.cos(2 * np.pi * np.arange(steps) * TIE_STEP / BRAID_LENGTH))
    radius = np.sqrt(rng.random(count))[:, None, None]
    angle = rng.uniform(0, 2 * np.pi, (count, 1, 1))
    offset = np.cos(angle) * first + np.sin(angle) * second[None]
    return np.asarray(middle[None] + radius * width[None, :, None] * offset, np.float32)


def _clump(spec: GroomSpec, path: np.ndarray, roots: _Roots, rng: np.random.Generator) -> np.ndarray:
    """(S, P, 3) strands, drawn to that in the middle of their clump toward the tips."""
    count = len(path)
    if not count or spec.clumping <= 0:
        return path.copy()
    from scipy.spatial import cKDTree

    middles = rng.choice(count, min(spec.clumps, count), replace=False)
    nearest = middles[cKDTree(roots.template[middles]).query(roots.template)[1]]
    along = np.linspace(0, 1, path.shape[1], dtype=np.float32)[None, :, None]
    # Strands that part from their clump's middle, at a parting for example, are not drawn across.
    apart = np.linalg.norm(path[:, -1] - path[nearest, -1], axis=1)
    weight = spec.clumping * along**0.7 * ramp(apart, 0.08, 0.04)[:, None, None]
    return np.asarray(path + (path[nearest] - path) * weight, np.float32)


def _curl(
    spec: GroomSpec, points: np.ndarray, roots: _Roots, length: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """(S, P, 3) meters: offsets that make strands curl and frizz."""
    count = len(points)
    if not count:
        return np.zeros_like(points)
    along = np.linspace(0, 1, points.shape[1], dtype=np.float32)[None] * length[:, None]
    grown = ramp(along, 0.0, 0.04)[..., None]
    offset = spec.frizz * _frizz(along, rng) * grown
    if spec.curl_radius > 0:
        tangent = float32_unit_vectors(np.gradient(points, axis=1))
        first = float32_unit_vectors(np.cross(tangent, roots.normal[:, None] + 0.01))
        second = np.cross(tangent, first)
        phase = _smooth_noise(roots.template, rng, 0.02) * np.pi * 2 + rng.normal(0, 0.4, count)
        angle = 2 * np.pi * along / spec.curl_length + phase[:, None]
        radius = spec.curl_radius * (1 + 0.3 * rng.standard_normal(count))[:, None, None]
        turned = np.cos(angle)[..., None] * first + np.sin(angle)[..., None] * second
        offset = offset + radius * grown * turned
    return np.asarray(offset, np.float32)


def _frizz(along: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(S, P, 3) of unit variance: random waves along strands, which bend no faster than hair does.

    Args:
        along: (S, P) meters from the root.
        rng: Random numbers.
    """
    count = len(along)
    out = np.zeros((*along.shape, 3), np.float32)
    for _ in range(FRIZZ_WAVES):
        length = rng.uniform(*FRIZZ_LENGTH, (count, 1))
        phase = rng.uniform(0, 2 * np.pi, (count, 1))
        wave = np.sin(2 * np.pi * along / length + phase)
        out += wave[..., None] * rng.standard_normal((count, 1, 3))
    return np.asarray(out * np.sqrt(2 / FRIZZ_WAVES), np.float32)


def _smooth_noise(points: np.ndarray, rng: np.random.Generator, scale: float) -> np.ndarray:
    """(N,) about -1..1: random waves over space of about a scale, meters."""
    waves = rng.standard_normal((6, 3)) / scale
    phase = rng.uniform(0, 2 * np.pi, 6)
    return np.asarray(np.sin(points @ waves.T + phase).sum(1) / np.sqrt(6) / 1.2, np.float32)


def _pushed_out(points: np.ndarray, head: HeadField, least: np.ndarray | float) -> np.ndarray:
    """Points (N, 3), moved until they are at least so far (N,) from head and shoulders."""
    for _ in range(2):
        above, away = head.obstacle_at(points)
        points = points + np.maximum(least - above, 0)[:, None] * away
    return np.asarray(points, np.float32)


def _resampled(path: np.ndarray, used: np.ndarray) -> np.ndarray:
    """(S, P, 3): strands (S, T, 3) of so many steps (S,), with the same number of points on each."""
    at = np.linspace(0, 1, POINTS, dtype=np.float32)[None] * used[:, None]
    low = np.minimum(at.astype(int), path.shape[1] - 2)
    fraction = (at - low)[..., None]
    row = np.arange(len(path))[:, None]
    return np.asarray(path[row, low] * (1 - fraction) + path[row, low + 1] * fraction, np.float32)
