"""Takes the photo's light out of the skin's colors, gently: what smooth light explains, no more."""

import numpy as np

from ..geometry.spherical_harmonics import fit_lighting, sh_basis
from ..geometry.visibility import ramp
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
#: Fraction of a color, of its luminance, from which on what is gray in it is sheen, and is so fully; and by
#: how much lighter than the person's skin it has to be, natural logarithm.
SHEEN_RANGE = (0.04, 0.16)
SHEEN_LIGHT_RANGE = (0.0, 0.2)
#: How far what is left under sheen takes on the hue of the person's skin, 0..1.
SHEEN_HUE = 0.75


def without_sheen(colors: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """Take what the light reflects off the skin's surface out of colors: it has the light's color, white.

    What lies below the surface is the skin's color times the light, what lies on it is added: the dichromatic
    model of S. Shafer, "Using color to separate reflection components", 1985. On deep skin it is most of what
    highlights are, and gray.

    Args:
        colors: (V, 3) linear, as photographed.
        skin: (V, 3) linear, what the person's skin is expected to look like.

    Returns:
        (V, 3) float32 linear.
    """
    # Least squares: color = a * skin + sheen * (1, 1, 1).
    mean, expected = colors.mean(1), skin.mean(1)
    saturation = skin - expected[:, None]
    factor = (saturation * colors).sum(1) / np.maximum((saturation**2).sum(1), DARK**2)
    luminance, plain = (np.maximum(values @ LUMINANCE, DARK) for values in (colors, skin))
    # It explains no more than what is lighter than the skin.
    sheen = np.minimum(mean - np.maximum(factor, 0) * expected, luminance - plain)
    lighter = np.log(luminance / plain)
    amount = ramp(sheen / luminance, *SHEEN_RANGE) * ramp(lighter, *SHEEN_LIGHT_RANGE)
    below = colors - np.minimum(sheen * amount, 0.9 * colors.min(1))[:, None]
    # The sky's reflection is bluer than white: what is left of that goes, too.
    ratio = (below @ LUMINANCE) / plain
    hue = SHEEN_HUE * amount[:, None]
    return np.asarray(np.maximum(below, 0) ** (1 - hue) * (skin * ratio[:, None]) ** hue, np.float32)


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
