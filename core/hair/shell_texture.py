"""The shell's texture: flat charts of its outside, colored from the photo, completed with painted strands.

Where hair begins on the skin, and where hanging hair ends, it ends strand by strand: by the texture's alpha.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.sparse import coo_matrix
from scipy.spatial import cKDTree

from ..geometry.rasterize import fragments, interpolate
from ..geometry.visibility import ramp
from ..texture.padding import dilate_texels
from .coloring import HairColors
from .flow import Flow
from .groom import HairShell
from .scalp import Scalp
from .settings import HairSettings
from .shell_mesh import ShellMesh
from .skin import Skin
from .style import tangle

#: Directions that charts are seen from, and their two axes in the head frame, u to the right, v up.
DIRECTIONS = np.array([[0, -1, 0], [0, 1, 0], [1, 0, 0], [-1, 0, 0], [0, 0, 1], [0, 0, -1]], float)
AXES_U = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [1, 0, 0], [1, 0, 0]], float)
AXES_V = np.array([[0, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, 1], [0, 1, 0], [0, -1, 0]], float)
#: Rounds of smoothing of the normals that charts are chosen by.
CHART_SMOOTHING = 4
#: Space around charts, texels.
PADDING = 6
#: Side of the dark corner of the texture that the inner side has, texels.
DARK_CORNER = 8
#: Lightness of the inner side, of the typical color.
INNER_LIGHTNESS = 0.35
#: Painted strands: side of the noise picture, steps of the line integral to each side, texels a step.
STREAK_SIZE = 512
STREAK_STEPS = 8
STREAK_STEP = 1.7
#: Contrast of painted strands, of that in the photo.
CONTRAST_GAIN = 0.9
#: Standard deviations of the noise that curls are painted with, pixels of that picture: fine and coarse.
CURL_SIGMAS = (1.2, 4.5)
#: Width of the seam along the skin over which hair gets dense, meters.
SEAM_WIDTH = 0.007
#: The same along the hairline in the photo, of hair that lies on the skin and of hair that stands free, and
#: from which to which height over the skin it becomes so: an ear behind a curtain is not to show.
HAIRLINE_WIDTH = 0.008
CURTAIN_WIDTH = 0.003
CURTAIN_HEIGHTS = (0.005, 0.012)
#: Presence of hair from which to which there is no seam any more.
SURE_PRESENCE = (0.6, 0.9)
#: Strands begin across the seam, up to this distance from it, meters.
ACROSS_SEAM = 0.016
#: The same of the ends of hanging hair, per meter that they hang below the middle of the head, and at most.
END_WIDTH_PER_DROP = 0.2
MOST_END_WIDTH = 0.04
#: Hair ends where it runs out of a surface by this cosine, which faces down by this one,
END_COSINE = 0.5
DOWN_COSINE = 0.35
#: and is farther from the skin than this, meters, and below this height, head frame.
FREE_HEIGHT = 0.012
END_Z = -0.065
#: How sharp the edges of strands are: alpha per unit of density.
SHARPNESS = 5.0
#: Densities of strands, of 1, at the seam itself and where all of it is covered.
LEAST_DENSITY = 0.25
FULL_DENSITY = 1.05


@dataclass(frozen=True)
class UnwrappedShell:
    """A shell's mesh with texture coordinates; vertices are repeated where charts meet.

    Attributes:
        source: (N,) int, the vertex of the mesh that each came from.
        triangles: (M, 3) int32, into them.
        texels: (N, 2) float64, x and y in the texture.
        chart: (N,) int, 0 to 5; -1 on the inner side.
    """

    source: np.ndarray
    triangles: np.ndarray
    texels: np.ndarray
    chart: np.ndarray


@dataclass(frozen=True)
class Rise:
    """How a shell's mesh stands on the skin.

    Attributes:
        height: (N,) meters, how far its vertices are from the skin.
        presence: (N,) 0..1, whether hair is on the skin below them.
    """

    height: np.ndarray
    presence: np.ndarray

    @classmethod
    def of(cls, mesh: ShellMesh, skin: Skin, scalp: Scalp) -> "Rise":
        """Measure it.

        Args:
            mesh: The shell.
            skin: Of the head.
            scalp: The hair on it.
        """
        height, nearest = skin.distance(mesh.vertices)
        return cls(height, skin.at_samples(scalp.presence)[nearest])


def texture_shell(
    mesh: ShellMesh,
    colors: HairColors,
    flow: Flow | None,
    settings: HairSettings,
    rise: Rise | None = None,
) -> HairShell:
    """Unwrap the shell and paint its texture.

    Args:
        mesh: The shell.
        colors: Of the hair.
        flow: Its direction; None for what has no strands.
        settings: Size of the texture, seed.
        rise: How the mesh stands on the skin; without it the shell has no strands at its edges.

    Returns:
        The shell.
    """
    size = settings.texture_size
    unwrapped = unwrap(mesh, size)
    vertices, normals = mesh.vertices[unwrapped.source], mesh.normals[unwrapped.source]
    outer = unwrapped.triangles[(unwrapped.chart[unwrapped.triangles] >= 0).all(1)]
    visibility = colors.visibility(vertices, normals) * (unwrapped.chart >= 0)[:, None]
    smooth = colors.at(vertices, visibility)
    image = np.full((size, size, 4), 255, np.float32)
    image[..., :3] = colors.typical
    triangle, texel, weights, _ = fragments(unwrapped.texels, outer, size)
    # Where a chart has two sides of the hair one behind the other, the one that is seen colors their texels.
    outward = (vertices * DIRECTIONS[np.maximum(unwrapped.chart, 0)]).sum(1, keepdims=True)
    chosen = np.full(size * size, -1, np.int64)
    chosen[texel] = np.arange(len(texel))
    several = np.flatnonzero(np.bincount(texel, minlength=size * size)[texel] > 1)
    nearness = interpolate(outward, outer, triangle[several], weights[several])[:, 0]
    several = several[np.argsort(-nearness, kind="stable")[::-1]]
    chosen[texel[several]] = several  # the last one, the outermost, stays
    texel = np.flatnonzero(chosen >= 0)
    triangle, weights = triangle[chosen[texel]], weights[chosen[texel]].astype(np.float32)

    def inside(values: np.ndarray) -> np.ndarray:
        return interpolate(values.astype(np.float32), outer, triangle, weights)

    points, visible = inside(vertices), inside(visibility)
    own = colors.photo_at(points, visible)
    visible = visible.sum(1, keepdims=True)
    visible = visible * ramp(visible, 0.0, 0.5)
    painted = inside(smooth)
    density = None
    if flow is not None:
        along = flow.at(vertices)
        if rise is not None:
            edges = _edges(mesh, colors, flow, rise)
            along = along + edges.across[unwrapped.source]
            density = inside(edges.density[unwrapped.source][:, None])[:, 0]
        field = np.zeros((size, size, 2), np.float32)
        field.reshape(-1, 2)[texel] = inside(_in_charts(unwrapped, along))
        strands, streaks, locks = (
            picture.ravel()[texel] for picture in _streaks(field, settings.seed, tangle(flow))
        )
        detail = CONTRAST_GAIN * colors.contrast * streaks + colors.lock_contrast * locks
        painted = np.clip(painted * np.exp(detail)[:, None], 0, 255)
    image.reshape(-1, 4)[texel, :3] = painted * (1 - visible) + own * visible
    if density is not None:
        # The strands of greater noise are the first.
        missing = 1 / (1 + np.exp(1.7 * strands))
        image.reshape(-1, 4)[texel, 3] = 255 * np.clip(0.5 + SHARPNESS * (density - missing), 0, 1)
    image = dilate_texels(image, texel, PADDING)
    # The inner side lies on the skin.
    image[-DARK_CORNER:, -DARK_CORNER:, :3] = colors.typical * INNER_LIGHTNESS
    image[-DARK_CORNER:, -DARK_CORNER:, 3] = 0
    if density is None:
        image = image[..., :3]
    uv = np.stack([(unwrapped.texels[:, 0] + 0.5) / size, 1 - (unwrapped.texels[:, 1] + 0.5) / size], 1)
    return HairShell(
        vertices=vertices.astype(np.float32),
        triangles=unwrapped.triangles,
        normals=normals.astype(np.float32),
        uv=uv.astype(np.float32),
        colors=np.clip(np.round(smooth), 0, 255).astype(np.uint8),
        visibility=visibility.sum(1).astype(np.float32),
        inner=unwrapped.chart < 0,
        inset=mesh.inset[unwrapped.source],
        texture=np.clip(np.round(image), 0, 255).astype(np.uint8),
    )


@dataclass(frozen=True)
class _Edges:
    """Where the hair of a shell gets thin.

    density: (N,) float32, of strands at the vertices, 1 and more where they cover all; across: (N, 3),
    away from the seam along the skin, of length 2 at it and 0 far from it.
    """

    density: np.ndarray
    across: np.ndarray


def _edges(mesh: ShellMesh, colors: HairColors, flow: Flow, rise: Rise) -> _Edges:
    """The edges of a shell that stands on the skin like this."""
    inner = mesh.inner[mesh.triangles]
    border = mesh.triangles[inner.any(1) & ~inner.all(1)]
    seam = np.unique(border[mesh.inner[border]])
    width = np.interp(rise.height, CURTAIN_HEIGHTS, (HAIRLINE_WIDTH, CURTAIN_WIDTH))
    edge = colors.from_skin(mesh.vertices) / width
    across = np.zeros_like(mesh.vertices, np.float32)
    if len(seam):
        distance, nearest = cKDTree(mesh.vertices[seam]).query(mesh.vertices, workers=2)
        # Where hair surely grows, a hollow that reaches the skin is none.
        edge = np.minimum(edge, np.maximum(distance / SEAM_WIDTH, ramp(rise.presence, *SURE_PRESENCE)))
        away = (mesh.vertices - mesh.vertices[seam][nearest]) / np.maximum(distance, 1e-6)[:, None]
        across = (2 * np.clip(1 - distance / ACROSS_SEAM, 0, 1))[:, None] * away
    leaving = (flow.at(mesh.vertices) * mesh.normals).sum(1) > END_COSINE
    leaving &= (mesh.normals[:, 2] < -DOWN_COSINE) & (mesh.vertices[:, 2] < END_Z)
    ends = np.flatnonzero(~mesh.inner & leaving & (rise.height > FREE_HEIGHT))
    if len(ends):
        width = np.minimum(-END_WIDTH_PER_DROP * mesh.vertices[ends][:, 2], MOST_END_WIDTH)
        distance, nearest = cKDTree(mesh.vertices[ends]).query(mesh.vertices, workers=2)
        edge = np.minimum(edge, distance / width[nearest])
    density = LEAST_DENSITY + (FULL_DENSITY - LEAST_DENSITY) * np.clip(edge, 0, 1)
    return _Edges(density.astype(np.float32), across.astype(np.float32))


def unwrap(mesh: ShellMesh, size: int) -> UnwrappedShell:
    """Lay the outside of a shell in flat charts, seen along the axes of the head.

    Args:
        mesh: The shell.
        size: Side of the texture, texels.

    Returns:
        The texture coordinates; the inner side has those of the dark corner.
    """
    chart = _charts(mesh)
    keys = mesh.triangles.astype(np.int64) * 8 + (chart + 1)[:, None]
    found, index = np.unique(keys, return_inverse=True)
    source, chart = found // 8, found % 8 - 1
    flat = np.zeros((len(source), 2))
    boxes = np.zeros((len(DIRECTIONS), 2))
    for k in range(len(DIRECTIONS)):
        own = chart == k
        if not own.any():
            continue
        plane = np.stack([mesh.vertices[source[own]] @ AXES_U[k], -mesh.vertices[source[own]] @ AXES_V[k]], 1)
        low = plane.min(0)
        flat[own], boxes[k] = plane - low, plane.max(0) - low
    scale, corners = _packed(boxes, size)
    texels = flat * scale + np.where(chart[:, None] >= 0, corners[np.maximum(chart, 0)], 0)
    texels[chart < 0] = size - DARK_CORNER / 2
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
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    chart = (normals[mesh.triangles].sum(1) @ DIRECTIONS.T).argmax(1)
    return np.where(mesh.inner[mesh.triangles].all(1), -1, chart)


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
    chart = np.maximum(unwrapped.chart, 0)
    plane = np.stack([(directions * AXES_U[chart]).sum(1), -(directions * AXES_V[chart]).sum(1)], 1)
    return np.asarray(plane / np.maximum(np.linalg.norm(plane, axis=1, keepdims=True), 1e-6))


def _streaks(field: np.ndarray, seed: int, curls: float) -> list[np.ndarray]:
    """Noise drawn out along the hair.

    B. Cabral and L. Leedom, "Imaging vector fields using line integral convolution", SIGGRAPH 1993.

    Args:
        field: (S, S, 2) float32, unit vectors along the hair.
        seed: Of the noise.
        curls: 0..1, how far the last two pictures are not drawn out.

    Returns:
        Three pictures (S, S) float32 of mean 0 and variance 1: single strands; the same with curls; locks.
    """
    size = len(field)
    rng = np.random.default_rng(seed)
    found = []
    for side in (STREAK_SIZE, STREAK_SIZE // 4):
        small = cv2.resize(field, (side, side), interpolation=cv2.INTER_NEAREST)
        noise = rng.standard_normal((side, side)).astype(np.float32)
        total = _convolved(noise, small)
        found.append(total)
        if curls > 0:
            fine, coarse = (cv2.GaussianBlur(noise, (0, 0), sigma) for sigma in CURL_SIGMAS)
            total = _standardized((1 - curls) * total + curls * _standardized(fine - coarse))
        found.append(total)
    return [cv2.resize(found[k], (size, size), interpolation=cv2.INTER_LINEAR) for k in (0, 1, 3)]


def _convolved(noise: np.ndarray, field: np.ndarray) -> np.ndarray:
    """A picture of noise (S, S), drawn out along a field (S, S, 2) of unit vectors; mean 0 and variance 1."""
    total = noise.copy()
    rows, columns = np.mgrid[: len(noise), : len(noise)].astype(np.float32)
    for sign in (-STREAK_STEP, STREAK_STEP):
        x, y = columns.copy(), rows.copy()
        step = field
        for _ in range(STREAK_STEPS):
            x += sign * step[..., 0]
            y += sign * step[..., 1]
            total += cv2.remap(noise, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
            step = cv2.remap(field, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return _standardized(total - cv2.GaussianBlur(total, (0, 0), 6))


def _standardized(picture: np.ndarray) -> np.ndarray:
    return np.asarray((picture - picture.mean()) / max(float(picture.std()), 1e-6))
