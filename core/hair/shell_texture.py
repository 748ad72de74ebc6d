"""The shell's texture: flat charts of its outside, colored from the photo, completed with painted strands."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

from ..geometry.mesh import connected_pieces, unit_vectors
from ..geometry.rasterize import fragments, interpolate
from ..geometry.visibility import ramp
from ..texture.padding import padded, padding_texels
from .coloring import HairColors
from .flow import Flow
from .groom import HairShell, RimTexels
from .hair_picture import HairPicture
from .hairline import rim_cover
from .rim import Rim
from .shell_mesh import ShellMesh
from .skin import Skin

#: Directions that charts are seen from, and their two axes in the head frame, u to the right, v up.
DIRECTIONS = np.array([[0, -1, 0], [0, 1, 0], [1, 0, 0], [-1, 0, 0], [0, 0, 1], [0, 0, -1]], float)
AXES_U = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [1, 0, 0], [1, 0, 0]], float)
AXES_V = np.array([[0, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, 1], [0, 1, 0], [0, -1, 0]], float)
#: Charts of each direction: what is hidden behind other hair has one of its own.
LAYERS = 2
#: Distance, meters, from which on hair behind hair is hidden; and the side of the cells that are looked at.
HIDDEN_BEHIND = 0.008
HIDDEN_CELL = 0.001
#: A triangle is hidden if more than this part of it is.
HIDDEN_PART = 0.1
#: Fewer hidden triangles beside each other than this stay in the chart of what hides them.
FEWEST_HIDDEN = 6
#: Rounds of smoothing of the normals that charts are chosen by.
CHART_SMOOTHING = 4
#: Space around charts, texels.
PADDING = 6
#: Side of the dark corner of the texture that the inner side has, texels, and of the one to its left, which
#: has the typical color.
DARK_CORNER = 8
#: Distance from the rim, meters, up to which the inner side has the latter: it may come out of the skin.
AT_RIM = 0.012
#: Lightness of the inner side, of the typical color.
INNER_LIGHTNESS = 0.35
#: Painted strands and locks: sides of the pictures of noise, steps of the line integral to each side, texels
#: a step.
STREAK_SIDES = (512, 128)
STREAK_STEPS = 8
STREAK_STEP = 1.7
#: Lengths of hair, meters, between which it lies in locks: shorter hair is fur,
LOCK_LENGTHS = (0.015, 0.05)
#: and up to which its dots are finer than curls, down to this part of their size.
FINE_LENGTH = 0.03
LEAST_DOTS = 0.5
#: Values of the noise, and what the numbers of cells are multiplied with for their hash.
HASHED = 65_521
HASH_PRIMES = np.array([73_856_093, 19_349_663, 83_492_791])
#: Contrast of painted strands, of that in the photo.
CONTRAST_GAIN = 0.9
#: Standard deviations of the noise that curls are painted with, pixels of that picture: fine and coarse.
CURL_SIGMAS = (1.2, 4.5)
#: How much of the locks' contrast curls take: where hair runs in no direction, locks would be blotches.
CURL_LOCK_LOSS = 0.75
#: Distance from the rim, meters, up to which strands are painted across it, and how far at most: along it
#: they would be islands.
ACROSS_RIM = 0.014
STRANDS_ACROSS = 2.0


@dataclass(frozen=True)
class StrandLook:
    """How strands look that no photo shows.

    Attributes:
        curls: 0 (lines) to 1 (curls).
        length: Of the hair, meters: painted strands are no longer.
    """

    curls: float = 0.0
    length: float = np.inf


@dataclass(frozen=True)
class UnwrappedShell:
    """A shell's mesh with texture coordinates; vertices are repeated where charts meet.

    Attributes:
        source: (N,) int, the vertex of the mesh that each came from.
        triangles: (M, 3) int32, into them.
        texels: (N, 2) float64, x and y in the texture.
        chart: (N,) int, direction + len(DIRECTIONS) * layer; -1 on the inner side.
    """

    source: np.ndarray
    triangles: np.ndarray
    texels: np.ndarray
    chart: np.ndarray

    @property
    def direction(self) -> np.ndarray:
        """(N,) int into DIRECTIONS; any on the inner side."""
        return np.maximum(self.chart, 0) % len(DIRECTIONS)


@dataclass(frozen=True)
class ShellSamples:
    """An unwrapped shell, and what the photos show of it: what its texture needs before the style is known.

    Attributes:
        mesh: The shell.
        unwrapped: Its charts.
        texels: Of its texture.
        visibility: (N, L) 0..1, how far each photo shows the vertices of `unwrapped`.
        smooth: (N, 3) float32, their colors without strands, sRGB 0..255.
        visible: (T, 1) 0..1, how far the texels are seen.
        seen: (T, 3) float32, their colors in the photos.
        own: (T, 1) float32 0..1, how far those have the photos' strands, see `HairPicture.own`.
    """

    mesh: ShellMesh
    unwrapped: UnwrappedShell
    texels: "ShellTexels"
    visibility: np.ndarray
    smooth: np.ndarray
    visible: np.ndarray
    seen: np.ndarray
    own: np.ndarray

    @classmethod
    def of(cls, mesh: ShellMesh, colors: HairColors, size: int) -> "ShellSamples":
        """Unwrap a shell, and look at it in the photos.

        Args:
            mesh: The shell.
            colors: Of the hair.
            size: Side of the texture, texels.
        """
        unwrapped = unwrap(mesh, size)
        vertices, normals = mesh.vertices[unwrapped.source], mesh.normals[unwrapped.source]
        outer = unwrapped.triangles[(unwrapped.chart[unwrapped.triangles] >= 0).all(1)]
        visibility = colors.visibility(vertices, normals) * (unwrapped.chart >= 0)[:, None]
        texels = ShellTexels(size, vertices, outer, *_outermost(unwrapped, vertices, outer, size))
        visible = texels.values(visibility)
        seen = colors.photo_at(texels.points, visible)
        own = colors.own_at(texels.points, visible)
        visible = visible.sum(1, keepdims=True)
        return cls(
            mesh=mesh,
            unwrapped=unwrapped,
            texels=texels,
            visibility=visibility,
            smooth=colors.at(vertices, visibility),
            visible=visible * ramp(visible, 0.0, 0.5),
            seen=seen,
            own=own,
        )


def texture_shell(
    samples: ShellSamples,
    colors: HairPicture,
    flow: Flow | None,
    seed: int,
    skin: Skin | None = None,
    look: StrandLook = StrandLook(),
) -> HairShell:
    """Paint a shell's texture.

    Args:
        samples: The shell, and what the photos show of it.
        colors: The hair's typical color, and how much it varies.
        flow: Its direction; None for what has no strands.
        seed: Of the noise that strands are drawn from.
        skin: What is seen between the hairs at the rim; None for what has no strands.
        look: Of the strands.

    Returns:
        The shell.
    """
    mesh, unwrapped, texels = samples.mesh, samples.unwrapped, samples.texels
    size = texels.size
    painted, seen = texels.values(samples.smooth), samples.seen
    rim = None
    if flow is not None:
        soft = mesh.rim if skin is not None else None
        fine, coarse = _strands(texels, unwrapped, flow, soft, seed, look)
        in_locks = (1 - CURL_LOCK_LOSS * look.curls) * ramp(np.array(look.length), *LOCK_LENGTHS)
        lock_contrast = float(in_locks) * colors.lock_contrast
        detail = CONTRAST_GAIN * colors.contrast * fine + lock_contrast * coarse
        painted = np.clip(painted * np.exp(detail)[:, None], 0, 255)
        # What the photo shows mixed with the background has the smooth color of hair near it: as it is, it
        # would look like plastic between photographed and painted strands.
        seen = np.clip(seen * np.exp(detail[:, None] * (1 - samples.own)), 0, 255)
        if soft is not None and skin is not None:
            rim = _skin_between(texels, fine, soft, skin)
    image = np.zeros((size, size, 3), np.float32)
    image[:] = colors.typical
    image.reshape(-1, 3)[texels.texel] = painted * (1 - samples.visible) + seen * samples.visible
    image = texels.padded(image)
    image[-DARK_CORNER:, -2 * DARK_CORNER :] = colors.typical
    image[-DARK_CORNER:, -DARK_CORNER:] *= INNER_LIGHTNESS
    uv = np.stack([(unwrapped.texels[:, 0] + 0.5) / size, 1 - (unwrapped.texels[:, 1] + 0.5) / size], 1)
    return HairShell(
        vertices=texels.vertices.astype(np.float32),
        triangles=unwrapped.triangles,
        normals=mesh.normals[unwrapped.source].astype(np.float32),
        uv=uv.astype(np.float32),
        colors=np.clip(np.round(samples.smooth), 0, 255).astype(np.uint8),
        visibility=samples.visibility.sum(1).astype(np.float32),
        inner=unwrapped.chart < 0,
        inset=mesh.inset[unwrapped.source],
        texture=np.clip(np.round(image), 0, 255).astype(np.uint8),
        rim=rim,
    )


@dataclass(frozen=True)
class ShellTexels:
    """The texels of a shell's texture, and where on the shell each is.

    Attributes:
        size: Side of the texture, texels.
        vertices: (N, 3) of the shell, head frame, meters.
        outer: (M, 3) int32, triangles of its outside.
        triangle: (T,) int, of them, that each texel shows.
        texel: (T,) int, row * side + column.
        weights: (T, 3) float32, barycentric coordinates.
    """

    size: int
    vertices: np.ndarray
    outer: np.ndarray
    triangle: np.ndarray
    texel: np.ndarray
    weights: np.ndarray

    @cached_property
    def points(self) -> np.ndarray:
        """(T, 3) float32, head frame, meters."""
        return self.values(self.vertices)

    @cached_property
    def _from_vertices(self) -> csr_matrix:
        """(T, N) float32: values of vertices to values of texels."""
        columns = self.outer[self.triangle].ravel()
        starts = np.arange(0, len(columns) + 1, 3, dtype=columns.dtype)
        return csr_matrix((self.weights.ravel(), columns, starts), (len(self.texel), len(self.vertices)))

    @cached_property
    def _padding(self) -> tuple[np.ndarray, np.ndarray]:
        """See `padding_texels`."""
        return padding_texels(self.texel, self.size, PADDING)

    def values(self, of_vertices: np.ndarray) -> np.ndarray:
        """Values between vertices.

        Args:
            of_vertices: (N, C).

        Returns:
            (T, C) float32.
        """
        return np.asarray(self._from_vertices @ of_vertices.astype(np.float32))

    def padded(self, image: np.ndarray) -> np.ndarray:
        """Let the texels go on around the charts.

        Args:
            image: (S, S, C), changed in place.

        Returns:
            The image.
        """
        return padded(image, *self._padding)


def _strands(
    shown: ShellTexels,
    unwrapped: UnwrappedShell,
    flow: Flow,
    rim: Rim | None,
    seed: int,
    look: StrandLook,
) -> tuple[np.ndarray, np.ndarray]:
    """Fine and coarse noise along the hair, and across its rim.

    Args:
        shown: The texels.
        unwrapped: The shell's charts.
        flow: The hair's direction.
        rim: Of the shell, if hair begins softly there.
        seed: Of the noise.
        look: Of the strands.

    Returns:
        (T,) float32 of variance 1 each.
    """
    size = shown.size
    along = flow.at(shown.vertices)
    if rim is not None:
        across = _across_rim(rim, shown.vertices)
        along = along + across * np.where((along * across).sum(1) < 0, -1, 1)[:, None]
    field = np.zeros((size, size, 2), np.float32)
    field.reshape(-1, 2)[shown.texel] = shown.values(_in_charts(unwrapped, along))
    field = shown.padded(field)  # a line that leaves its chart goes on
    meters = _texel_size(unwrapped, shown.vertices, shown.outer)
    streaks = []
    for side in STREAK_SIDES:
        noise = _noise(shown.points, shown.texel, size, side, meters, seed)
        steps = look.length / 2 / (STREAK_STEP * meters * size / len(noise))
        dots = float(np.clip(look.length / FINE_LENGTH, LEAST_DOTS, 1))
        streaks.append(_streaks(field, noise, int(np.clip(steps, 1, STREAK_STEPS)), look.curls, dots))
    fine, coarse = (streak.ravel()[shown.texel] for streak in streaks)
    return fine, coarse


def _across_rim(rim: Rim, vertices: np.ndarray) -> np.ndarray:
    """(N, 3) float32: across the rim at vertices (N, 3) near it, longer the nearer; 0 far from it."""
    distance, nearest = rim.tree.query(vertices, distance_upper_bound=ACROSS_RIM)
    beyond = nearest == len(rim.points)
    weight = np.where(beyond, 0, 1 - distance / ACROSS_RIM)
    across = STRANDS_ACROSS * weight[:, None] * rim.inward[np.where(beyond, 0, nearest)]
    return across.astype(np.float32)


def _skin_between(shown: ShellTexels, fine: np.ndarray, rim: Rim, skin: Skin) -> RimTexels:
    """Where skin is seen between the hairs at the rim.

    Args:
        shown: The texels.
        fine: (T,) noise along the hair.
        rim: Of the shell.
        skin: Of the head.
    """
    near = rim.distance(shown.vertices, ACROSS_RIM) < ACROSS_RIM
    chosen = np.flatnonzero(shown.values(near[:, None])[:, 0] > 0)
    cover, triangle, weights = rim_cover(shown.points[chosen], fine[chosen], rim, skin)
    # How much of the skin, and which: texels around the charts show what the nearest one does.
    seen = np.zeros((shown.size, shown.size, 5), np.float32)
    seen.reshape(-1, 5)[shown.texel[chosen]] = np.column_stack([1 - cover, triangle, weights])
    return _rim_texels(shown.padded(seen).reshape(-1, 5))


def _rim_texels(seen: np.ndarray) -> RimTexels:
    """The texels (S * S, 5) where skin is seen, how much of it and which."""
    texel = np.flatnonzero(seen[:, 0] > 0)
    part = seen[texel]
    return RimTexels(texel, 1 - part[:, 0], part[:, 1].astype(np.int32), part[:, 2:])


def _outermost(
    unwrapped: UnwrappedShell, vertices: np.ndarray, outer: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What covers the texels of a texture: of triangles one behind the other, the one that is seen.

    Args:
        unwrapped: The shell's charts.
        vertices: (N, 3) of the shell, head frame, meters.
        outer: (T, 3) int, the triangles of its outside.
        size: Side of the texture, texels.

    Returns:
        (K,) the triangle, (K,) the texel, and (K, 3) float32 the barycentric coordinates.
    """
    triangle, texel, weights, _ = fragments(unwrapped.texels, outer, size)
    outward = (vertices * DIRECTIONS[unwrapped.direction]).sum(1, keepdims=True)
    chosen = np.full(size * size, -1, np.int64)
    chosen[texel] = np.arange(len(texel))
    several = np.flatnonzero(np.bincount(texel, minlength=size * size)[texel] > 1)
    nearness = interpolate(outward, outer, triangle[several], weights[several])[:, 0]
    several = several[np.argsort(-nearness, kind="stable")[::-1]]
    chosen[texel[several]] = several  # the last one, the outermost, stays
    texel = np.flatnonzero(chosen >= 0)
    return triangle[chosen[texel]], texel, weights[chosen[texel]].astype(np.float32)


def unwrap(mesh: ShellMesh, size: int) -> UnwrappedShell:
    """Lay the outside of a shell in flat charts, seen along the axes of the head.

    Args:
        mesh: The shell.
        size: Side of the texture, texels.

    Returns:
        The texture coordinates; the inner side has those of the dark corner, at the rim of the one beside it.
    """
    chart = _charts(mesh)
    charts = len(DIRECTIONS) * LAYERS
    keys = mesh.triangles.astype(np.int64) * (charts + 1) + (chart + 1)[:, None]
    found, index = np.unique(keys, return_inverse=True)
    source, chart = found // (charts + 1), found % (charts + 1) - 1
    flat = np.zeros((len(source), 2))
    boxes = np.zeros((charts, 2))
    for k in range(charts):
        own = chart == k
        if not own.any():
            continue
        plane = _plane(mesh.vertices[source[own]], k % len(DIRECTIONS))
        low = plane.min(0)
        flat[own], boxes[k] = plane - low, plane.max(0) - low
    scale, corners = _packed(boxes, size)
    texels = flat * scale + np.where(chart[:, None] >= 0, corners[np.maximum(chart, 0)], 0)
    texels[chart < 0] = size - DARK_CORNER / 2
    if mesh.rim is not None:
        at_rim = (chart < 0) & (mesh.rim.distance(mesh.vertices[source], AT_RIM) < AT_RIM)
        texels[at_rim, 0] -= DARK_CORNER
    return UnwrappedShell(source, index.reshape(-1, 3).astype(np.int32), texels, chart)


def _charts(mesh: ShellMesh) -> np.ndarray:
    """(M,) int: the chart of each triangle, -1 on the inner side."""
    count = len(mesh.vertices)
    a, b, c = mesh.triangles.T
    rows, columns = np.concatenate([a, b, c, b, c, a]), np.concatenate([b, c, a, a, b, c])
    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), (count, count)).tocsr()
    normals = mesh.normals.astype(np.float64) * ~mesh.inner[:, None]
    for _ in range(CHART_SMOOTHING):
        normals = normals + graph @ normals
        normals = unit_vectors(normals)
    chart = (normals[mesh.triangles].sum(1) @ DIRECTIONS.T).argmax(1)
    chart[mesh.inner[mesh.triangles].all(1)] = -1
    for k in range(len(DIRECTIONS)):
        own = np.flatnonzero(chart == k)
        chart[own[_hidden(mesh, own, k)]] += len(DIRECTIONS)
    return chart


def _hidden(mesh: ShellMesh, own: np.ndarray, direction: int) -> np.ndarray:
    """(K,) bool: which of one chart's triangles `own` (K,) others of them hide, many beside each other."""
    if not len(own):
        return np.zeros(0, bool)
    triangles = mesh.triangles[own]
    plane = _plane(mesh.vertices, direction) / HIDDEN_CELL
    plane -= plane[triangles].reshape(-1, 2).min(0)
    height = mesh.vertices @ DIRECTIONS[direction]
    size = int(np.ceil(plane[triangles].max())) + 1
    triangle, cell, weights, _ = fragments(plane, triangles, size)
    here = interpolate(height[:, None].astype(np.float32), triangles, triangle, weights)[:, 0]
    top = np.full(size * size, -np.inf, np.float32)
    np.maximum.at(top, cell, here)
    below = np.bincount(triangle, top[cell] - here > HIDDEN_BEHIND, len(own))
    hidden = below > HIDDEN_PART * np.bincount(triangle, minlength=len(own))
    return hidden & (_group_sizes(triangles, hidden) >= FEWEST_HIDDEN)


def _group_sizes(triangles: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """(K,) int: how many chosen triangles hang together with each of (K, 3); 0 for those not chosen."""
    vertices, corners = np.unique(triangles[chosen], return_inverse=True)
    corners = corners.reshape(-1, 3)
    label = connected_pieces(corners, len(vertices))[1]
    sizes = np.zeros(len(triangles), np.int64)
    sizes[chosen] = np.bincount(label[corners[:, 0]], minlength=1)[label[corners[:, 0]]]
    return sizes


def _plane(points: np.ndarray, direction: int) -> np.ndarray:
    """(N, 2) meters, right and down, of points (N, 3) seen from a direction."""
    return np.stack([points @ AXES_U[direction], -points @ AXES_V[direction]], 1)


def _packed(boxes: np.ndarray, size: int) -> tuple[float, np.ndarray]:
    """The largest scale, texels per meter, at which boxes (K, 2) fit in shelves, and their corners (K, 2)."""
    order = np.argsort(-boxes[:, 1])
    scale = size / max(float(np.sqrt(boxes.prod(1).sum())), 1e-3)
    while True:
        corners = np.zeros((len(boxes), 2))
        x = y = float(PADDING)
        shelf = 0.0
        fits = True
        for k in order:
            width, height = boxes[k] * scale + PADDING
            if x + width > size - DARK_CORNER:
                x, y, shelf = float(PADDING), y + shelf, 0.0
            fits &= x + width <= size - DARK_CORNER and y + height <= size - DARK_CORNER
            corners[k] = x, y
            x, shelf = x + width, max(shelf, height)
        if fits:
            return scale, corners
        scale *= 0.96


def _in_charts(unwrapped: UnwrappedShell, directions: np.ndarray) -> np.ndarray:
    """(N, 2) unit vectors in the texture of directions (N, 3) at a shell's vertices."""
    seen_from = unwrapped.direction
    plane = np.stack([(directions * AXES_U[seen_from]).sum(1), -(directions * AXES_V[seen_from]).sum(1)], 1)
    return unit_vectors(plane, 1e-6)


def _texel_size(unwrapped: UnwrappedShell, vertices: np.ndarray, outer: np.ndarray) -> float:
    """Width of a texel on the surface, meters, where a chart is seen straight."""
    first, second = outer[:, 0], outer[:, 1]
    length = np.linalg.norm(vertices[first] - vertices[second], axis=1)
    texels = np.linalg.norm(unwrapped.texels[first] - unwrapped.texels[second], axis=1)
    return float(np.quantile(length / np.maximum(texels, 1e-6), 0.1))


def _noise(
    points: np.ndarray, texel: np.ndarray, size: int, side: int, meters: float, seed: int
) -> np.ndarray:
    """White noise that goes on where charts meet: a value for each cell of space, found by its hash.

    M. Teschner et al., "Optimized spatial hashing for collision detection of deformable objects", VMV 2003.

    Args:
        points: (N, 3) of the texels, head frame, meters.
        texel: (N,) int, which ones they are.
        size: Side of the texture, texels.
        side: Side of the picture of noise, at most that of the texture.
        meters: Width of a texel.
        seed: Of the noise.

    Returns:
        (side, side) float32 of mean 0 and variance 1.
    """
    side = min(side, size)
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(HASHED).astype(np.float32)
    noise = rng.standard_normal((side, side)).astype(np.float32)
    step = size // side
    row, column = np.divmod(texel, size)
    chosen = np.flatnonzero((row % step == 0) & (column % step == 0))
    cells = np.floor(points[chosen] / (step * meters)).astype(np.int64) * HASH_PRIMES
    hashed = cells[:, 0] ^ cells[:, 1] ^ cells[:, 2]
    noise[row[chosen] // step, column[chosen] // step] = values[(hashed ^ (hashed >> 15)) % HASHED]
    return noise


def _streaks(field: np.ndarray, noise: np.ndarray, steps: int, curls: float, dots: float) -> np.ndarray:
    """Noise drawn out along the hair.

    B. Cabral and L. Leedom, "Imaging vector fields using line integral convolution", SIGGRAPH 1993.

    Args:
        field: (S, S, 2) float32, unit vectors along the hair.
        noise: (T, T) float32 of mean 0 and variance 1.
        steps: Of the integral, to each side.
        curls: 0..1, how far it is not drawn out.
        dots: Size of the dots that it has instead, of that of curls.

    Returns:
        (S, S) float32 of mean 0 and variance 1.
    """
    size, side = len(field), len(noise)
    small = cv2.resize(field, (side, side), interpolation=cv2.INTER_NEAREST)
    total = _convolved(noise, small, steps)
    if curls > 0:
        fine, coarse = (cv2.GaussianBlur(noise, (0, 0), dots * sigma) for sigma in CURL_SIGMAS)
        total = _standardized((1 - curls) * total + curls * _standardized(fine - coarse))
    return cv2.resize(total, (size, size), interpolation=cv2.INTER_LINEAR)


def _convolved(noise: np.ndarray, field: np.ndarray, steps: int) -> np.ndarray:
    """Noise (S, S), drawn out along a field (S, S, 2) of unit vectors; mean 0 and variance 1."""
    total = noise.copy()
    rows, columns = np.mgrid[: len(noise), : len(noise)].astype(np.float32)
    for sign in (-STREAK_STEP, STREAK_STEP):
        x, y = columns.copy(), rows.copy()
        step = field
        for _ in range(steps):
            x += sign * step[..., 0]
            y += sign * step[..., 1]
            total += cv2.remap(noise, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
            step = cv2.remap(field, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return _standardized(total - cv2.GaussianBlur(total, (0, 0), 6))


def _standardized(picture: np.ndarray) -> np.ndarray:
    return np.asarray((picture - picture.mean()) / max(float(picture.std()), 1e-6))
