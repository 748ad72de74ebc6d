"""Colours of the surface: from the photo where it was seen, else from the other side of the head or from
nearby.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..geometry.frames import CropFrame
from ..geometry.visibility import ramp, surrounding_pixels, unoccluded
from ..image.sampling import sample_photo
from ..template.regions import EAR_SURROUNDINGS, scalp_half_space
from .isosurface import Isosurface

#: Depth, voxels, that a vertex may lie behind the front surface and still be counted as seen.
FRONT_TOLERANCE = 1.5
#: Cosine between normal and ray up to which a colour is not trusted at all / from which on it is trusted
#: fully.
GRAZING, FACING = 0.1, 0.35
#: Blur, voxels, of the depth that normals are taken from.
BLUR = 1.0
#: Trust in the photo above which a vertex may lend its colour to others.
LENDER = 0.5
#: Confidence of a colour from the mirrored place, in parts of that place's own, and of a guess.
MIRRORED, GUESSED = 0.3, 0.05
#: Metres from the mirrored place within which a seen vertex counts as the same place.
MIRROR_REACH = 0.006
#: Cell, metres, of the grid in which colours spread, and the spreads, in cells: each counts far less than
#: the one before.
CELL, SPREADS, FADE = 0.01, (0.8, 1.6, 3.2, 6.4), 1e-3
#: Share of a colour at its mirrored place, while it spreads.
MIRROR_SHARE = 0.2
#: Fewer seen vertices say nothing about their kind.
FEWEST_LENDERS = 100


def facing_camera(front: np.ndarray) -> np.ndarray:
    """(192, 192) float32: cosine between the front surface's normal and the ray, 0 where there is no surface.

    Taken from the depth, slightly blurred, not from the mesh, whose normals show the steps of the voxels.
    It is small along the head's outline and where one part hides another: colours from there may belong
    to what is behind.
    """
    from scipy.ndimage import gaussian_filter

    some = np.isfinite(front)
    if not some.any():
        return np.zeros_like(front)
    depth = gaussian_filter(np.where(some, front, front[some].min()), BLUR)
    along_y, along_x = np.gradient(depth)
    return np.where(some, 1 / np.sqrt(1 + along_x**2 + along_y**2), 0).astype(np.float32)


def seen_by_camera(shape: Isosurface) -> tuple[np.ndarray, np.ndarray]:
    """How well the camera sees each vertex.

    Returns (trust, cosine), (N,) float32 each: 0..1, unhidden and not at a grazing angle; and cosine
    between the surface's normal and the ray.
    """
    front = shape.front
    cosines = facing_camera(front).ravel()
    points = shape.volume_points
    around, offset = surrounding_pixels(points[:, :2], front.shape)
    fx, fy = offset.T
    shares = ((1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy)
    cosine = sum(cosines[index] * share for index, share in zip(around, shares, strict=True))
    unhidden = unoccluded(-front, around, -points[:, 2], FRONT_TOLERANCE)
    facing = ramp(cosine, GRAZING, FACING)
    return (unhidden * facing).astype(np.float32), cosine.astype(np.float32)


def color_from_photo(shape: Isosurface, rgb: np.ndarray, frame: CropFrame) -> tuple[np.ndarray, np.ndarray]:
    """Colours (N, 3) uint8 sRGB and confidence (N,) float32 of the vertices, from an (H, W, 3) uint8
    photo.
    """
    trust, cosine = seen_by_camera(shape)
    seen = np.flatnonzero(trust > 0)
    places = frame.crop_to_photo(shape.volume_points[seen, :2])
    sampled, inside = sample_photo(rgb, places, 1.0 / frame.scale)
    trust[seen[~inside]] = 0
    lenders = np.flatnonzero(trust > LENDER)
    if not len(lenders):
        return np.full((len(trust), 3), 128, np.uint8), np.zeros(len(trust), np.float32)
    colors = np.zeros((len(trust), 3), np.float32)
    colors[seen] = sampled
    confidence = trust * (0.5 + 0.5 * cosine)
    needy = np.flatnonzero(trust < 0.98)
    with ThreadPoolExecutor(1) as pool:
        mirrored = pool.submit(mirror_colors, shape.vertices, colors, trust, lenders, needy)
        guess = spread_colors(shape.vertices, colors, trust, lenders, needy)
    lent, lent_trust = mirrored.result()
    guess += (lent - guess) * lent_trust[:, None]
    colors[needy] = guess + (colors[needy] - guess) * trust[needy, None]
    confidence[needy] = np.maximum(confidence[needy], GUESSED + (MIRRORED - GUESSED) * lent_trust)
    return np.clip(colors + 0.5, 0, 255).astype(np.uint8), confidence


def mirror_colors(
    vertices: np.ndarray, colors: np.ndarray, trust: np.ndarray, lenders: np.ndarray, needy: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Colours (K, 3) for the vertices `needy` (K,) from lenders on the other side, and trust in them."""
    from scipy.spatial import cKDTree

    lent, lent_trust = np.zeros((len(needy), 3), np.float32), np.zeros(len(needy), np.float32)
    mirrored = vertices[needy] * np.array([-1, 1, 1], np.float32)
    # Most of the hidden vertices have hidden counterparts, too: a coarse grid tells which have not.
    low, high = vertices[lenders].min(0) - MIRROR_REACH, vertices[lenders].max(0) + MIRROR_REACH
    near = np.flatnonzero(((mirrored > low) & (mirrored < high)).all(1))
    cells = np.zeros(tuple(((high - low) / MIRROR_REACH).astype(int) + 3), bool)
    x, y, z = ((vertices[lenders] - low) / MIRROR_REACH).astype(np.int32).T + 1
    for step in np.ndindex(3, 3, 3):
        cells[x + step[0] - 1, y + step[1] - 1, z + step[2] - 1] = True
    x, y, z = ((mirrored[near] - low) / MIRROR_REACH).astype(np.int32).T + 1
    near = near[cells[x, y, z]]
    if not len(near):
        return lent, lent_trust
    tree = cKDTree(vertices[lenders], balanced_tree=False, compact_nodes=False)
    distance, index = tree.query(mirrored[near], k=3, distance_upper_bound=MIRROR_REACH)
    found = np.isfinite(distance)
    weight = np.where(found, 1 / (np.where(found, distance, 1) + 5e-4), 0)
    source = lenders[np.where(found, index, 0)]
    total = np.maximum(weight.sum(1), 1e-9)
    lent[near] = np.einsum("nk,nkc->nc", weight, colors[source]) / total[:, None]
    nearness = np.clip(2 - 2 * distance[:, 0] / MIRROR_REACH, 0, 1)
    lent_trust[near] = np.where(found[:, 0], nearness * trust[source[:, 0]], 0)
    return lent, lent_trust


def spread_colors(
    vertices: np.ndarray, colors: np.ndarray, trust: np.ndarray, lenders: np.ndarray, needy: np.ndarray
) -> np.ndarray:
    """Colours (K, 3) for the vertices `needy` (K,) from the `lenders` around, the nearer the more.

    Ears give none, and scalp and face each get theirs from their own kind, if there is enough of it.
    """
    from scipy.ndimage import map_coordinates

    reach = float(np.abs(vertices[:, 0]).max())
    low = np.array([-reach, *vertices[:, 1:].min(0)]) - CELL
    high = np.array([reach, *vertices[:, 1:].max(0)]) + CELL
    shape = tuple(np.ceil((high - low) / CELL).astype(int) + 1)

    used, places = lenders, vertices[lenders]
    folded = np.abs(places * np.array([1, 0, 0], np.float32)) + places * np.array([0, 1, 1], np.float32)
    ear = ((folded > EAR_SURROUNDINGS[0]) & (folded < EAR_SURROUNDINGS[1])).all(1)
    if (~ear).sum() > FEWEST_LENDERS:
        used, places = used[~ear], places[~ear]
    cell = np.round((places - low) / CELL).astype(np.int32)
    flat = np.ravel_multi_index(tuple(cell.T), shape)
    kind = scalp_half_space(places)
    shares = [trust[used] * (1 - kind), trust[used] * kind]
    grids = [
        _blurred_grid(np.column_stack([colors[used] * share[:, None], share]), flat, shape)
        for share in shares
        if share.sum() > FEWEST_LENDERS
    ]
    if len(grids) == 2:
        cells = np.moveaxis(np.indices(shape), 0, -1).reshape(-1, 3) * CELL + low
        is_scalp = scalp_half_space(cells.astype(np.float32)).reshape(shape)
        grid = grids[0] * (1 - is_scalp) + grids[1] * is_scalp
    else:
        grid = grids[0] if grids else np.broadcast_to(colors[used].mean(0)[:, None, None, None], (3, *shape))
    place = ((vertices[needy] - low) / CELL).T
    return np.stack([map_coordinates(channel, place, order=1) for channel in grid], 1).astype(np.float32)


def _blurred_grid(values: np.ndarray, flat: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(3, *shape) colours everywhere, from weighted colours with their weights (N, 4) in the cells `flat`
    (N,).

    The grid, and a little of its mirror image, is blurred more and more: the least blurred one that has
    something to say at a place prevails there.
    """
    from scipy.ndimage import gaussian_filter

    grid = np.stack([np.bincount(flat, values[:, k], np.prod(shape)).reshape(shape) for k in range(4)])
    grid += MIRROR_SHARE * grid[:, ::-1]
    mixed = np.zeros_like(grid)
    done = 0.0
    for level, spread in enumerate(SPREADS):
        sigma = np.sqrt(spread**2 - done**2)
        grid = gaussian_filter(grid, (0, sigma, sigma, sigma), mode="constant", truncate=3)
        mixed += FADE**level * grid
        done = spread
    mean = values[:, :3].sum(0) / values[:, 3].sum()
    known = mixed[3] > 1e-30
    return np.where(known, mixed[:3] / np.where(known, mixed[3], 1), mean[:, None, None, None])
