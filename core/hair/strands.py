"""Strands: grown from roots on the scalp through the volume, along the flow."""

from dataclasses import dataclass, replace

import numpy as np

from ..geometry.mesh import even_barycentric, lengths, perpendicular_part, row_dot, unit_vectors
from ..geometry.visibility import ramp
from .flow import Flow, float32_unit_vectors
from .grid import Grid
from .scalp import Scalp
from .skin import Skin
from .volume import HairVolume

#: Step of the growth, meters, and the most steps: a meter of hair.
STEP = 0.006
MOST_STEPS = 110
#: Presence of hair from which on strands have roots.
ROOT_PRESENCE = 0.45
#: Height over a root, meters, at which there must be hair.
ROOT_HEIGHT = 0.0012
#: Depth below the hair's surface, meters, at which strands turn along it.
TURN_DEPTH = 0.0012
#: How fast strands turn to how far out they want to be, by how far they are from it, of the hair's thickness,
#: and the least thickness that counts, meters.
RISE = 2.5
LEAST_THICKNESS = 1e-4
#: Steps in which strands leave the skin along its normal, and do not end.
ROOT_STEPS = 2
#: Depth below the hair's surface, meters, that a step must not leave: else it slides along the surface.
LEAST_DEPTH = 0.0005
#: Depth that sliding strands are drawn to, and how far outside they may get before they end, meters.
SLIDING_DEPTH = 0.001
MOST_OUTSIDE = 0.0015
#: Fraction of a step that runs along the surface below which a strand ends: it runs out of the hair.
LEAST_PACE = 0.35
#: Lengths below this are none.
LEAST_LENGTH = 1e-6
#: Shortest strand, meters.
SHORTEST = 0.008
#: How many times longer than it is thick hair is that lies on the head and does not hang, and the least
#: thickness that counts, of the head's.
LYING_FACTOR = 3.0
LEAST_LYING = 0.5
#: Steps over roots, meters, in which hair is asked for, and how many: its thickness there.
THICKNESS_STEP = 0.002
THICKNESS_STEPS = 24
#: Spread of the lengths, of the whole.
LENGTH_SPREAD = 0.12
#: Cosine between a strand and the flow below which it ends: it would only go around inside the hair.
LEAST_COURSE = 0.3
#: Weight of the new direction in a step; the rest is inertia, which makes strands smooth.
TURNING = 0.45


@dataclass(frozen=True)
class Curl:
    """How strands curl: radius and length of a turn, meters, and the points that a strand needs for it."""

    radius: float
    turn: float
    points: int


#: The curl of each word for it (`style.CURL_LIMITS`); straight strands have none.
CURL_SHAPES = {"wavy": Curl(0.003, 0.06, 24), "curly": Curl(0.005, 0.028, 40)}
#: Distances from the root, meters, over which curls begin; most of a strand's length that they reach aside.
CURL_FROM = (0.002, 0.02)
MOST_CURL = 0.15
#: Length, meters, up to which strands have smaller curls: tight ones draw hair together; the smallest.
FULL_CURL = 0.12
SMALLEST_CURL = 0.35
#: Points of a turn, at least: longer strands than these are enough for turn more slowly.
TURN_POINTS = 5
#: Strands whose roots are this near, meters, curl together; how far they differ, radians.
LOCK_SIZE = 0.015
LOCK_SPREAD = 0.5
#: Where locks begin to wind from: forward, which few roots point to.
AHEAD = np.array([0.2, -1.0, 0.1], np.float32)
#: Waves that the phase of locks is made of.
LOCK_WAVES = 6


@dataclass(frozen=True)
class Guides:
    """Strands as they grew.

    Attributes:
        points: (S, P, 3) float32, equally far from each other along a strand, the root first.
        length: (S,) float32, meters.
        level: (S,) float32 0..1, how far out in the hair each runs.
        root_vertices: (S, 3) int32, vertices of the head.
        root_barycentric: (S, 3) float32.
        root_uv: (S, 2) float32, in the head's texture coordinates.
    """

    points: np.ndarray
    length: np.ndarray
    level: np.ndarray
    root_vertices: np.ndarray
    root_barycentric: np.ndarray
    root_uv: np.ndarray

    def chosen(self, index: np.ndarray) -> "Guides":
        """Some of the strands.

        Args:
            index: (N,) int, or (G,) bool.

        Returns:
            The strands chosen.
        """
        return Guides(
            self.points[index],
            self.length[index],
            self.level[index],
            self.root_vertices[index],
            self.root_barycentric[index],
            self.root_uv[index],
        )


def sample_roots(
    skin: Skin, scalp: Scalp, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Roots, evenly by area where hair grows.

    Args:
        skin: Of the head.
        scalp: The hair on it.
        count: How many.
        rng: Random numbers.

    Returns:
        (count,) int indices of the skin's triangles and (count, 3) float32 barycentric coordinates; both
        empty where no hair grows.
    """
    triangles = skin.triangles
    corners = skin.vertices[triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    presence = scalp.roots[triangles].mean(1)
    area = area * np.clip((presence - ROOT_PRESENCE) / 0.2, 0, 1)
    if area.sum() <= 0:
        return np.zeros(0, int), np.zeros((0, 3), np.float32)
    # One random number for each of as many equal parts of the area: evener than independent ones.
    at = (rng.permutation(count) + rng.random(count)) / count
    triangle = np.searchsorted(np.cumsum(area) / area.sum(), at).clip(0, len(area) - 1)
    return triangle, even_barycentric(*rng.random((2, count))).astype(np.float32)


@dataclass(frozen=True)
class GrowingHair:
    """What strands grow in.

    Attributes:
        volume: What they fill.
        flow: Their direction.
        skin: Of the head.
        scalp: The hair on it.
        lying: Thickness of hair that hangs nowhere, meters, its median: it is not much longer than it is
            thick above its roots, though the flow goes on from the forehead to the nape. None of hair that
            hangs.
    """

    volume: HairVolume
    flow: Flow
    skin: Skin
    scalp: Scalp
    lying: float | None = None

    def most_lengths(self, roots: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """How long strands are at most.

        Args:
            roots: (S, 3) on the skin, head frame, meters.
            normals: (S, 3) the skin's unit normals there.

        Returns:
            (S,) meters, infinite where hair hangs.
        """
        if self.lying is None:
            return np.full(len(roots), np.inf, np.float32)
        up = THICKNESS_STEP * np.arange(1, THICKNESS_STEPS + 1, dtype=np.float32)[:, None, None]
        above = (roots + up * normals).reshape(-1, 3).astype(np.float32)
        inside = (self.volume.grid.sample(self.volume.field, above) > 0).reshape(THICKNESS_STEPS, -1)
        thickness = THICKNESS_STEP * np.logical_and.accumulate(inside, axis=0).sum(0)
        return np.asarray(LYING_FACTOR * np.maximum(thickness, LEAST_LYING * self.lying), np.float32)


def grow(hair: GrowingHair, count: int, points: int, seed: int, levels: tuple[float, ...] = ()) -> Guides:
    """Grow strands.

    Args:
        hair: What they grow in.
        count: How many to try; a few come out too short.
        points: Of each.
        seed: Of the random numbers.
        levels: How far out in the hair they run, 0..1, each as often; by default anywhere.

    Returns:
        The strands.
    """
    rng = np.random.default_rng(seed)
    volume, skin = hair.volume, hair.skin
    triangle, barycentric = sample_roots(skin, hair.scalp, count, rng)
    vertices = skin.triangles[triangle].astype(np.int32)
    roots = np.einsum("nk,nkc->nc", barycentric, skin.vertices[vertices]).astype(np.float32)
    normals = np.einsum("nk,nkc->nc", barycentric, skin.normals[vertices]).astype(np.float32)
    # The head's vertices are too far apart for the hairline: the volume has it.
    covered = volume.grid.sample(volume.field, roots + np.float32(ROOT_HEIGHT) * normals) > 0
    triangle, barycentric, vertices = triangle[covered], barycentric[covered], vertices[covered]
    roots, normals = roots[covered], normals[covered]
    uv = np.einsum("nk,nkc->nc", barycentric, skin.triangle_uv[triangle]).astype(np.float32)
    level = np.sqrt(rng.random(len(roots))).astype(np.float32)  # more of them outside, where they show
    if levels:
        level = np.resize(np.array(levels, np.float32), len(roots))
    longest = (1 - LENGTH_SPREAD * rng.random(len(roots))).astype(np.float32)
    path, steps = _paths(volume, hair.flow, roots, normals, level)
    length = np.minimum(steps * STEP, hair.most_lengths(roots, normals)) * longest
    kept = length > SHORTEST
    path, length = path[:, kept], length[kept]
    # The same number of points on each.
    at = np.linspace(0, 1, points, dtype=np.float32)[:, None] * (length / STEP)[None]
    low = np.minimum(at.astype(int), len(path) - 2)
    fraction = (at - low)[..., None].astype(np.float32)
    column = np.arange(len(length))
    even = path[low, column] * (1 - fraction) + path[low + 1, column] * fraction
    return Guides(
        np.ascontiguousarray(even.transpose(1, 0, 2)),
        length,
        level[kept],
        vertices[kept],
        barycentric[kept],
        uv[kept],
    )


def _paths(
    volume: HairVolume, flow: Flow, roots: np.ndarray, normals: np.ndarray, level: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(T, S, 3) positions after each step, the last repeated, and (S,) how many steps each strand grew."""
    # Depth, height over the skin and the depth's gradient, sampled together: one look-up instead of eight.
    gradient = np.gradient(volume.field, volume.grid.cell)
    fields = np.stack([volume.field, volume.skin, *gradient], -1).astype(np.float32)
    values = volume.grid.sample(fields, roots)
    at, direction = roots.copy(), normals.copy()
    alive = np.ones(len(roots), bool)
    steps = np.zeros(len(roots), int)
    path = [at.copy()]
    for _ in range(MOST_STEPS):
        on = np.flatnonzero(alive)
        if not len(on):
            break
        here = at[on]
        place = _Place.of(values[on])
        along = flow.at(here)
        upward = np.where((steps[on] < ROOT_STEPS)[:, None], normals[on], place.outward)
        new = unit_vectors(along + place.rise_to(level[on])[:, None] * upward, LEAST_LENGTH)
        new = unit_vectors(direction[on] * (1 - TURNING) + new * TURNING, LEAST_LENGTH)
        ahead, there, ended = _step_inside(volume.grid, fields, here, new, place)
        course = ahead - here
        ended |= row_dot(course, along) < LEAST_COURSE * STEP
        ended &= steps[on] >= ROOT_STEPS
        moved = on[~ended]
        at[moved], values[moved] = ahead[~ended], there[~ended]
        direction[moved] = unit_vectors(course, LEAST_LENGTH)[~ended]
        steps[moved] += 1
        alive[on[ended]] = False
        path.append(at.copy())
    if len(path) < 2:
        path.append(at.copy())
    return np.stack(path), steps


@dataclass(frozen=True)
class _Place:
    """Where the ends of strands are in the hair.

    Attributes:
        depth: (N,) float32 meters below the hair's surface.
        height: (N,) float32 meters over the skin, 0 in it.
        outward: (N, 3) float32 unit vectors out of the hair.
    """

    depth: np.ndarray
    height: np.ndarray
    outward: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "_Place":
        """From (N, 5) depths, heights and the depth's gradients."""
        return cls(values[:, 0], np.maximum(values[:, 1], 0), unit_vectors(-values[:, 2:], LEAST_LENGTH))

    def rise_to(self, level: np.ndarray) -> np.ndarray:
        """(N,) -1..1, how much strands turn outward that want to be this far (N,) out of the hair, 0..1."""
        fraction = self.height / np.maximum(self.height + self.depth, LEAST_THICKNESS)
        rise = np.clip((level - fraction) * RISE, -1, 1)
        limit = self.depth / TURN_DEPTH - 0.5
        return np.where(self.depth < TURN_DEPTH, np.minimum(rise, limit), rise)


def _step_inside(
    grid: Grid, fields: np.ndarray, here: np.ndarray, direction: np.ndarray, place: _Place
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A step from points (N, 3) in unit directions (N, 3), along the surface where it would lead out.

    Returns where to (N, 3), the fields (X, Y, Z, 5), depth first, there (N, 5), and whether the strand ends
    (N,): it runs out of the hair, or is outside anyway.
    """
    outward = place.outward
    ahead = here + STEP * direction
    there = grid.sample(fields, ahead)
    leaving = there[:, 0] < LEAST_DEPTH
    slide = direction - np.maximum(row_dot(direction, outward), 0)[:, None] * outward
    pace = lengths(slide)[:, None]
    lift = np.maximum(SLIDING_DEPTH - place.depth, 0)[:, None]
    slid = here + STEP * slide / np.maximum(pace, LEAST_LENGTH) - lift * outward
    ahead = np.where(leaving[:, None], slid, ahead)
    ended = leaving & (pace[:, 0] < LEAST_PACE)
    out = np.flatnonzero(leaving)
    there[out] = grid.sample(fields, ahead[out])
    ended[out] |= there[out, 0] < -MOST_OUTSIDE
    return ahead, there, ended


def curled(guides: Guides, curl: Curl, seed: int) -> Guides:
    """Strands that wind around where they ran, in locks: neighbors turn alike.

    Args:
        guides: As they grew.
        curl: Of the style.
        seed: Of the random numbers.

    Returns:
        The strands, with `curl.points` points each; roots stay where they are.
    """
    count, given = guides.points.shape[:2]
    if not count:
        return guides
    rng = np.random.default_rng(seed)
    at = np.linspace(0, given - 1, curl.points, dtype=np.float32)
    low = np.minimum(at.astype(int), given - 2)
    fraction = (at - low)[:, None]
    path = guides.points[:, low] * (1 - fraction) + guides.points[:, low + 1] * fraction
    tangent = float32_unit_vectors(np.gradient(path, axis=1))
    # A frame that turns no more than the strand does, carried along from the root.
    side = np.empty_like(path)
    carried = float32_unit_vectors(np.cross(tangent[:, 0], AHEAD))
    for k in range(curl.points):
        carried = float32_unit_vectors(perpendicular_part(carried, tangent[:, k]))
        side[:, k] = carried
    along = np.linspace(0, 1, curl.points, dtype=np.float32) * guides.length[:, None]
    size = np.clip(guides.length / FULL_CURL, SMALLEST_CURL, 1)
    turn = np.maximum(curl.turn * size, guides.length * TURN_POINTS / curl.points)[:, None]
    angle = 2 * np.pi * along / turn + _lock_phase(guides.points[:, 0], rng)[:, None]
    radius = np.minimum(curl.radius * size, MOST_CURL * guides.length)[:, None] * ramp(along, *CURL_FROM)
    wound = np.cos(angle)[..., None] * side + np.sin(angle)[..., None] * np.cross(tangent, side)
    return replace(guides, points=(path + radius[..., None] * wound).astype(np.float32))


def _lock_phase(roots: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(S,) radians: smooth over the scalp, a little different from strand to strand."""
    waves = rng.standard_normal((LOCK_WAVES, 3)) / LOCK_SIZE
    smooth = np.sin(roots @ waves.T + rng.uniform(0, 2 * np.pi, LOCK_WAVES)).sum(1)
    return np.asarray(np.pi * smooth / np.sqrt(LOCK_WAVES) + LOCK_SPREAD * rng.standard_normal(len(roots)))
