"""How good the picture of a face is, and how well light explains it: sharpness, shading, truncation."""

import numpy as np

from ..geometry.spherical_harmonics import fit_lighting, sh_basis
from ..image.color import LUMINANCE, linear_of_bytes_float32

#: Standard deviation of the blur, crop pixels, before fine contrast is measured: takes out noise.
FINE_BLUR = 0.7
#: The same, before shading is compared.
SHADING_BLUR = 1.5
#: Variance of the brightness, and fine fraction of it, that even a blank wall has: keeps logarithms finite.
MIN_VARIANCE = 1e-5
MIN_FINE_FRACTION = 1e-6
#: Cosine between normal and ray from which on shading is compared.
MIN_COSINE = 0.35
#: Rounds of the robust fit of the light, and its regularization, as a fraction of the total weight.
ROUNDS = 3
REGULARIZATION = np.full(9, 1e-3)
#: Fewer pixels than this say nothing.
MIN_PIXELS = 200
#: A face darker than that, linear, is compared as if it were as bright.
MIN_BRIGHTNESS = 1e-3


def luminance(rgb: np.ndarray) -> np.ndarray:
    """Linear light of a picture.

    Args:
        rgb: (H, W, 3) uint8, sRGB.

    Returns:
        (H, W) float32, 0..1.
    """
    return linear_of_bytes_float32()[rgb] @ LUMINANCE


def sharpness(crop: np.ndarray, mask: np.ndarray) -> float:
    """How sharp the face is: variance of the Laplacian over the variance of the brightness.

    The variance of the Laplacian is from J. L. Pech-Pacheco et al., "Diatom autofocusing in brightfield
    microscopy: a comparative study", ICPR 2000.

    Args:
        crop: (192, 192, 3) uint8, 6.5 px per cm whatever the photo's size: small faces count as blurred.
        mask: (192, 192) bool, the face.

    Returns:
        Log10 of the fraction.
    """
    import cv2

    if mask.sum() < MIN_PIXELS:
        return float(np.log10(MIN_FINE_FRACTION))
    gray = cv2.GaussianBlur((crop @ LUMINANCE / 255).astype(np.float32), (0, 0), FINE_BLUR)
    fine = cv2.Laplacian(gray, cv2.CV_32F)[mask].var()
    return float(np.log10(fine / (gray[mask].var() + MIN_VARIANCE) + MIN_FINE_FRACTION))


def shading_residual(crop: np.ndarray, front: np.ndarray, mask: np.ndarray) -> float:
    """What smooth light on the surface leaves unexplained of the face's brightness.

    Args:
        crop: (192, 192, 3) uint8.
        front: (192, 192) float32, z of the surface, voxels, -inf where there is none.
        mask: (192, 192) bool, the face.

    Returns:
        Root mean square of the residual over the mean brightness, 0..1; 1 if too little is known.
    """
    import cv2

    valid = np.isfinite(front)
    if not valid.any():
        return 1.0
    depth = cv2.GaussianBlur(np.where(valid, front, front[valid].min()), (0, 0), SHADING_BLUR)
    along_y, along_x = np.gradient(depth)
    length = np.sqrt(1 + along_x**2 + along_y**2)
    pick = mask & valid & (1 / length > MIN_COSINE)
    if pick.sum() < MIN_PIXELS:
        return 1.0
    normals = np.stack([-along_x[pick], -along_y[pick], np.ones(int(pick.sum()))], 1) / length[pick, None]
    bright = cv2.GaussianBlur(luminance(crop), (0, 0), SHADING_BLUR)[pick].astype(np.float64)
    basis = sh_basis(normals.astype(np.float64))
    light = fit_lighting(basis, bright, np.ones(len(bright)), REGULARIZATION, ROUNDS)
    residual = bright - basis @ light
    return float(min(1.0, np.sqrt(np.square(residual).mean()) / max(bright.mean(), MIN_BRIGHTNESS)))


def truncation(box: tuple[float, float, float, float], shape: tuple[int, ...]) -> float:
    """How much of a face lies beyond the photo's edge.

    Args:
        box: (left, top, right, bottom), photo frame, pixels.
        shape: Height and width of the photo, pixels.

    Returns:
        Fraction of the box's area, 0..1.
    """
    left, top, right, bottom = box
    height, width = shape[:2]
    inside_x = max(0.0, min(right, width - 0.5) - max(left, -0.5))
    inside_y = max(0.0, min(bottom, height - 0.5) - max(top, -0.5))
    area = max((right - left) * (bottom - top), 1e-9)
    return float(np.clip(1 - inside_x * inside_y / area, 0, 1))
