"""What MakeHuman's eyes lack: finer eyeballs, corneas, and the tear lines along the lower lids.

They are made of the template's eyeballs and lids when it is read, so that nothing that is trained or built
for the template depends on them: its vertices and quads stay the first ones, each quad of an eyeball becomes
the first of four, and what is new comes behind.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..geometry.mesh import unit_vectors
from ..geometry.sphere import Sphere, fit_sphere

#: A `topology.HeadTopology`, whose module imports this one.
Topology = Any
SIDES = ("left", "right")
#: How far outward of the direction that an eye looks in its iris lies, degrees (angle kappa): with irises in
#: the middle, eyes squint. By the irises that are detected in photos; a real eye's is about 5 degrees.
OUTWARD_DEG = 4.8
#: Angle between a cornea's axis and its rim, degrees: a little outside of the painted iris (20 degrees).
CORNEA_RIM_DEG = 23.0
#: How far a cornea stands out of the eyeball, of its radius. MakeHuman's eyeballs are larger than real ones,
#: and a real cornea, 2.5 mm high, would come through the closed lid.
CORNEA_HEIGHT = 0.08
#: How far a cornea's rim lies out of the eyeball, of its radius.
CORNEA_RIM_HEIGHT = 0.004
#: Quads along each side of the square that becomes a cornea.
CORNEA_GRID = 8
#: How far up the eyeball a tear line reaches from the lid, of the eyeball's radius: 0.9 mm.
TEAR_HEIGHT = 0.054
#: The same where it ends, of that, and the fraction of the lid's length over which it narrows.
TEAR_END = 0.25
TEAR_NARROWS = 0.16
#: Height of a tear line's upper edge over the eyeball, of its radius.
TEAR_EDGE_HEIGHT = 0.003
#: Rows of vertices across a tear line.
TEAR_ROWS = 3
#: Places in the strip below the skin of the template's own UV map, and in MakeHuman's: left, bottom, width
#: and height.
OWN_PLACES = {
    "cornea_left": (0.704, 0.010, 0.040, 0.040),
    "cornea_right": (0.704, 0.054, 0.040, 0.040),
    "tears_left": (0.704, 0.100, 0.040, 0.014),
    "tears_right": (0.704, 0.120, 0.040, 0.014),
}
MAKEHUMAN_PLACES = {
    "cornea_left": (0.020, 0.020, 0.100, 0.100),
    "cornea_right": (0.140, 0.020, 0.100, 0.100),
    "tears_left": (0.020, 0.140, 0.220, 0.030),
    "tears_right": (0.020, 0.190, 0.220, 0.030),
}


def iris_axis(name: str) -> np.ndarray:
    """Where the middle of an eye's iris is.

    Args:
        name: The part, "eye_left" or "eye_right".

    Returns:
        (3,) unit vector from the eyeball's center, of an eye that looks straight ahead, head frame.
    """
    angle = np.radians(OUTWARD_DEG) * (1 if name == "eye_left" else -1)
    return np.array([np.sin(angle), -np.cos(angle), 0.0])


def cornea_points(ball: Sphere, side: str) -> tuple[np.ndarray, np.ndarray]:
    """A cornea: a spherical cap on the eyeball, flatter than it is wide.

    Args:
        ball: The eyeball.
        side: "left" or "right".

    Returns:
        ((n + 1)², 3) points, head frame, meters, row by row of a square of n x n quads that is mapped to a
        disk (Shirley and Chiu, A low distortion map between disk and square, 1997), and their places in the
        square, (.., 2), 0 to 1.
    """
    steps = np.linspace(-1, 1, CORNEA_GRID + 1)
    a, b = np.meshgrid(steps, steps)
    wide = np.abs(a) > np.abs(b)
    with np.errstate(divide="ignore", invalid="ignore"):
        around = np.where(wide, np.pi / 4 * b / a, np.pi / 2 - np.pi / 4 * a / b)
    radius = np.where(wide, a, b)
    around = np.where(radius == 0, 0.0, around)
    x, z = radius * np.cos(around), radius * np.sin(around)
    rim = np.radians(CORNEA_RIM_DEG)
    edge = 1 + CORNEA_RIM_HEIGHT
    width, low, top = edge * np.sin(rim), edge * np.cos(rim), 1 + CORNEA_HEIGHT
    curvature = (width**2 + (top - low) ** 2) / (2 * (top - low))
    lateral = np.hypot(x, z) * width
    height = top - curvature + np.sqrt(curvature**2 - lateral**2)
    axis = iris_axis(f"eye_{side}")
    up = np.array([0.0, 0.0, 1.0])
    across = np.cross(up, axis)  # +x of an eye that looks along -y
    points = height[..., None] * axis + (x * width)[..., None] * across + (z * width)[..., None] * up
    places = (np.stack([a, b], -1).reshape(-1, 2) + 1) / 2
    return ball.center + ball.radius * points.reshape(-1, 3), places


def tear_points(rim: np.ndarray, ball: Sphere) -> np.ndarray:
    """A tear line: the tears' concave surface between a lower lid's rim and the eyeball.

    Args:
        rim: (n, 3) the lower lid's rim from corner to corner, head frame, meters.
        ball: The eyeball.

    Returns:
        (TEAR_ROWS, n, 3) points: the first row on the rim, the last on the eyeball.
    """
    outward = rim - ball.center
    along = np.gradient(rim, axis=0)
    up = np.cross(outward, along)
    up = unit_vectors(up, 1e-12)
    up *= np.sign((up[:, 2]).sum())
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(rim, axis=0), axis=1))])
    length /= length[-1]
    end = np.clip(np.minimum(length, 1 - length) / TEAR_NARROWS, 0, 1)
    width = TEAR_END + (1 - TEAR_END) * np.sin(end * np.pi / 2)
    foot = outward / np.linalg.norm(outward, axis=1, keepdims=True)
    edge = foot + up * (TEAR_HEIGHT * width)[:, None]
    edge = edge / np.linalg.norm(edge, axis=1, keepdims=True) * (ball.radius * (1 + TEAR_EDGE_HEIGHT))
    foot = foot * ball.radius
    t = np.linspace(0, 1, TEAR_ROWS)[:, None, None]
    # Bézier curves that are tangent to the lid's margin and to the eyeball.
    return ball.center + (1 - t) ** 2 * outward + 2 * t * (1 - t) * foot + t**2 * edge


def lower_rim(vertices: np.ndarray, loop: np.ndarray) -> np.ndarray:
    """The vertices of a lower lid's rim, with both corners, from the smallest x to the largest.

    Args:
        vertices: (V, 3) of the average head, head frame, meters.
        loop: (L,) int, in order around the eye's opening.
    """
    x = vertices[loop, 0]
    order = np.roll(loop, -int(x.argmin()))
    turn = int(vertices[order, 0].argmax())
    halves = (order[: turn + 1], np.append(order[turn:], order[0])[::-1])
    return min(halves, key=lambda half: float(vertices[half[1:-1], 2].mean()))


def with_eye_surfaces(topology: Topology) -> Topology:
    """Add the corneas and tear lines to a template, and make its eyeballs finer.

    Args:
        topology: Of the template alone.

    Returns:
        The topology of heads.
    """
    builder = _Builder(topology)
    eyes = [_Eye.of(topology, side) for side in SIDES]
    for eye in eyes:
        builder.refine_eyeball(eye)
    for eye in eyes:
        builder.add_cornea(eye)
    for eye in eyes:
        builder.add_tears(eye)
    return builder.finish()


@dataclass(frozen=True)
class _Eye:
    """One eye of a template.

    Attributes:
        side: "left" or "right".
        index: (n,) vertices of the eyeball.
        ball: The eyeball.
        blendshapes: (4, 52 * 3), what the blendshapes do near the eyeball as a linear function of
            (x, y, z, 1), which rotations and scalings are.
        identity: (4, K * 3), the same of the shape model.
    """

    side: str
    index: np.ndarray
    ball: Sphere
    blendshapes: np.ndarray
    identity: np.ndarray

    @classmethod
    def of(cls, topology: Topology, side: str) -> "_Eye":
        index = topology.vertices_of(f"eye_{side}")
        points = topology.vertices[index].astype(np.float64)
        known = np.column_stack([points, np.ones(len(points))])

        def fit(offsets: np.ndarray) -> np.ndarray:
            flat = offsets[:, index].transpose(1, 0, 2).reshape(len(index), -1)
            return np.linalg.lstsq(known, flat, rcond=None)[0]

        return cls(side, index, fit_sphere(points), fit(topology.blendshapes), fit(topology.identity))

    def offsets(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of points (n, 3), what the blendshapes (52, n, 3) and the shape model (K, n, 3) do."""
        known = np.column_stack([points, np.ones(len(points))])
        shapes, identity = (
            (known @ linear).reshape(len(points), -1, 3).transpose(1, 0, 2)
            for linear in (self.blendshapes, self.identity)
        )
        return shapes, identity


@dataclass(frozen=True)
class _Vertices:
    """Vertices that are added, those of the left eye before those of the right one.

    Attributes:
        points: (n, 3), head frame, meters.
        origin: (n,) vertices of the template.
        offsets: What the blendshapes (52, n, 3) and the shape model (K, n, 3) do.
    """

    points: np.ndarray
    origin: np.ndarray
    offsets: tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class _Quads:
    """Quads that are added: vertices and coordinates of both UV maps, (n, 4) each, and part, (n,)."""

    vertices: np.ndarray
    uv: np.ndarray
    second_uv: np.ndarray
    part: np.ndarray


@dataclass
class _Builder:
    """Collects what is added to a template."""

    base: Topology
    vertices: list[_Vertices] = field(default_factory=list)
    quads: list[_Quads] = field(default_factory=list)
    part_names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with copies of what is changed."""
        base = self.base
        self.own_quads = _Quads(
            base.quads.copy(), base.quad_uv.copy(), base.second_quad_uv.copy(), base.face_part
        )
        self.uv, self.second_uv = [base.uv], [base.second_uv]
        self.corners = np.arange(4 * len(base.quads))

    def refine_eyeball(self, eye: _Eye) -> None:
        """Cut each quad of an eyeball in four, whose new corners lie on the round surface between."""
        base, own = self.base, self.own_quads
        faces = base.faces_of(f"eye_{eye.side}")
        split = _Split.of(base.quads[faces], self._vertex_count)
        maps = []
        for corners, uv in ((base.quad_uv, self.uv), (base.second_quad_uv, self.second_uv)):
            flat = _Split.of(corners[faces], sum(len(group) for group in uv))
            maps.append(flat.children)
            uv.append(flat.means(uv[0]).astype(np.float32))
        slots = len(base.quads) + self._quad_count + np.arange(3 * len(faces)).reshape(-1, 3)
        for k in range(1, 4):
            self.corners[4 * faces + k] = 4 * slots[:, k - 1]
        own.vertices[faces] = split.children[:, 0]
        own.uv[faces], own.second_uv[faces] = maps[0][:, 0], maps[1][:, 0]
        quads, own_uv, second_uv = (group[:, 1:].reshape(-1, 4) for group in (split.children, *maps))
        self.quads.append(_Quads(quads, own_uv, second_uv, np.repeat(base.face_part[faces], 3)))
        outward = base.vertices.astype(np.float64) - eye.ball.center
        radius = split.means(np.linalg.norm(outward, axis=1)[:, None])
        points = split.means(outward)
        points = eye.ball.center + points / np.linalg.norm(points, axis=1, keepdims=True) * radius
        self.vertices.append(_Vertices(points, split.first_corners, eye.offsets(points)))

    def add_cornea(self, eye: _Eye) -> None:
        """Add the part cornea_left or cornea_right, which moves with the eyeball."""
        points, places = cornea_points(eye.ball, eye.side)
        self._add_grid(f"cornea_{eye.side}", (CORNEA_GRID + 1, CORNEA_GRID + 1), places)
        origin = np.full(len(points), eye.index[0])
        self.vertices.append(_Vertices(points, origin, eye.offsets(points)))

    def add_tears(self, eye: _Eye) -> None:
        """Add the part tears_left or tears_right, which moves with the lower lid."""
        base = self.base
        rim = lower_rim(base.vertices, base.lid_left if eye.side == "left" else base.lid_right)
        rows = tear_points(base.vertices[rim].astype(np.float64), eye.ball)
        v, u = np.meshgrid(np.linspace(0, 1, TEAR_ROWS), np.linspace(0, 1, len(rim)), indexing="ij")
        self._add_grid(f"tears_{eye.side}", v.shape, np.stack([u, v], -1).reshape(-1, 2))
        origin = np.tile(rim, TEAR_ROWS)
        offsets = base.blendshapes[:, origin], base.identity[:, origin]
        self.vertices.append(_Vertices(rows.reshape(-1, 3), origin, offsets))

    def finish(self) -> Topology:
        """The topology with all that was added."""
        base, own, count = self.base, self.own_quads, len(self.base.vertices)
        points = np.concatenate([group.points for group in self.vertices])
        origin = np.concatenate([group.origin for group in self.vertices])
        shapes, identity = (np.concatenate([group.offsets[k] for group in self.vertices], 1) for k in (0, 1))

        def joined(first: np.ndarray, name: str) -> np.ndarray:
            return np.concatenate([first, *(getattr(group, name) for group in self.quads)]).astype(
                first.dtype
            )

        return replace(
            base,
            vertices=np.concatenate([base.vertices, points.astype(np.float32)]),
            quads=joined(own.vertices, "vertices"),
            uv=np.concatenate(self.uv),
            quad_uv=joined(own.uv, "uv"),
            second_uv=np.concatenate(self.second_uv),
            second_quad_uv=joined(own.second_uv, "second_uv"),
            face_part=joined(own.part, "part"),
            part_names=(*base.part_names, *self.part_names),
            mirror=np.concatenate([base.mirror, count + _mirror_images(points)]).astype(np.int32),
            blendshapes=np.concatenate([base.blendshapes, shapes.astype(np.float32)], 1),
            identity=np.concatenate([base.identity, identity.astype(np.float32)], 1),
            openness=np.concatenate([base.openness, base.openness[origin]]),
            thickness=np.concatenate([base.thickness, base.thickness[origin]]),
            origin=np.concatenate([base.origin, origin]).astype(np.int32),
            template_corners=self.corners.astype(np.int32),
        )

    @property
    def _vertex_count(self) -> int:
        return len(self.base.vertices) + sum(len(group.points) for group in self.vertices)

    @property
    def _quad_count(self) -> int:
        return sum(len(group.part) for group in self.quads)

    def _add_grid(self, name: str, shape: tuple[int, ...], places: np.ndarray) -> None:
        """Add the quads of rows of vertices that come next, and their texture coordinates, as a part."""
        grid = np.arange(shape[0] * shape[1]).reshape(shape)
        quads = np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], -1).reshape(-1, 4)
        maps = []
        for uv, layout in ((self.uv, OWN_PLACES), (self.second_uv, MAKEHUMAN_PLACES)):
            left, bottom, width, height = layout[name]
            maps.append(quads + sum(len(group) for group in uv))
            uv.append((places * (width, height) + (left, bottom)).astype(np.float32))
        self.part_names.append(name)
        part = len(self.base.part_names) + len(self.part_names) - 1
        self.quads.append(_Quads(quads + self._vertex_count, maps[0], maps[1], np.full(len(quads), part)))


@dataclass(frozen=True)
class _Split:
    """Quads cut in four: of corners (n, 4), which are indices of anything, the middles of edges and quads are
    new ones.

    Attributes:
        corners: (n, 4) before.
        edges: (E, 2) pairs of corners that have a middle.
        children: (n, 4, 4) corners after: child k has corner k of its parent first.
    """

    corners: np.ndarray
    edges: np.ndarray
    children: np.ndarray

    @classmethod
    def of(cls, corners: np.ndarray, first: int) -> "_Split":
        """Cut quads; new corners are numbered from `first` on, edges' middles before quads'."""
        pairs = np.sort(np.stack([corners, np.roll(corners, -1, 1)], -1), -1).reshape(-1, 2)
        edges, inverse = np.unique(pairs, axis=0, return_inverse=True)
        between = first + inverse.reshape(-1, 4)
        middle = np.repeat(first + len(edges) + np.arange(len(corners))[:, None], 4, 1)
        children = np.stack([corners, between, middle, np.roll(between, 1, 1)], -1)
        return cls(corners, edges, children)

    @property
    def first_corners(self) -> np.ndarray:
        """(E + n,) one of the corners that each new one lies between."""
        return np.concatenate([self.edges[:, 0], self.corners[:, 0]])

    def means(self, values: np.ndarray) -> np.ndarray:
        """(E + n, C) means of the corners' values (N, C), at the new corners."""
        return np.concatenate([values[self.edges].mean(1), values[self.corners].mean(1)])


def _mirror_images(points: np.ndarray) -> np.ndarray:
    """(n,) int, for each of points (n, 3) that are symmetric the one that is its mirror image."""
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(points).query(points * (-1, 1, 1))[1])
