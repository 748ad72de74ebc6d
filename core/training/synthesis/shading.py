"""Shades what a training picture shows: matte and shining light, soft shadows, crevices."""

import cv2
import numba
import numpy as np

from .lighting import SceneLight


@numba.njit(cache=True, fastmath=True, inline="always")
def _smooth_light(sh: np.ndarray, c: int, x: float, y: float, z: float) -> float:
    """Spherical harmonics (9, 3) up to degree 2, of one channel, in a direction."""
    return (
        0.282095 * sh[0, c]
        + 0.488603 * (sh[1, c] * y + sh[2, c] * z + sh[3, c] * x)
        + 1.092548 * (sh[4, c] * x * y + sh[5, c] * y * z + sh[7, c] * x * z)
        + 0.315392 * sh[6, c] * (3 * z * z - 1)
        + 0.546274 * sh[8, c] * (x * x - y * y)
    )


@numba.njit(cache=True, fastmath=True)
def _shade(  # noqa: PLR0913 (numba takes flat arguments)
    albedo: np.ndarray,
    normals: np.ndarray,
    shadow: np.ndarray,
    ambient: np.ndarray,
    mask: np.ndarray,
    gloss_map: np.ndarray,
    sh: np.ndarray,
    key: np.ndarray,
    color: np.ndarray,
    focal: float,
    cx: float,
    cy: float,
    roughness: float,
    specular: float,
    out: np.ndarray,
) -> None:

    for i in range(mask.shape[0]):
        for j in range(mask.shape[1]):
            if not mask[i, j]:
                continue
            x, y, z = normals[i, j, 0], normals[i, j, 1], normals[i, j, 2]
            vx, vy, vz = -(j - cx) / focal, -(i - cy) / focal, -1.0
            inv = 1.0 / np.sqrt(vx * vx + vy * vy + 1.0)
            vx, vy, vz = vx * inv, vy * inv, vz * inv
            nv = max(x * vx + y * vy + z * vz, 0.05)
            hx, hy, hz = key[0] + vx, key[1] + vy, key[2] + vz
            inv = 1.0 / max(np.sqrt(hx * hx + hy * hy + hz * hz), 1e-6)
            nh = max((x * hx + y * hy + z * hz) * inv, 0.0)
            vh = max((vx * hx + vy * hy + vz * hz) * inv, 0.0)
            nl = x * key[0] + y * key[1] + z * key[2]
            wet = max(gloss_map[i, j], 0.0)
            dry = max(-gloss_map[i, j], 0.0)
            rough = roughness * (1 - wet) + 0.12 * wet
            a2 = rough * rough * rough * rough
            d = nh * nh * (a2 - 1) + 1
            lobe = a2 / (d * d + 1e-7) * 0.25
            fresnel = 0.028 + 0.972 * (1 - vh) ** 5
            edge = 0.028 + 0.5 * (1 - nv) ** 5
            # Mirror direction, for the smooth light's reflection.
            rx, ry, rz = 2 * nv * x - vx, 2 * nv * y - vy, 2 * nv * z - vz
            occluded, lit = ambient[i, j], shadow[i, j]
            for c in range(3):
                soft = _smooth_light(sh, c, x, y, z)
                gloss = _smooth_light(sh, c, rx, ry, rz)
                # Light creeps around skin's terminator, red most.
                wrap = 0.22 if c == 0 else (0.1 if c == 1 else 0.06)
                direct = max((nl + wrap) / (1 + wrap), 0.0) * lit
                depth = occluded if c > 0 else np.sqrt(occluded)
                shine = specular * (0.7 + 0.5 * wet) * (1 - dry)
                value = albedo[i, j, c] * (max(soft, 0.02) * depth + color[c] * direct)
                value += shine * (
                    max(gloss, 0.0) * edge * occluded + color[c] * lobe * fresnel * max(nl, 0.0) * lit * 3
                )
                out[i, j, c] = value


@numba.njit(cache=True, fastmath=True)
def _cast(
    depth: np.ndarray,
    key: np.ndarray,
    focal: float,
    cx: float,
    cy: float,
    steps: int,
    length: float,
    out: np.ndarray,
) -> None:
    """Soft shadows of the key light, marched through the depth map; depth (H, W) m, 0 where nothing."""
    h, w = depth.shape
    for i in range(h):
        for j in range(w):
            z0 = depth[i, j]
            if z0 <= 0:
                continue
            px, py = (j - cx) / focal * z0, (i - cy) / focal * z0
            blocked = 0.0
            for s in range(steps):
                t = length * ((s + 0.6) / steps) ** 1.5
                qz = z0 + key[2] * t
                if qz <= 0.02:
                    break
                qx = (px + key[0] * t) / qz * focal + cx
                qy = (py + key[1] * t) / qz * focal + cy
                a, b = int(qy + 0.5), int(qx + 0.5)
                if a < 0 or b < 0 or a >= h or b >= w:
                    break
                if depth[a, b] <= 0:
                    continue
                gap = qz - depth[a, b]
                if gap > 0.0015 + 0.05 * t and gap < 0.09:
                    blocked = max(blocked, min(1.0, gap / (0.004 + 0.06 * t)))
            out[i, j] = 1.0 - blocked


def shade(
    albedo: np.ndarray,
    normals: np.ndarray,
    depth: np.ndarray,
    light: SceneLight,
    rng: np.random.Generator,
    focal_px: float,
    center: tuple[float, float],
    gloss: np.ndarray | None = None,
) -> np.ndarray:
    """Shade a surface: smooth light, a key light with soft shadows, ambient occlusion, reflections.

    Args:
        albedo: (H, W, 3) float32, linear.
        normals: (H, W, 3) float32 unit vectors, camera frame, toward the camera.
        depth: (H, W) float32 meters, 0 where there is nothing.
        light: in the camera frame.
        rng: random numbers, for roughness and shadows.
        focal_px: of the camera.
        center: (cx, cy) of the camera.
        gloss: (H, W) 0 on skin, 1 on wet surfaces (eyeballs), down to -1 on matte ones.

    Returns:
        (H, W, 3) float32, linear.
    """
    mask = depth > 0
    half = np.ascontiguousarray(depth[::2, ::2])
    shadow: np.ndarray = np.ones(half.shape, np.float32)
    if light.key_color.max() > 0.02:
        _cast(half, light.key_direction, focal_px / 2, center[0] / 2, center[1] / 2, 20, 0.16, shadow)
    size = (depth.shape[1], depth.shape[0])
    soft = cv2.GaussianBlur(shadow, (0, 0), rng.uniform(0.5, 1.6))
    lit = cv2.resize(soft, size, interpolation=cv2.INTER_LINEAR)
    ambient = cv2.resize(_crevices(half, focal_px / 2), size, interpolation=cv2.INTER_LINEAR)
    shiny = np.zeros(mask.shape, np.float32) if gloss is None else np.ascontiguousarray(gloss, np.float32)
    out = np.zeros(albedo.shape, np.float32)
    args = (
        light.coefficients,
        light.key_direction,
        light.key_color,
        float(focal_px),
        float(center[0]),
        float(center[1]),
    )
    _shade(
        albedo,
        normals,
        lit,
        ambient,
        mask,
        shiny,
        *args,
        float(rng.uniform(0.35, 0.6)),
        float(rng.uniform(0.2, 1.2)),
        out,
    )
    return out


def _crevices(depth: np.ndarray, focal: float) -> np.ndarray:
    """(H, W) float32 in 0..1: how open each pixel is, from how far it lies behind its surroundings."""
    mask = (depth > 0).astype(np.float32)
    if not mask.any():
        return np.ones(depth.shape, np.float32)
    typical = float(depth[depth > 0].mean())
    open_ = np.ones(depth.shape, np.float32)
    for radius, strength in ((0.006, 55.0), (0.02, 14.0)):
        sigma = max(radius * focal / typical, 0.6)
        near = cv2.GaussianBlur(depth * mask, (0, 0), sigma) / np.maximum(
            cv2.GaussianBlur(mask, (0, 0), sigma), 1e-3
        )
        open_ *= np.clip(1 - strength * np.clip(depth - near, 0, 0.03), 0.25, 1)
    return cv2.GaussianBlur(open_, (0, 0), 0.8)
