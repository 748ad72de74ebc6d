"""Small files of a head that are right, to be damaged."""

import io
import json
import struct
from collections.abc import Sequence

import numpy as np

TETRAHEDRON = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]], np.int32)


def head_arrays() -> dict[str, np.ndarray]:
    """A sheet of 9 vertices and 4 quads, with all that a head.npz has."""
    grid = np.stack(np.meshgrid(np.arange(3), np.arange(3)), -1).reshape(-1, 2)
    neutral = np.column_stack([grid * 0.1, np.zeros(9)]).astype(np.float32)
    quads = np.array([[0, 1, 4, 3], [1, 2, 5, 4], [3, 4, 7, 6], [4, 5, 8, 7]], np.int32)
    return {
        "format_version": np.int32(1),
        "neutral": neutral,
        "photo": neutral + np.float32(0.01),
        "units": np.full((2, 9, 3), 0.01, np.float16),
        "unit_names": np.array(["jawOpen", "browInnerUp"]),
        "expression": np.array([0.2, 0.0], np.float32),
        "confidence": np.linspace(0, 1, 9, dtype=np.float32),
        "deviation": np.zeros(9, np.float32),
        "quads": quads,
        "uv": (grid / 2).astype(np.float32),
        "quad_uv": quads.copy(),
        "face_material": np.array([0, 0, 1, 1], np.int8),
        "material_names": np.array(["skin", "eyes"]),
        "face_part": np.array([0, 0, 1, 1], np.int8),
        "part_names": np.array(["skin", "eye"]),
        "landmark": np.arange(478, dtype=np.int32) % 9,
        "ibug68": np.arange(68, dtype=np.int32) % 9,
        "provenance": np.array(json.dumps({"photo": "a.jpg", "focal": 50})),
    }


def rigged_arrays() -> dict[str, np.ndarray]:
    """The same with a second UV map, visemes and three bones, which only newer files have."""
    weights = np.zeros((9, 4), np.float32)
    weights[:, 0] = 1
    weights[4] = 0.25, 0.75, 0, 0
    return {
        **head_arrays(),
        "uv_names": np.array(["UVMap", "MakeHuman"]),
        "second_uv": np.array([[0, 0], [0.5, 0], [0.5, 0.5], [0, 0.5]], np.float32),
        "second_quad_uv": np.tile(np.arange(4, dtype=np.int32), (4, 1)),
        "viseme_names": np.array(["viseme_sil", "viseme_aa"]),
        "viseme_weights": np.array([[0, 0], [0.5, 0.1]], np.float32),
        "bone_names": np.array(["root", "head", "jaw"]),
        "bone_parents": np.array([-1, 0, 1], np.int32),
        "bone_heads": np.array([[0.1, 0, 0], [0.1, 0.1, 0], [0.1, 0.1, 0]], np.float32),
        "bone_tails": np.array([[0.1, 0.1, 0], [0.1, 0.2, 0], [0.1, 0, -0.1]], np.float32),
        "bone_joints": np.tile(np.array([1, 2, 0, 0], np.uint8), (9, 1)),
        "bone_weights": weights,
        "jaw_open_deg": np.float32(28.0),
    }


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def ply_bytes(
    vertices: Sequence[Sequence[float]] = ((0, 0, 0), (1, 0, 0), (0, 1, 0)),
    faces: Sequence[Sequence[int]] = ((0, 1, 2),),
    confidence: Sequence[float] = (0, 0.5, 1),
    corner: str = "int",
    count: int | None = None,
) -> bytes:
    """A PLY as the engine writes it. `count`: of vertices, as the header claims."""
    header = (
        f"ply\nformat binary_little_endian 1.0\nelement vertex {len(vertices) if count is None else count}\n"
        "property float x\nproperty float y\nproperty float z\nproperty uchar red\nproperty uchar green\n"
        f"property uchar blue\nproperty float confidence\nelement face {len(faces)}\n"
        f"property list uchar {corner} vertex_indices\nend_header\n"
    )
    body = b"".join(struct.pack("<3f3Bf", *v, 9, 9, 9, c) for v, c in zip(vertices, confidence, strict=True))
    code = {"int": "i", "uint": "I", "float": "f"}[corner]
    return header.encode() + body + b"".join(struct.pack(f"<B3{code}", 3, *f) for f in faces)


#: Corners of a curtain of hair seen from above, counterclockwise, x and y, meters.
BOX = ((-0.05, -0.02), (0.05, -0.02), (0.05, 0.02), (-0.05, 0.02))


def hair_arrays() -> dict[str, np.ndarray]:
    """A shell of four triangles, two cards, three strands, a cover, and brows like the cards and strands."""
    corners = np.array([[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0], [0, 0, 0.1]], np.float32)
    ribbon = np.array([[x, y, z] for z in (0.0, 0.1) for y in (0.0, 0.1) for x in (0.0, 0.02)], np.float32)
    arrays = {
        "format_version": np.int32(1),
        "product": np.array("cards"),
        "seen_fraction": np.float32(0.5),
        "style": np.array(json.dumps({"rgb": [60, 40, 20]})),
        "provenance": np.array("{}"),
        "card_vertices": ribbon,
        "card_normals": np.tile(np.array([[0, 0, 1]], np.float32), (8, 1)),
        "card_triangles": np.array([[0, 1, 2], [1, 3, 2], [4, 5, 6], [5, 7, 6]], np.int32),
        "card_uv": np.zeros((8, 2), np.float32),
        "card_colors": np.full((8, 3), 90, np.uint8),
        "card_index": np.array([0, 0, 0, 0, 1, 1, 1, 1], np.int32),
        "card_along": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.float32),
        "card_layer": np.array([0, 1], np.uint8),
        "card_lod": np.array([0, 0], np.uint8),
        "strand_points": np.linspace(0, 0.1, 3 * 4 * 3, dtype=np.float32).reshape(3, 4, 3),
        "strand_root_vertices": np.zeros((3, 3), np.int32),
        "strand_root_barycentric": np.full((3, 3), 1 / 3, np.float32),
        "strand_root_uv": np.zeros((3, 2), np.float32),
        "strand_colors": np.full((3, 2, 3), 90, np.uint8),
    }
    arrays |= {f"brows_{name}": value for name, value in arrays.items() if name.startswith(("card", "str"))}
    arrays |= {
        "facial_product": np.array("cards"),
        "brows_card_bound_vertices": np.tile(np.array([[0, 1, 2]], np.int32), (8, 1)),
        "brows_card_bound_barycentric": np.full((8, 3), 1 / 3, np.float32),
    }
    for prefix in ("shell", "cover"):
        arrays |= {
            f"{prefix}_vertices": corners,
            f"{prefix}_normals": np.tile(np.array([[0, 0, 1]], np.float32), (4, 1)),
            f"{prefix}_triangles": TETRAHEDRON,
            f"{prefix}_uv": np.zeros((4, 2), np.float32),
            f"{prefix}_colors": np.full((4, 3), 90, np.uint8),
            f"{prefix}_seen": np.zeros(4, np.float32),
            f"{prefix}_inner": np.zeros(4, bool),
            f"{prefix}_inset": np.full(4, 0.01, np.float32),
        }
    return arrays


def hanging_hair_arrays() -> dict[str, np.ndarray]:
    """`hair_arrays` with a curtain of hair: it hangs 30 cm down from where two cards have their roots."""
    arrays = hair_arrays()
    box = np.array([[x, y, z] for z in np.linspace(0, -0.3, 31) for x, y in BOX], np.float32)
    rows = np.arange(30)[:, None, None] * 4
    sides = np.array([[k, (k + 1) % 4, 4 + k] for k in range(4)])
    others = np.array([[(k + 1) % 4, 4 + (k + 1) % 4, 4 + k] for k in range(4)])
    around = np.concatenate([rows + sides[:, ::-1], rows + others[:, ::-1]]).reshape(-1, 3)
    ends = [[0, 1, 2], [0, 2, 3], [122, 121, 120], [123, 122, 120]]
    down = np.array([0, 0, -1], np.float32)
    arrays |= {
        "shell_vertices": box,
        "shell_normals": np.sign(box) * np.array([1, 1, 0], np.float32) / np.float32(np.sqrt(2)),
        "shell_triangles": np.concatenate([around, ends]).astype(np.int32),
        "shell_uv": np.zeros((len(box), 2), np.float32),
        "shell_colors": np.full((len(box), 3), 90, np.uint8),
        "shell_seen": np.zeros(len(box), np.float32),
        "shell_inner": np.zeros(len(box), bool),
        "shell_inset": np.zeros(len(box), np.float32),
        "card_vertices": np.concatenate([box[[0, 1]], box[[-4, -3]], box[[2, 3]], box[[-2, -1]]]),
        "card_normals": np.tile(np.cross(down, [1, 0, 0]).astype(np.float32), (8, 1)),
    }
    return arrays
