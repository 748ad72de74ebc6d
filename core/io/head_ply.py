"""What a wrapped head leaves on disk as a plain mesh, and what face.json says of it."""

from typing import Any

import numpy as np

from ..template.topology import EYE_LEFT, EYE_RIGHT, SKIN, TEETH_LOWER, TEETH_UPPER, TONGUE
from ..wrapping.confidence import RELIABLE_CONFIDENCE
from ..wrapping.head import Head
from .ply import ply_bytes

#: What a photo can show: no lashes, nothing inside mouth and sockets but what shows through the openings.
PLAIN_PARTS = (SKIN, EYE_LEFT, EYE_RIGHT, TEETH_UPPER, TEETH_LOWER, TONGUE)


def head_ply_bytes(head: Head) -> bytes:
    """The head as photographed, in quads, with confidence, as a PLY file."""
    quads = head.topology.quads[head.topology.faces_of(*PLAIN_PARTS)]
    used, quads = np.unique(quads, return_inverse=True)
    return ply_bytes(head.vertices[used], quads.reshape(-1, 4), head.confidence[used])


def head_document(head: Head) -> dict[str, Any]:
    """What face.json says of the head: its size, its distance from the surface, its expression."""
    topology = head.topology
    skin = topology.vertices_of(SKIN)
    reliable = skin[head.confidence[skin] > RELIABLE_CONFIDENCE]
    distance = head.deviation[reliable] * 1000 if len(reliable) else np.zeros(1)
    return {
        "vertices": len(head.vertices),
        "quads": len(topology.quads),
        "height_m": round(float(np.ptp(head.neutral[skin, 2])), 4),
        "deviation_mm": {
            "where": f"skin with a confidence above {RELIABLE_CONFIDENCE}",
            "vertices": len(reliable),
            "median": round(float(np.median(distance)), 3),
            "p95": round(float(np.quantile(distance, 0.95)), 3),
            "max": round(float(distance.max()), 3),
        },
        "expression": {
            topology.blendshape_names[k]: round(float(head.expression[k]), 3)
            for k in np.flatnonzero(head.expression)
        },
        "timings": {step: round(seconds, 4) for step, seconds in head.timings.items()},
    }
