"""How good the picture of a face is, and how well light explains it: sharpness, shading, what is cut off."""

import numpy as np

from ..geometry.spherical_harmonics import sh_basis
from ..texture.delighting import LUMINANCE, srgb_to_linear_table

#: Blur, crop pixels, before fine contrast is measured (of noise) and before shading is compared.
FINE_BLUR, SHADING_BLUR = 0.7, 1.5
#: Contrast, of 1, and share of it that is fine, which even a blank wall has: keeps logarithms finite.
LEAST, LEAST_FINE = 1e-5, 1e-6
#: Cosine between normal and ray from which shading is compared; rounds of its robust fit.
FACING, ROUNDS = 0.35, 3
#: Fewer pixels than this say nothing.
FEWEST = 200


def luminance(rgb: np.ndarray) -> np.ndarray:
    """(H, W) float32, 0..1, linear light of (H, W, 3) uint8 sRGB."""
    return srgb_to_linear_table()[rgb] @ LUMINANCE


def sharpness(crop: np.ndarray, mask: np.ndarray) -> float:
    """Log10 of the variance of the Laplacian over the variance of the brightness, in the face.

    crop: (192, 192, 3) uint8, 6.5 px per cm whatever the photo's size, so that a small face counts as blurred
    too; mask: (192, 192) bool. J. L. Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy: a
    comparative study", ICPR 2000, for the variance of the Laplacian.
    """
    import cv2

    if mask.sum() < FEWEST:
        return float(np.log10(LEAST_FINE))
    grey = cv2.GaussianBlur((crop @ LUMINANCE / 255).astype(np.float32), (0, 0), FINE_BLUR)
    fine = cv2.Laplacian(grey, cv2.CV_32F)[mask].var()
    return float(np.log10(fine / (grey[mask].var() + LEAST) + LEAST_FINE))


def shading_residual(crop: np.ndarray, front: np.ndarray, mask: np.ndarray) -> float:
    """Root mean square of what smooth light on the surface leaves unexplained over the mean brightness, 0..1.

    crop: (192, 192, 3) uint8; front: (192, 192) float32, z of the surface, -inf where there is none; mask:
    (192, 192) bool, the face.
    """
    import cv2

    some = np.isfinite(front)
    if not some.any():
        return 1.0
    depth = cv2.GaussianBlur(np.where(some, front, front[some].min()), (0, 0), SHADING_BLUR)
    along_y, along_x = np.gradient(depth)
    length = np.sqrt(1 + along_x**2 + along_y**2)
    pick = mask & some & (1 / length > FACING)
    if pick.sum() < FEWEST:
        return 1.0
    normals = np.stack([-along_x[pick], -along_y[pick], np.ones(int(pick.sum()))], 1) / length[pick, None]
    bright = cv2.GaussianBlur(luminance(crop), (0, 0), SHADING_BLUR)[pick].astype(np.float64)
    basis = sh_basis(normals.astype(np.float64))
    weight = np.ones(len(bright))
    for _ in range(ROUNDS):
        weighted = basis * weight[:, None]
        light = np.linalg.solve(weighted.T @ basis + 1e-3 * weight.sum() * np.eye(9), weighted.T @ bright)
        residual = bright - basis @ light
        weight = 1 / (1 + (residual / (1.5 * np.median(np.abs(residual)) + 1e-5)) ** 2)
    return float(min(1.0, np.sqrt(np.square(residual).mean()) / max(bright.mean(), 1e-3)))


def cut_share(box: tuple[float, float, float, float], shape: tuple[int, ...]) -> float:
    """Share of a box (left, top, right, bottom), photo frame, that lies outside a photo of this shape."""
    left, top, right, bottom = box
    height, width = shape[:2]
    inside_x = max(0.0, min(right, width - 0.5) - max(left, -0.5))
    inside_y = max(0.0, min(bottom, height - 0.5) - max(top, -0.5))
    area = max((right - left) * (bottom - top), 1e-9)
    return float(np.clip(1 - inside_x * inside_y / area, 0, 1))
