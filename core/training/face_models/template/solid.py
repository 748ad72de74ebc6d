"""Closes the template's skin to a solid that can be voxelized; see `build` for the meaning of
the arrays.
"""

import numpy as np

from ..mesh_topology import boundary_loops, triangulate


def fan(loop: np.ndarray, center: int) -> np.ndarray:
    """Triangles from each edge of a closed loop to one vertex.

    Args:
        loop: (n,) int, vertices in order.
        center: the vertex.

    Returns:
        (n, 3) int.
    """
    return np.stack([loop, np.roll(loop, -1), np.full(len(loop), center)], 1)


def lip_strip(loop: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Triangles that join the upper and lower half of the loop around the mouth.

    Args:
        loop: (n,) int, vertices in order.
        vertices: (V, 3) head frame, meters.

    Returns:
        (n - 2, 3) int, as the loop runs.
    """
    points = vertices[loop]
    left = int(np.argmax(points[:, 0]))
    loop = np.roll(loop, -left)
    right = int(np.argmin(vertices[loop][:, 0]))
    one, two = loop[: right + 1], np.r_[loop[right:], loop[0]][::-1]
    triangles, i, k = [], 0, 0
    while i < len(one) - 1 or k < len(two) - 1:
        ahead_one = i < len(one) - 1 and (
            k == len(two) - 1
            or np.linalg.norm(vertices[one[i + 1]] - vertices[two[k]])
            <= np.linalg.norm(vertices[one[i]] - vertices[two[k + 1]])
        )
        if ahead_one:
            triangles.append([one[i], one[i + 1], two[k]])
            i += 1
        else:
            triangles.append([one[i], two[k + 1], two[k]])
            k += 1
    return np.array([t for t in triangles if len(set(t)) == 3])


def closed_solid(
    vertices: np.ndarray, quads: np.ndarray, face_part: np.ndarray, loops: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Close the template's skin.

    Args:
        vertices: (V, 3) head frame, meters.
        quads: (F, 4) int32, outward.
        face_part: (F,) int8, each quad's part.
        loops: int vertices of "lips" and "neck", in any order.

    Returns:
        `solid_triangles`, `solid_part` and `solid_extra` of the template's file.
    """
    skin = triangulate(quads[face_part == 0], vertices)
    pieces, kinds = [skin], [np.zeros(len(skin))]
    for part, kind in ((2, 1), (3, 2)):
        ball = triangulate(quads[face_part == part], vertices)
        pieces.append(ball)
        kinds.append(np.full(len(ball), kind))
    extras: list[np.ndarray] = []
    for hole in boundary_loops(skin):
        loop = np.array(hole)[::-1]  # a filling runs against the skin's boundary
        members = set(hole)
        if members == set(map(int, loops["lips"])):
            filling, kind = lip_strip(loop, vertices), 4
        else:
            filling = fan(loop, len(vertices) + len(extras))
            kind = 5 if members == set(map(int, loops["neck"])) else 3
            extras.append(loop)
        pieces.append(filling)
        kinds.append(np.full(len(filling), kind))
    width = max(map(len, extras))
    table = np.full((len(extras), width), -1, np.int32)
    for row, loop in zip(table, extras, strict=True):
        row[: len(loop)] = loop
    return {
        "solid_triangles": np.concatenate(pieces).astype(np.int32),
        "solid_part": np.concatenate(kinds).astype(np.int8),
        "solid_extra": table,
    }


def solid_vertices(vertices: np.ndarray, extra: np.ndarray) -> np.ndarray:
    """The vertices followed by the solid's extra vertices.

    Args:
        vertices: (..., V, 3), any frame and unit.
        extra: (E, n) int32, -1 padded: `solid_extra` of the template's file.

    Returns:
        (..., V + E, 3).
    """
    means = [vertices[..., row[row >= 0], :].mean(-2) for row in extra]
    return np.concatenate([vertices, np.stack(means, -2)], -2)
