"""Colours for what the photo did not see: from the other side of the head, then from the surroundings.

Everything that has to be smooth is solved on the mesh's vertices, not in the picture: so it knows no seams.
"""

import numpy as np

from ..template.topology import INNER, SKIN, HeadTopology
from .projection import ramp

#: How much a vertex without data follows its neighbours, beside the weight 1 of one that was seen.
STIFFNESS = 0.05
#: How easily a colour passes from one side of the head to the other.
MIRROR_PASS = 0.3
#: Pull of a place without data towards the typical colour of its kind, skin or hair.
PRIOR = 0.003
#: Pull towards nothing (or the mean), so that places that no data reach have an answer.
PULL = 1e-6
#: Natural logarithm of how much the mirrored side may be made lighter or darker.
TONE_LIMIT = 0.7
#: How far, natural logarithm, lightness and hue may be from the others' middle, at least and at most, however
#: much they differ themselves; in shares of it, what passes fully and beyond which nothing does.
LIGHTNESS_SPREAD, HUE_SPREAD = (0.32, 0.6), (0.17, 0.3)
PASS = (1.0, 1.7)
#: How much more than that skin in other places may differ, and still be skin.
ALIKE = 1.2
DARK = 4e-3
#: Less known skin or hair, vertices, says nothing about its kind.
FEWEST = 15


class Filler:
    """Smooth fields on the skin of one topology."""

    def __init__(self, topology: HeadTopology) -> None:
        from scipy.sparse import coo_matrix, diags

        count = len(topology.vertices)
        quads = topology.quads[topology.faces_of(SKIN, INNER)]
        edges = np.unique(np.sort(np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)]), 1), axis=0)
        length = np.linalg.norm(topology.vertices[edges[:, 0]] - topology.vertices[edges[:, 1]], axis=1)
        weight = np.clip(0.006 / np.maximum(length, 1e-4), 0.2, 5.0)
        twins = np.stack([np.arange(count), topology.mirror], 1)[np.unique(quads)]
        twins = twins[twins[:, 0] < twins[:, 1]]
        rows = np.concatenate([edges[:, 0], twins[:, 0]])
        columns = np.concatenate([edges[:, 1], twins[:, 1]])
        values = np.concatenate([weight, np.full(len(twins), MIRROR_PASS)])
        graph = coo_matrix((values, (rows, columns)), (count, count))
        graph = graph + graph.T
        self._laplacian = diags(np.asarray(graph.sum(1)).ravel()) - graph
        self._count = count

    def smooth(
        self,
        values: np.ndarray,
        weight: np.ndarray,
        stiffness: float = STIFFNESS,
        anchor: np.ndarray | None = None,
    ) -> np.ndarray:
        """(V, C) float32: the smoothest field through values (V, C), as far as their weights (V,) insist.

        Where there are no weights it is harmonic, the mean of its neighbours, and further away it turns into
        the anchor (C,), if there is one.
        """
        from scipy.sparse import diags
        from scipy.sparse.linalg import splu

        weight = weight.astype(np.float64)
        mean = (values * weight[:, None]).sum(0) / max(float(weight.sum()), 1e-12)
        if anchor is not None:
            mean = anchor
        system = diags(weight + (PULL if anchor is None else PRIOR)) + stiffness * self._laplacian
        right = (values - mean) * weight[:, None]
        return (splu(system.tocsc()).solve(right) + mean).astype(np.float32)


def likeness(
    colors: np.ndarray, reference: np.ndarray, tolerance: float = 1.0, any_lightness: bool = False
) -> np.ndarray:
    """(N,) float32, 0 to 1: whether linear colours (N, 3) may be of the same kind as others.

    reference: (K, 3) linear colours of this person's skin, say. Lightness may differ more than hue: there is
    shade, and hair, clothes and background differ in both. tolerance: multiplies what may differ.
    """
    lightness, hue = _lightness_and_hue(colors)
    own_lightness, own_hue = _lightness_and_hue(reference)
    middle, middle_hue = np.median(own_lightness), np.median(own_hue, axis=0)
    hue_spread = 1.5 * float(np.median(np.linalg.norm(own_hue - middle_hue, axis=1)))
    away = ((hue - middle_hue) ** 2).sum(1) / np.clip(hue_spread, *HUE_SPREAD) ** 2
    if not any_lightness:
        spread = 1.5 * float(np.median(np.abs(own_lightness - middle)))
        away += ((lightness - middle) / np.clip(spread, *LIGHTNESS_SPREAD)) ** 2
    return ramp(-np.sqrt(away) / tolerance, -PASS[1], -PASS[0]).astype(np.float32)


def _lightness_and_hue(colors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean logarithm (N,) of the channels of linear colours (N, 3), and what is left of each (N, 3)."""
    logs = np.log(np.maximum(colors, DARK)).astype(np.float32)
    return logs.mean(1), logs - logs.mean(1, keepdims=True)


def fill_colors(
    filler: Filler, colors: np.ndarray, weight: np.ndarray, scalp: np.ndarray, plain: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Smooth linear colours (V, 3) of the skin, and of the hair: where they meet they do not mix.

    colors: (V, 3) where known; weight: (V,) how well; scalp, plain: (V,) shares of hair and of plain skin.
    """
    fields = []
    skin, hair, sure = weight * (1 - scalp) ** 2, weight * scalp**2, weight * plain
    skin, sure = (w if w.sum() > FEWEST else weight for w in (skin, sure))
    like = likeness(colors, colors[sure > 0.3 * sure.max()], ALIKE)
    # Features, shade and what is left of hair are no skin to go on with, and a high forehead is no hair.
    grown = hair * (1 - like)
    hair = next((w for w in (grown, hair) if w.sum() > FEWEST), weight)
    for own, typical in ((skin * np.maximum(like, 1e-3), sure), (hair, hair)):
        anchor = np.median(colors[typical > 0.3 * typical.max()], axis=0)
        fields.append(np.maximum(filler.smooth(colors, own, anchor=anchor), 0))
    return fields[0], fields[1]


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
