"""Writes meshes as binary little-endian PLY."""

import numpy as np

#: What the files say of their frame.
FRAME = "Photobust: head frame, metres, z up, the face looks along -y"


def ply_bytes(
    vertices: np.ndarray, faces: np.ndarray, confidence: np.ndarray, colors: np.ndarray | None = None
) -> bytes:
    """A mesh as a PLY file.

    Args:
        vertices: (V, 3), head frame, meters.
        faces: (F, 3) or (F, 4) int, triangles or quads.
        confidence: (V,) 0..1.
        colors: (V, 3) uint8 sRGB, or None.

    Returns:
        The file.
    """
    fields = [("position", "<f4", 3)]
    properties = ["float x", "float y", "float z"]
    if colors is not None:
        fields.append(("color", "u1", 3))
        properties += ["uchar red", "uchar green", "uchar blue"]
    rows = np.empty(len(vertices), [*fields, ("confidence", "<f4")])
    rows["position"], rows["confidence"] = vertices, confidence
    if colors is not None:
        rows["color"] = colors
    corners = faces.shape[1]
    lists = np.empty(len(faces), [("count", "u1"), ("index", "<i4", corners)])
    lists["count"], lists["index"] = corners, faces
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment {FRAME}" + ("" if colors is None else "; colours sRGB"),
        f"element vertex {len(vertices)}",
        *(f"property {name}" for name in [*properties, "float confidence"]),
        f"element face {len(faces)}",
        "property list uchar int vertex_indices",
        "end_header\n",
    ]
    return "\n".join(header).encode("ascii") + rows.tobytes() + lists.tobytes()
