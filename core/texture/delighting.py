"""Takes the photo's light out of the skin's colors, gently: what smooth light explains, no more."""

import numpy as np

from ..geometry.spherical_harmonics import fit_lighting, sh_basis
from ..image.color import LUMINANCE
from .settings import TextureSettings

#: Regularization of the fit, fractions of its total weight, for constant, linear and quadratic harmonics.
REGULARIZATION = np.array([0.0, *[0.005] * 3, *[0.03] * 5])
ROUNDS = 8
#: Weight of plain skin from which a vertex takes part in the fit.
MIN_WEIGHT = 0.05
#: Fewer vertices of plain skin say nothing about the light.
MIN_VERTICES = 60
#: A median shading as dark as that, linear, is no light.
DARK = 1e-4


def relative_shading(
    normals: np.ndarray,
    colors: np.ndarray,
    weight: np.ndarray,
    settings: TextureSettings = TextureSettings(),  # noqa: B008 (frozen)
) -> np.ndarray:
    """How much brighter than the face's median the light makes each vertex, to be divided by.

    Args:
        normals: (V, 3) unit normals, any frame.
        colors: (V, 3) linear, as photographed.
        weight: (V,) 0..1, how much each vertex says about plain skin.
        settings: How much of the light is taken out.

    Returns:
        (V,) float32; all ones if there is too little skin.
    """
    used = weight > MIN_WEIGHT
    if used.sum() < MIN_VERTICES:
        return np.ones(len(normals), np.float32)
    basis = sh_basis(normals.astype(np.float64))
    brightness = (colors[used] @ LUMINANCE).astype(np.float64)
    light = fit_lighting(basis[used], brightness, weight[used].astype(np.float64), REGULARIZATION, ROUNDS)
    shading = basis @ light
    median = float(np.median(shading[used]))
    if median <= DARK:
        return np.ones(len(normals), np.float32)
    relative = np.clip(shading / median, settings.min_shading, settings.max_shading)
    return (relative**settings.delight_strength).astype(np.float32)
