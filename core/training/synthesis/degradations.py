"""What cameras, apps and messengers do to pictures: blur, noise, JPEG, small sizes, color casts, gray."""

import cv2
import numpy as np


def _blur(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.7:
        return cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.3, 2.2))
    length = int(rng.integers(3, 10))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    half = (length - 1) / 2
    step = np.array([np.cos(angle), np.sin(angle)]) * half
    ends = [tuple(round(half + s * float(v)) for v in step) for s in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], (1.0,))
    return cv2.filter2D(rgb, -1, kernel / kernel.sum())


def _resample(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = rgb.shape[:2]
    scale = np.exp(rng.uniform(np.log(0.22), np.log(0.8)))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    how = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)[rng.choice(3, p=[0.55, 0.4, 0.05])]
    return cv2.resize(small, (width, height), interpolation=how)


def _noise(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = rgb.shape[:2]
    sigma = float(np.exp(rng.uniform(np.log(1.0), np.log(14.0))))
    spread = (np.zeros(3), np.full(3, sigma))
    noise: np.ndarray = np.empty((height, width, 3), np.int16)
    # OpenCV's generator is many times faster than numpy's; it is seeded from ours.
    cv2.setRNGSeed(int(rng.integers(1 << 31)))
    if rng.random() < 0.3:
        gray = np.empty((height, width), np.int16)
        cv2.randn(gray, spread[0][:1], spread[1][:1])
        noise[:] = gray[..., None]
    else:
        cv2.randn(noise, *spread)
    if rng.random() < 0.4:
        noise = cv2.GaussianBlur(noise, (0, 0), 0.7)
    return cv2.add(rgb, noise, dtype=cv2.CV_8U)


def _tone(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    x = np.arange(256)[:, None] / 255.0
    gamma = np.exp(rng.normal(0, 0.22))
    gain = np.exp(rng.normal(0, 0.12)) * np.exp(rng.normal(0, 0.07, 3))
    lift = rng.uniform(-0.04, 0.06)
    contrast = np.exp(rng.normal(0, 0.12))
    y = (np.clip(x**gamma * gain, 0, 1) - 0.5) * contrast + 0.5 + lift
    return cv2.LUT(rgb, (np.clip(y, 0, 1) * 255 + 0.5).astype(np.uint8).reshape(1, 256, 3))


def _jpeg(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    _, code = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(22, 95))])
    return cv2.imdecode(code, cv2.IMREAD_COLOR)


def _vignette(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    fall = 1 - rng.uniform(0.1, 0.55) * ((x - rng.normal(0, 0.2)) ** 2 + (y - rng.normal(0, 0.2)) ** 2) / 2
    fall = cv2.resize(fall.astype(np.float32), rgb.shape[1::-1])
    return cv2.multiply(rgb, cv2.merge([fall] * 3), dtype=cv2.CV_8U)


def _gray(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    weights = rng.dirichlet([3.0, 6.0, 2.0])
    gray = (rgb @ weights.astype(np.float32))[..., None]
    tint = np.array([1.08, 1.0, 0.84]) if rng.random() < 0.15 else np.ones(3)
    return np.clip(gray * tint, 0, 255).astype(np.uint8)


def degrade_picture(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give a picture each flaw at random, in the order in which cameras make them.

    Args:
        rgb: (H, W, 3) uint8 sRGB.
        rng: random numbers.

    Returns:
        (H, W, 3) uint8 sRGB.
    """
    steps = (
        (0.25, _vignette),
        (0.35, _blur),
        (0.25, _resample),
        (0.55, _noise),
        (0.75, _tone),
        (0.10, _gray),
        (0.55, _jpeg),
    )
    for fraction, step in steps:
        if rng.random() < fraction:
            rgb = step(rgb, rng)
    return np.ascontiguousarray(rgb)
