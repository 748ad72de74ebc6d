"""What a wrapped head leaves on disk as a plain mesh, and what face.json says of it."""

from typing import Any

import numpy as np

from ..template.topology import EYE_LEFT, EYE_RIGHT, SKIN, TEETH_LOWER, TEETH_UPPER, TONGUE, HeadTopology
from ..wrapping.confidence import WELL_SEEN
from ..wrapping.head import Head

#: What a photo could see: no lashes, nothing inside mouth and sockets but what shows through the openings.
PLAIN_PARTS = (SKIN, EYE_LEFT, EYE_RIGHT, TEETH_UPPER, TEETH_LOWER, TONGUE)


def head_ply_bytes(head: Head, topology: HeadTopology) -> bytes:
    """The head as photographed, in quads, as a binary little-endian PLY file with confidence."""
    quads = topology.quads[topology.faces_of(*PLAIN_PARTS)]
    used, quads = np.unique(quads, return_inverse=True)
    quads = quads.reshape(-1, 4)
    header = (
        "ply\nformat binary_little_endian 1.0\n"
        "comment Photobust: head frame, metres, z up, the face looks along -y\n"
        f"element vertex {len(used)}\n"
        "property float x\nproperty float y\nproperty float z\nproperty float confidence\n"
        f"element face {len(quads)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    vertices = np.empty(len(used), [("p", "<f4", 3), ("q", "<f4")])
    vertices["p"], vertices["q"] = head.vertices[used], head.confidence[used]
    faces = np.empty(len(quads), [("n", "u1"), ("i", "<i4", 4)])
    faces["n"], faces["i"] = 4, quads
    return header.encode("ascii") + vertices.tobytes() + faces.tobytes()


def about_head(head: Head, topology: HeadTopology) -> dict[str, Any]:
    """What face.json says of the head: its size, how near it is to the surface, its expression."""
    skin = topology.vertices_of(SKIN)
    seen = skin[head.confidence[skin] > WELL_SEEN]
    distance = head.deviation[seen] * 1000 if len(seen) else np.zeros(1)
    return {
        "vertices": len(head.vertices),
        "quads": len(topology.quads),
        "height_m": round(float(np.ptp(head.neutral[skin, 2])), 4),
        "deviation_mm": {
            "where": f"skin with a confidence above {WELL_SEEN}",
            "vertices": len(seen),
            "median": round(float(np.median(distance)), 3),
            "p95": round(float(np.quantile(distance, 0.95)), 3),
            "max": round(float(distance.max()), 3),
        },
        "expression": {
            topology.unit_names[k]: round(float(head.expression[k]), 3)
            for k in np.flatnonzero(head.expression)
        },
        "timings": {step: round(seconds, 4) for step, seconds in head.timings.items()},
    }
