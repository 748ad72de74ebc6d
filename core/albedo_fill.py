"""Colours for what the photo did not see: from the other side of the head, then from the surroundings.

Everything that has to be smooth is solved on the mesh's vertices, not in the picture: so it knows no seams.
"""

import numpy as np

from core.albedo_regions import Regions
from core.head_topology import INNER, SKIN, HeadTopology

#: How much a vertex without data follows its neighbours, beside the weight 1 of one that was seen.
STIFFNESS = 0.05
#: How easily a colour passes the hairline, and from one side of the head to the other.
HAIRLINE_PASS, MIRROR_PASS = 0.01, 0.3
#: Pull towards nothing (or the mean), so that places that no data reach have an answer.
PULL = 1e-6
#: Natural logarithm of how much the mirrored side may be made lighter or darker.
TONE_LIMIT = 0.7
#: How far, natural logarithm, lightness and the channels' ratios may be from a person's skin; in shares of
#: it, what passes fully and beyond which nothing does.
LIGHTNESS_SPREAD, CHROMA_SPREAD = 0.32, 0.11
SKIN_PASS = (1.0, 1.7)
DARK = 1e-3


class Filler:
    """Smooth fields on the skin of one topology."""

    def __init__(self, topology: HeadTopology, regions: Regions) -> None:
        from scipy.sparse import coo_matrix, diags

        count = len(topology.vertices)
        quads = topology.quads[topology.faces_of(SKIN, INNER)]
        edges = np.unique(np.sort(np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)]), 1), axis=0)
        length = np.linalg.norm(topology.vertices[edges[:, 0]] - topology.vertices[edges[:, 1]], axis=1)
        weight = np.clip(0.006 / np.maximum(length, 1e-4), 0.2, 5.0)
        step = np.abs(regions.scalp[edges[:, 0]] - regions.scalp[edges[:, 1]])
        weight *= np.where(step > 0.2, HAIRLINE_PASS, 1.0)
        twins = np.stack([np.arange(count), topology.mirror], 1)[np.unique(quads)]
        twins = twins[twins[:, 0] < twins[:, 1]]
        rows = np.concatenate([edges[:, 0], twins[:, 0]])
        columns = np.concatenate([edges[:, 1], twins[:, 1]])
        values = np.concatenate([weight, np.full(len(twins), MIRROR_PASS)])
        graph = coo_matrix((values, (rows, columns)), (count, count))
        graph = graph + graph.T
        self._laplacian = diags(np.asarray(graph.sum(1)).ravel()) - graph
        self._count = count

    def smooth(self, values: np.ndarray, weight: np.ndarray, stiffness: float = STIFFNESS) -> np.ndarray:
        """(V, C) float32: the smoothest field through values (V, C), as far as their weights (V,) insist.

        Where there are no weights it is harmonic: the mean of its neighbours.
        """
        from scipy.sparse import diags
        from scipy.sparse.linalg import splu

        weight = weight.astype(np.float64)
        mean = (values * weight[:, None]).sum(0) / max(float(weight.sum()), 1e-12)
        system = diags(weight + PULL) + stiffness * self._laplacian
        right = (values - mean) * weight[:, None]
        return (splu(system.tocsc()).solve(right) + mean).astype(np.float32)


def skin_likeness(colors: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """(N,) float32, 0 to 1: whether linear colours (N, 3) may be this person's skin.

    reference: (K, 3) linear colours that are. Lightness may differ more than hue: there is shade, and hair,
    clothes and background differ in both.
    """
    logs = np.log(np.maximum(colors, DARK)).astype(np.float32)
    own = np.log(np.maximum(reference, DARK))
    middle = np.median(own, axis=0).astype(np.float32)
    spread = 1.5 * np.median(np.abs(own - middle), axis=0).mean()
    lightness = np.abs(logs.mean(1) - middle.mean()) / max(LIGHTNESS_SPREAD, 2 * spread)
    ratio = (logs - logs.mean(1, keepdims=True)) - (middle - middle.mean())
    chroma = np.sqrt((ratio**2).sum(1)) / max(CHROMA_SPREAD * 1.7, spread)
    away = np.sqrt(lightness**2 + chroma**2)
    return np.clip((SKIN_PASS[1] - away) / (SKIN_PASS[1] - SKIN_PASS[0]), 0, 1).astype(np.float32)


def tone_ratio(filler: Filler, colors: np.ndarray, weight: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """(V, 3) float32: what to multiply a mirrored colour with at each vertex so that it meets what is there.

    colors: (V, 3) linear as seen; weight: (V,) how well. Where both sides were seen their ratio counts; from
    there it goes on smoothly.
    """
    both = np.minimum(weight, weight[mirror])
    ratio = np.log(np.maximum(colors, DARK)) - np.log(np.maximum(colors[mirror], DARK))
    ratio = np.clip(ratio, -TONE_LIMIT, TONE_LIMIT)
    if both.sum() < 1:
        return np.ones_like(colors)
    return np.exp(filler.smooth(ratio, both, 1.0))
