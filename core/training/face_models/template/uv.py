"""Texture coordinates of the template's loose parts: larger than MakeHuman drew them.

MakeHuman gives eyeballs, teeth, tongue and lashes islands of a few dozen pixels, as it replaces these parts
by others with textures of their own. The skin and its continuation inward keep MakeHuman's coordinates, so
that skins made for MakeHuman fit; without the body, most of the texture is free for the rest.
"""

import numpy as np

from ....geometry.mesh import connected_pieces

#: Where the eyeballs' fronts, seen from the front, lie: centers (u, v) of the left and the right one; radius.
#: The subject's left is on the right, as in a photo.
EYE_CENTERS = ((0.49, 0.62), (0.31, 0.62))
EYE_RADIUS = 0.08
#: The same of their backs, which are never visible.
BACK_CENTERS = ((0.44, 0.50), (0.36, 0.50))
BACK_RADIUS = 0.03
#: Where the middle of the other parts goes and how many times larger they are drawn.
OTHER_PARTS = {
    "teeth_upper": ((0.40, 0.405), 4.5),
    "teeth_lower": ((0.40, 0.285), 4.5),
    "tongue": ((0.19, 0.34), 3.5),
    "lashes": ((0.15, 0.785), 2.2),
}


def relaid_uv(
    vertices: np.ndarray,
    quads: np.ndarray,
    uv: np.ndarray,
    quad_uv: np.ndarray,
    face_part: np.ndarray,
    part_names: list[str],
) -> np.ndarray:
    """Move and enlarge the islands of the loose parts.

    Args:
        vertices: (V, 3) head frame, meters.
        quads: (F, 4) int32, into `vertices`.
        uv: (U, 2) texture coordinates, 0..1.
        quad_uv: (F, 4) int32, into `uv`.
        face_part: (F,) int8, each quad's part.
        part_names: the parts' names.

    Returns:
        (U, 2) float32 texture coordinates.
    """
    result = uv.astype(np.float64)
    vertex = np.zeros(len(uv), np.int64)
    vertex[quad_uv] = quads
    for side, name in enumerate(("eye_left", "eye_right")):
        faces = np.flatnonzero(face_part == part_names.index(name))
        members = np.unique(quad_uv[faces])
        points = vertices[vertex[members]].astype(np.float64)
        direction = points - (points.min(0) + points.max(0)) / 2
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        front = _front_island(quad_uv[faces], members, direction)
        for chosen, center, radius, sign in (
            (front, EYE_CENTERS[side], EYE_RADIUS, 1.0),
            (~front, BACK_CENTERS[side], BACK_RADIUS, -1.0),
        ):
            result[members[chosen]] = np.array(center) + radius * direction[chosen][:, [0, 2]] * [sign, 1.0]
    for name, (middle, scale) in OTHER_PARTS.items():
        members = np.unique(quad_uv[face_part == part_names.index(name)])
        low, high = uv[members].min(0), uv[members].max(0)
        result[members] = (uv[members] - (low + high) / 2) * scale + np.array(middle)
    return result.astype(np.float32)


def _front_island(quads: np.ndarray, members: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """(n,) bool: which of an eyeball's texture vertices `members` belong to the islands of its front half."""
    local = np.searchsorted(members, quads)
    count, label = connected_pieces(local, len(members))
    forward = np.bincount(label, direction[:, 1], count) / np.bincount(label, minlength=count) < 0
    return forward[label]
