"""Which colors human skin has, by its lightness.

Spectrophotometers put people's faces on one narrow curve: between fair and deep skin the lightness changes by
a factor of ten, hue and saturation hardly (12,000 patches in nine data sets: CIE x050-OP065, 2023). Photos
show skin redder and more saturated: cameras raise the contrast of every channel, lamps and evenings are warm.
"""

from functools import lru_cache

import numpy as np

from ..image.color import LUMINANCE

#: The curve, CIELAB (D65): lightness L*, and a* and b* at it. Read off measurements without the surface's
#: reflection (45/0), as an albedo has none: five clusters of 120 faces, L* 27 to 53, chroma 21 to 29 at the
#: tip of the nose and the upper lip, which are redder than cheeks (a proposed shade guide for facial skin,
#: IADR 2009, abstract 120461); fair faces by the bounds of the individual typology angle (A. Chardon et al.,
#: International Journal of Cosmetic Science 13, 1991).
LOCUS_LIGHTNESS = (18.0, 27.0, 37.0, 45.0, 55.0, 62.0, 70.0)
LOCUS_A = (9.0, 12.0, 14.0, 14.5, 14.0, 13.0, 10.5)
LOCUS_B = (9.0, 13.0, 18.0, 20.5, 20.5, 18.5, 16.0)
#: Least and greatest L* of skin's albedo.
LIGHTNESS_RANGE = (20.0, 70.0)
#: CIELAB's white, D65, 2 degrees, and sRGB's primaries to XYZ (IEC 61966-2-1).
WHITE_POINT = np.array([0.95047, 1.0, 1.08883])
XYZ_OF_RGB = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lightness_of(luminance: float) -> float:
    """CIELAB's L* of a luminance, linear, above its straight part (L* 8)."""
    return float(116 * np.cbrt(luminance) - 16)


def luminance_of(lightness: float) -> float:
    """The luminance, linear, of CIELAB's L*."""
    return float(((lightness + 16) / 116) ** 3)


def skin_color(luminance: float) -> np.ndarray:
    """The most usual color of skin.

    Args:
        luminance: Linear.

    Returns:
        (3,) natural logarithm of the linear color of that luminance.
    """
    lightness = lightness_of(luminance)
    logs = np.array([np.interp(lightness, LOCUS_LIGHTNESS, channel) for channel in _locus().T])
    return np.asarray(logs + np.log(luminance / (np.exp(logs) @ LUMINANCE)))


@lru_cache(maxsize=1)
def _locus() -> np.ndarray:
    """(7, 3) natural logarithms of the curve's linear colors."""
    f = (np.array(LOCUS_LIGHTNESS) + 16) / 116
    xyz = np.stack([f + np.array(LOCUS_A) / 500, f, f - np.array(LOCUS_B) / 200], 1) ** 3 * WHITE_POINT
    return np.asarray(np.log(xyz @ np.linalg.inv(XYZ_OF_RGB).T))
