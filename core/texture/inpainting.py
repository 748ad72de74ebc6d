"""Colors for what the photo does not show: from the other side of the head, then from the surroundings.

Everything that has to be smooth is solved on the mesh's vertices, not in the texture: so it has no seams.
"""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..geometry.visibility import ramp
from ..template.topology import INNER, SKIN, HeadTopology
from .skin_locus import luminance_of, skin_color

if TYPE_CHECKING:
    from ..geometry.factorization import SymmetricSolver

#: Weight of an edge's two colors being alike, beside the weight 1 of an observed one.
STIFFNESS = 0.05
#: Weight of the edge between a vertex and its mirror image.
MIRROR_WEIGHT = 0.3
#: Edges have the weight MEAN_EDGE / length, within limits; meters.
MEAN_EDGE = 0.006
EDGE_WEIGHT_LIMITS = (0.2, 5.0)
#: Weight of the anchor, the typical color of skin or hair, at every vertex.
ANCHOR_WEIGHT = 0.003
#: Weight of the mean where there is no anchor, so that the system is not singular.
MEAN_WEIGHT = 1e-6
#: Natural logarithm of the factor by which mirrored colors are made lighter or darker at most.
TONE_LIMIT = 0.7
#: Least and greatest spread of lightness and of hue, natural logarithms, that are taken for one kind.
LIGHTNESS_SPREAD = (0.32, 0.6)
HUE_SPREAD = (0.17, 0.3)
#: The spread is so many median absolute deviations.
SPREAD_FACTOR = 1.5
#: Distances, in spreads, up to which a color matches fully, and from which on it does not.
MATCH_RANGE = (1.0, 1.7)
#: Tolerance for skin in other regions of the face.
SKIN_TOLERANCE = 1.2
#: Linear light below which logarithms say nothing.
DARK = 4e-3
#: Less known skin or hair, weight in vertices, says nothing about its kind.
MIN_WEIGHT = 15
#: Weight, of the greatest, from which on a vertex is an example of its kind.
EXAMPLE_WEIGHT = 0.3
#: CIE lightness of the skin of a head of which nothing was seen: the middle of measured faces'.
UNSEEN_LIGHTNESS = 50.0


class SmoothCompletion:
    """Smooth fields on the skin of one topology."""

    def __init__(self, topology: HeadTopology) -> None:
        """Prepare the Laplacian of skin and inner, with edges between mirror images."""
        from scipy.sparse import coo_matrix, diags

        count = len(topology.vertices)
        quads = topology.quads[topology.faces_of(SKIN, INNER)]
        edges = np.unique(np.sort(np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)]), 1), axis=0)
        length = np.linalg.norm(topology.vertices[edges[:, 0]] - topology.vertices[edges[:, 1]], axis=1)
        weight = np.clip(MEAN_EDGE / np.maximum(length, 1e-4), *EDGE_WEIGHT_LIMITS)
        twins = np.stack([np.arange(count), topology.mirror], 1)[np.unique(quads)]
        twins = twins[twins[:, 0] < twins[:, 1]]
        rows = np.concatenate([edges[:, 0], twins[:, 0]])
        columns = np.concatenate([edges[:, 1], twins[:, 1]])
        values = np.concatenate([weight, np.full(len(twins), MIRROR_WEIGHT)])
        graph = coo_matrix((values, (rows, columns)), (count, count))
        graph = graph + graph.T
        self._laplacian = diags(np.asarray(graph.sum(1)).ravel()) - graph
        self._count = count

    @cached_property
    def _solver(self) -> "SymmetricSolver":
        from scipy.sparse import identity

        from ..geometry.factorization import SymmetricSolver

        return SymmetricSolver(self._laplacian + identity(self._count))

    def smooth(
        self,
        values: np.ndarray,
        weight: np.ndarray,
        stiffness: float = STIFFNESS,
        anchor: np.ndarray | None = None,
    ) -> np.ndarray:
        """The smoothest field near values.

        Args:
            values: (V, C).
            weight: (V,) of the values; where it is 0 the field is harmonic, the mean of its neighbors.
            stiffness: Weight of the smoothness.
            anchor: (C,) what the field turns into far from any values, or None.

        Returns:
            (V, C) float32.
        """
        from scipy.sparse import diags

        weight = weight.astype(np.float64)
        mean = (values * weight[:, None]).sum(0) / max(float(weight.sum()), 1e-12)
        if anchor is not None:
            mean = anchor
        system = (
            diags(weight + (MEAN_WEIGHT if anchor is None else ANCHOR_WEIGHT)) + stiffness * self._laplacian
        )
        right = (values - mean) * weight[:, None]
        return np.asarray(self._solver.solve(system, right) + mean, np.float32)


def color_match(
    colors: np.ndarray, reference: np.ndarray, tolerance: float = 1.0, any_lightness: bool = False
) -> np.ndarray:
    """Whether colors may be of the same kind as others.

    Lightness may differ more than hue: there is shade, and hair, clothes and background differ in both.

    Args:
        colors: (N, 3) linear.
        reference: (K, 3) linear, of this person's skin, say.
        tolerance: Multiplies the spread.
        any_lightness: Compare the hue alone.

    Returns:
        (N,) float32, 0 (no) to 1 (yes).
    """
    lightness, hue = _lightness_and_hue(colors)
    own_lightness, own_hue = _lightness_and_hue(reference)
    median, median_hue = np.median(own_lightness), np.median(own_hue, axis=0)
    hue_spread = SPREAD_FACTOR * float(np.median(np.linalg.norm(own_hue - median_hue, axis=1)))
    distance = ((hue - median_hue) ** 2).sum(1) / np.clip(hue_spread, *HUE_SPREAD) ** 2
    if not any_lightness:
        spread = SPREAD_FACTOR * float(np.median(np.abs(own_lightness - median)))
        distance += ((lightness - median) / np.clip(spread, *LIGHTNESS_SPREAD)) ** 2
    return ramp(-np.sqrt(distance) / tolerance, -MATCH_RANGE[1], -MATCH_RANGE[0]).astype(np.float32)


def _lightness_and_hue(colors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean logarithm (N,) of the channels of linear colors (N, 3), and their residuals (N, 3)."""
    logs = np.log(np.maximum(colors, DARK)).astype(np.float32)
    return logs.mean(1), logs - logs.mean(1, keepdims=True)


def complete_colors(
    completion: SmoothCompletion, colors: np.ndarray, weight: np.ndarray, scalp: np.ndarray, plain: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Complete skin and hair, each by itself: where they meet they do not mix.

    Args:
        completion: Of the topology.
        colors: (V, 3) linear, where known.
        weight: (V,) 0..1, how well.
        scalp: (V,) 0..1, where hair grows.
        plain: (V,) 0..1, where plain skin is.

    Returns:
        (V, 3) float32 linear colors of the skin, and of the hair, everywhere; where nothing is known, both
        are usual skin.
    """
    if not weight.any():
        usual = np.exp(skin_color(luminance_of(UNSEEN_LIGHTNESS))).astype(np.float32)
        return np.tile(usual, (len(colors), 1)), np.tile(usual, (len(colors), 1))
    fields = []
    skin, hair, example = weight * (1 - scalp) ** 2, weight * scalp**2, weight * plain
    skin, example = (w if w.sum() > MIN_WEIGHT else weight for w in (skin, example))
    match = color_match(colors, colors[example > EXAMPLE_WEIGHT * example.max()], SKIN_TOLERANCE)
    # Features, shade and single hairs are no skin to go on with, and a high forehead is no hair.
    grown = hair * (1 - match)
    hair = next((w for w in (grown, hair) if w.sum() > MIN_WEIGHT), weight)
    for own, typical in ((skin * np.maximum(match, 1e-3), example), (hair, hair)):
        anchor = np.median(colors[typical > EXAMPLE_WEIGHT * typical.max()], axis=0)
        fields.append(np.maximum(completion.smooth(colors, own, anchor=anchor), 0))
    return fields[0], fields[1]


def tone_ratio(
    completion: SmoothCompletion, colors: np.ndarray, weight: np.ndarray, mirror: np.ndarray
) -> np.ndarray:
    """The factor that brings mirrored colors to the tone of the side they go to.

    Where both sides were observed their ratio counts; from there it goes on smoothly.

    Args:
        completion: Of the topology.
        colors: (V, 3) linear, as observed.
        weight: (V,) 0..1, how well.
        mirror: (V,) int, each vertex's mirror image.

    Returns:
        (V, 3) float32.
    """
    both = np.minimum(weight, weight[mirror])
    ratio = np.log(np.maximum(colors, DARK)) - np.log(np.maximum(colors[mirror], DARK))
    ratio = np.clip(ratio, -TONE_LIMIT, TONE_LIMIT)
    if both.sum() < 1:
        return np.ones_like(colors)
    return np.exp(completion.smooth(ratio, both, 1.0))
