"""Takes the photo's light out of the skin's colours, gently: what smooth light explains, no more."""

import numpy as np

from ..geometry.spherical_harmonics import sh_basis

#: sRGB as linear light, and the share of each channel in the luminance (Rec. 709).
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
#: How much of the shading is taken out (its power), and how far it may be from the face's middle.
STRENGTH, DARKEST, BRIGHTEST = 0.75, 0.4, 1.8
#: Resistance of the fit, in shares of its weight, for linear and quadratic harmonics.
RESISTANCE = np.array([0.0, *[0.005] * 3, *[0.03] * 5])
#: Fewer vertices of plain skin say nothing about the light.
FEWEST = 60


def srgb_to_linear_table() -> np.ndarray:
    """(256,) float32: linear light of sRGB's bytes."""
    value = np.arange(256) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """uint8 sRGB of linear light, through a table that is fine where the curve is steep."""
    steps = np.linspace(0, 1, 4096) ** 2
    srgb = np.where(steps <= 0.0031308, steps * 12.92, 1.055 * steps ** (1 / 2.4) - 0.055)
    table = np.round(srgb * 255).astype(np.uint8)
    return table[(np.sqrt(np.clip(linear, 0, 1)) * 4095 + 0.5).astype(np.int32)]


def relative_shading(normals: np.ndarray, colors: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(V,) float32: how much brighter than the face's middle the light makes each vertex, to be divided by.

    normals: (V, 3); colors: (V, 3) linear, as photographed; weight: (V,) how much each says about plain skin.
    All ones if there is too little skin. The fit is robust: brows, beard and moles are no shade.
    """
    pick = weight > 0.05
    if pick.sum() < FEWEST:
        return np.ones(len(normals), np.float32)
    basis = sh_basis(normals.astype(np.float64))
    a, b = basis[pick], (colors[pick] @ LUMINANCE).astype(np.float64)
    first = weight[pick].astype(np.float64)
    w = first.copy()
    for _ in range(8):
        weighted = a * w[:, None]
        coefficients = np.linalg.solve(weighted.T @ a + np.diag(RESISTANCE * w.sum()), weighted.T @ b)
        residual = b - a @ coefficients
        scale = 1.5 * np.median(np.abs(residual)) + 1e-5
        w = first / (1 + (residual / scale) ** 2)
    shading = basis @ coefficients
    middle = float(np.median(shading[pick]))
    if middle <= 1e-4:
        return np.ones(len(normals), np.float32)
    return (np.clip(shading / middle, DARKEST, BRIGHTEST) ** STRENGTH).astype(np.float32)
