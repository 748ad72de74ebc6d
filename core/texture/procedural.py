"""Painted parts, which photos show badly or not at all: teeth, gums, tongue, inside of the mouth, lashes.

All shapes are those of the average head, which every head shares the topology with; colors are linear light.
"""

import itertools

import numpy as np

from ..geometry.mesh import unit_vectors
from ..geometry.visibility import ramp
from ..image.color import LUMINANCE
from ..template.eye_surfaces import iris_axis
from ..template.regions import Regions
from ..template.topology import LASHES, TEETH_LOWER, TEETH_UPPER, TONGUE, HeadTopology
from .atlas import Atlas

#: Widths of the teeth from the middle to the back, meters (Wheeler's Dental Anatomy, mesiodistal diameters).
UPPER_TEETH = (0.0085, 0.0065, 0.0075, 0.007, 0.007, 0.010, 0.009)
LOWER_TEETH = (0.005, 0.0055, 0.007, 0.007, 0.007, 0.011, 0.0105)
#: Length of the crowns from the edge to the gums, meters.
UPPER_CROWN = 0.0100
LOWER_CROWN = 0.0088
#: How far the gums rise between two teeth, meters.
GUM_RISE = 0.0016
#: Width of the dark gap between two teeth, and of the gums' edge, meters.
GAP_WIDTH = 0.00045
GUM_EDGE = 0.0004
#: Fraction of the light that a gap takes.
GAP_DARKNESS = 0.6
#: Height of the notch between the edges of two teeth, meters, whose corners are round.
NOTCH_HEIGHT = 0.0018
#: Fraction of half a tooth's width that its notch reaches over at the edge.
NOTCH_WIDTH = 0.3
#: Fraction of the light that a notch takes.
NOTCH_DARKNESS = 0.85
#: Height of the edge that is clearer than the rest of a tooth, meters.
CLEAR_EDGE = 0.0022
#: Linear colors.
ENAMEL = np.array([0.66, 0.58, 0.48])
#: Of a tooth beside the gums, and of its clear edge.
ENAMEL_ROOT = np.array([0.54, 0.43, 0.31])
ENAMEL_EDGE = np.array([0.52, 0.49, 0.45])
GUMS = np.array([0.38, 0.13, 0.12])
TONGUE_COLOR = np.array([0.40, 0.15, 0.14])
TONGUE_ROOT = np.array([0.16, 0.04, 0.04])
CAVITY = np.array([0.24, 0.07, 0.065])
#: The wet side of the lips, of luminance 1; it is as light as the lip that it goes on from.
WET_LIP = np.array([2.4, 0.66, 0.62])
THROAT = np.array([0.035, 0.008, 0.008])
LASH_COLOR = np.array([0.010, 0.007, 0.006])
#: How light the wet side of the lips is, of what it goes on from: that is skin where lips are pressed.
WET_LIP_LIGHTNESS = 0.6
#: Rings of vertices over which lips turn into their wet side.
LIP_RINGS = 1.0
#: Rings of vertices over which lips and lids turn into the inside.
INWARD_RINGS = 4.0
#: Rings of vertices over which the inside gets dark.
THROAT_RINGS = 14.0
#: Heights, meters, head frame, between which the eye sockets begin above the mouth.
SOCKET_RANGE = (-0.04, -0.03)
#: Strands of lashes on an upper and a lower lid.
UPPER_STRANDS = 64
LOWER_STRANDS = 44
#: Fraction of the card that the lower lashes reach.
LOWER_REACH = 0.75


def paint_teeth(topology: HeadTopology, atlas: Atlas, chosen: np.ndarray, name: str) -> np.ndarray:
    """Paint teeth and their gums.

    Args:
        topology: The head's.
        atlas: The texels.
        chosen: (n,) int, those of the teeth.
        name: The part: TEETH_UPPER or TEETH_LOWER.

    Returns:
        (n, 3) float32 linear colors.
    """
    vertices = topology.vertices_of(name)
    points = topology.vertices[vertices]
    # The arch, seen from above: arc length from the middle, as a function of how far to the side.
    side = np.abs(points[:, 0])
    order = np.argsort(side)
    bins = np.linspace(0, side.max() + 1e-6, 12)
    front = np.array(
        [
            points[order, 1][(side[order] >= a - 0.003) & (side[order] <= b + 0.003)].min()
            for a, b in itertools.pairwise(bins)
        ]
    )
    middle = (bins[1:] + bins[:-1]) / 2
    length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(middle), np.diff(front)))]) + middle[0]
    position = atlas.interpolate(topology.vertices, chosen)
    along = np.interp(np.abs(position[:, 0]), np.r_[0, middle], np.r_[0, length])
    upper = name == TEETH_UPPER
    widths = np.array(UPPER_TEETH if upper else LOWER_TEETH)
    gaps = np.concatenate([[0], np.cumsum(widths)]) * min(1.0, length[-1] / widths.sum())
    to_gap = np.abs(along[:, None] - gaps).min(1)
    index = np.clip(np.searchsorted(gaps, along) - 1, 0, len(widths) - 1)
    within = np.abs(along - (gaps[index] + gaps[index + 1]) / 2) / ((gaps[index + 1] - gaps[index]) / 2)
    edge = points[:, 2].min() if upper else points[:, 2].max()
    height = np.abs(position[:, 2] - edge)
    crown = (UPPER_CROWN if upper else LOWER_CROWN) - GUM_RISE * within**2
    gum = ramp(height - crown, -GUM_EDGE, GUM_EDGE)[:, None]
    dark = 1 - GAP_DARKNESS * np.exp(-((to_gap / GAP_WIDTH) ** 2)) * (1 - gum[:, 0])
    notch = NOTCH_WIDTH * np.clip(1 - height / NOTCH_HEIGHT, 0, 1)
    dark *= 1 - NOTCH_DARKNESS * ramp(within - (1 - notch), -0.08, 0.08) * (notch > 0)
    back = 1 - 0.55 * ramp(along, 0.010, 0.045)
    root, clear = ramp(height / crown, 0.45, 1.0)[:, None], ramp(-height, -CLEAR_EDGE, 0.0)[:, None]
    tooth = ENAMEL + (ENAMEL_ROOT - ENAMEL) * root + (ENAMEL_EDGE - ENAMEL) * clear
    return ((tooth * (1 - gum) + GUMS * gum) * (dark * back)[:, None]).astype(np.float32)


def paint_tongue(topology: HeadTopology, atlas: Atlas, chosen: np.ndarray, seed: int = 1) -> np.ndarray:
    """Paint the tongue.

    Args:
        topology: The head's.
        atlas: The texels.
        chosen: (n,) int, those of the tongue.
        seed: Of the grain.

    Returns:
        (n, 3) float32 linear colors.
    """
    points = topology.vertices[topology.vertices_of(TONGUE)]
    position = atlas.interpolate(topology.vertices, chosen)
    back = ramp(position[:, 1], points[:, 1].min() + 0.01, points[:, 1].max())[:, None]
    groove = 1 - 0.15 * np.exp(-((position[:, 0] / 0.0012) ** 2))
    grain = 1 + 0.06 * np.random.default_rng(seed).standard_normal(len(position))
    color = TONGUE_COLOR * (1 - back) + TONGUE_ROOT * back
    return (color * (groove * grain)[:, None]).astype(np.float32)


def paint_inside(
    regions: Regions, topology: HeadTopology, atlas: Atlas, chosen: np.ndarray, rim: np.ndarray
) -> np.ndarray:
    """Paint the inside of mouth and eye sockets.

    Args:
        regions: Of the topology.
        topology: The head's.
        atlas: The texels.
        chosen: (n,) int, those of the inside.
        rim: (n, 3) linear colors that go on inward from lips and lids.

    Returns:
        (n, 3) float32 linear colors.
    """
    depth = atlas.interpolate(regions.depth, chosen)
    inward = ramp(depth, 0.5, INWARD_RINGS)[:, None]
    deep = ramp(depth, INWARD_RINGS, THROAT_RINGS)[:, None]
    socket = ramp(atlas.interpolate(topology.vertices[:, 2], chosen), *SOCKET_RANGE)[:, None]
    cavity = CAVITY * (1 - deep) + THROAT * deep
    wet = ramp(depth, 0.0, LIP_RINGS)[:, None] * (1 - socket)
    rim = rim + (WET_LIP_LIGHTNESS * (rim @ LUMINANCE)[:, None] * WET_LIP - rim) * wet
    cavity = cavity * (1 - socket) + (0.5 * CAVITY + 0.4 * rim) * socket
    return (rim * (1 - inward) + cavity * inward).astype(np.float32)


def lash_coverage(topology: HeadTopology, atlas: Atlas, chosen: np.ndarray, seed: int = 2) -> np.ndarray:
    """How much of their texels single lashes cover.

    Args:
        topology: The head's.
        atlas: The texels.
        chosen: (n,) int, those of the lashes.
        seed: Of their lengths and directions.

    Returns:
        (n,) float32, 0 to 1.
    """
    grid, upper = _lash_grid(topology)
    column, row = atlas.interpolate(grid, chosen).T
    is_upper = atlas.interpolate(upper.astype(np.float32), chosen) > 0.5
    rng = np.random.default_rng(seed)
    result = np.zeros(len(chosen), np.float32)
    for strip, count, reach in (
        (is_upper, UPPER_STRANDS, 1.0),
        (~is_upper, LOWER_STRANDS, LOWER_REACH),
    ):
        if not strip.any():
            continue
        last = float(column[strip].max())
        roots = (np.arange(count) + rng.uniform(-0.3, 0.3, count) + 0.5) / count * last
        tips = roots + rng.normal(0, 0.22, count)
        lengths = (
            reach * rng.uniform(0.6, 1.0, count) * np.clip(np.minimum(roots, last - roots) / 1.5, 0.35, 1)
        )
        up = row[strip, None] / np.maximum(lengths, 1e-3)
        center = roots + (tips - roots) * up**2
        half = 0.075 * (1 - np.clip(up, 0, 1)) + 0.008
        cover = np.clip((half - np.abs(column[strip, None] - center)) / 0.03 + 0.5, 0, 1) * (up < 1)
        result[strip] = cover.max(1)
    return result


def _lash_grid(topology: HeadTopology) -> tuple[np.ndarray, np.ndarray]:
    """(V, 2) float32 (column, row) of the lashes' vertices, row 0 at the lid and 1 at the tips, and (V,) bool
    which belong to upper lids.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components, dijkstra
    from scipy.spatial import cKDTree

    count = len(topology.vertices)
    quads = topology.quads[topology.faces_of(LASHES)]
    rows, columns = quads.ravel(), np.roll(quads, 1, axis=1).ravel()
    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), (count, count)).tocsr()
    label = connected_components(graph, directed=False)[1]
    lids = topology.vertices[np.concatenate([topology.lid_left, topology.lid_right])]
    to_lid = cKDTree(lids).query(topology.vertices)[0]
    used = np.bincount(quads.ravel(), minlength=count)
    grid, upper = np.zeros((count, 2), np.float32), np.zeros(count, bool)
    for strip in np.unique(label[quads]):
        members = np.flatnonzero(label == strip)
        corners = members[used[members] == 1]
        # A long side starts and ends with a corner; the one nearer to the lid is the lashes' root.
        steps = dijkstra(graph, directed=False, indices=corners, unweighted=True)
        start = int(np.argmin(to_lid[corners] + np.abs(topology.vertices[corners, 0])))
        others = np.argsort(steps[start][corners])
        near, far = corners[others[1]], corners[others[2]]
        across, along = steps[start][near], steps[start][far]
        # On a grid the steps from two corners of a side give both coordinates.
        from_start, from_far = steps[start][members], steps[others[2]][members]
        column = (from_start - from_far + along) / 2
        row = (from_start + from_far - along) / 2 / across
        if to_lid[members[row < 0.1]].mean() > to_lid[members[row > 0.9]].mean():
            row = 1 - row
        grid[members] = np.stack([column, row], 1)
        upper[members] = topology.vertices[members, 2].mean() > 0
    return grid, upper


def paint_parts(
    topology: HeadTopology, atlas: Atlas, of_part: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Paint all that does not depend on the photo.

    Args:
        topology: The head's.
        atlas: The texels.
        of_part: The texels of each part.

    Returns:
        Linear colors (N, 3) float32 and coverage (N,) uint8 of all texels.
    """
    linear = np.zeros((len(atlas.texel), 3), np.float32)
    for name in (TEETH_UPPER, TEETH_LOWER):
        linear[of_part[name]] = paint_teeth(topology, atlas, of_part[name], name)
    linear[of_part[TONGUE]] = paint_tongue(topology, atlas, of_part[TONGUE])
    linear[of_part[LASHES]] = LASH_COLOR
    alpha = np.full(len(atlas.texel), 255, np.uint8)
    alpha[of_part[LASHES]] = np.round(255 * lash_coverage(topology, atlas, of_part[LASHES]))
    return linear, alpha


def eye_directions(
    topology: HeadTopology, atlas: Atlas, chosen: np.ndarray, name: str
) -> tuple[np.ndarray, float]:
    """Where the texels of an eyeball are on it.

    Args:
        topology: The head's.
        atlas: The texels.
        chosen: (n,) int, those of the eyeball.
        name: The part.

    Returns:
        Unit vectors (n, 3) from the eyeball's center, turned so that the iris's middle is at -y, and the
        eyeball's radius, meters.
    """
    points = topology.vertices[topology.vertices_of(name)]
    middle = (points.min(0) + points.max(0)) / 2
    direction = atlas.interpolate(topology.vertices, chosen) - middle
    radius = float(np.linalg.norm(points - middle, axis=1).mean())
    direction = unit_vectors(direction)
    x, y, _ = iris_axis(name)
    turn = np.array([[-y, x, 0], [-x, -y, 0], [0, 0, 1]])  # the axis to -y
    return direction @ turn.T, radius
