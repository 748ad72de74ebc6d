"""Occluders drawn over training pictures: glasses, wisps of hair, hands, microphones, telephones."""

from itertools import pairwise

import cv2
import numpy as np

from ...geometry.frames import HEAD_CENTER, Camera, HeadPose
from .texture_library import HAIR_COLORS

_SHIFT = 4  # OpenCV draws with sixteenths of a pixel
#: How far before the head's center what hides a face is, meters.
IN_FRONT = 0.06
#: Height of a face's outline by its width.
OUTLINE_ASPECT = 1.2


def point_before_face(rng: np.random.Generator, distances: tuple[float, float], lowered: float) -> np.ndarray:
    """Where something hides a face: around its outline more often than in its middle.

    Args:
        rng: random numbers.
        distances: least and greatest one from the middle, meters.
        lowered: how far the middle lies below the head's center, meters.

    Returns:
        (3,) head frame, meters.
    """
    angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(*distances)
    return HEAD_CENTER + np.array(
        [np.cos(angle) * distance, -IN_FRONT, np.sin(angle) * distance * OUTLINE_ASPECT - lowered]
    )


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.round(points * (1 << _SHIFT)).astype(np.int32)


def stroke(layer: np.ndarray, points: np.ndarray, width: float, value: int = 255) -> None:
    """Draw a line.

    Args:
        layer: (H, W) uint8, changed in place.
        points: (N, 2) pixels.
        width: pixels.
        value: to draw with.
    """
    thick = max(1, round(width))
    cv2.polylines(layer, [_fixed(points)], False, (value,), thick, cv2.LINE_AA, _SHIFT)


def fill_polygon(layer: np.ndarray, points: np.ndarray, value: int = 255) -> None:
    """Fill a polygon.

    Args:
        layer: (H, W) uint8, changed in place.
        points: (N, 2) pixels.
        value: to fill with.
    """
    cv2.fillPoly(layer, [_fixed(points)], (value,), cv2.LINE_AA, _SHIFT)


def alpha_blend(rgb: np.ndarray, color: np.ndarray, alpha: np.ndarray) -> None:
    """Blend a color or a picture into a picture, in place.

    Args:
        rgb: (H, W, 3) uint8, changed in place.
        color: (3,) or (H, W, 3), 0..255.
        alpha: (H, W) uint8, 255 = opaque.
    """
    x, y, w, h = cv2.boundingRect(alpha)
    if w == 0:
        return
    box = (slice(y, y + h), slice(x, x + w))
    a = alpha[box].astype(np.float32)[..., None] / 255
    paint = color[box] if np.ndim(color) == 3 else np.asarray(color, np.float32)
    rgb[box] = np.clip(rgb[box] * (1 - a) + paint * a + 0.5, 0, 255).astype(np.uint8)


def glasses(
    rng: np.random.Generator,
    rgb: np.ndarray,
    depth: np.ndarray,
    head: np.ndarray,
    pose: HeadPose,
    camera: Camera,
) -> None:
    """Draw spectacles or sunglasses, in place.

    Args:
        rng: random numbers.
        rgb: (H, W, 3) uint8, changed in place.
        depth: (H, W) meters, of everything drawn so far, 0 = nothing.
        head: (V, 3) vertices, head frame, meters.
        pose: of the head.
        camera: of the picture.
    """
    bridge = head[(np.abs(head[:, 0]) < 0.006) & (np.abs(head[:, 2]) < 0.012)]
    if not len(bridge):
        return
    lenses, wires, middle = _spectacles(rng, float(bridge[:, 1].min()))
    scale = camera.focal_px / float(pose.head_to_camera(np.zeros(3))[2])
    thick = rng.uniform(0.0012, 0.0045) * scale
    dark = rng.random() < 0.35
    lens_alpha = rng.uniform(0.6, 0.97) if dark else rng.uniform(0.0, 0.18)
    lens_color = rng.uniform(5, 60, 3) if dark else rng.uniform(150, 255, 3)
    frame_color = rng.uniform(5, 60, 3) if rng.random() < 0.7 else rng.uniform(40, 220, 3)
    layer = np.zeros(rgb.shape[:2], np.uint8)
    for lens in lenses:
        points = pose.head_to_camera(lens)
        if hidden_points(points, depth, camera).mean() < 0.6:
            fill_polygon(layer, camera.project(points), int(255 * lens_alpha))
    # Lenses never cover what lies well in front of them.
    plane = float(pose.head_to_camera(middle)[2])
    layer[(depth > 0) & (depth < plane - 0.03)] = 0
    alpha_blend(rgb, lens_color, layer)
    layer[:] = 0
    for line in wires:
        points = pose.head_to_camera(line)
        hidden = hidden_points(points, depth, camera)
        flat = camera.project(points)
        for i in range(len(line) - 1):
            if not (hidden[i] or hidden[i + 1]):
                stroke(layer, flat[i : i + 2], thick)
    alpha_blend(rgb, frame_color, layer)


def _spectacles(
    rng: np.random.Generator, bridge_y: float
) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Spectacles before a bridge of the nose that begins at `bridge_y`, head frame, meters.

    Returns:
        Both lenses, outlines (36, 3); the wires of rims, arms and bridge, each (N, 3); and the point (3,)
        between the lenses.
    """
    y0 = bridge_y - rng.uniform(0.004, 0.009)
    half_w, half_h = rng.uniform(0.022, 0.03), rng.uniform(0.014, 0.025)
    middle = half_w + rng.uniform(0.007, 0.01)
    height = rng.uniform(-0.01, 0.002)
    power = rng.uniform(2.0, 4.0)  # 2 is round, 4 a rounded box
    t = np.linspace(0, 2 * np.pi, 37)[:-1]
    cos, sin = np.cos(t), np.sin(t)
    outline = np.stack(
        [np.sign(cos) * np.abs(cos) ** (2 / power), np.sign(sin) * np.abs(sin) ** (2 / power)], 1
    )
    wrap = rng.uniform(1.0, 5.0)
    lenses, wires = [], []
    for side in (-1, 1):
        x = side * middle + outline[:, 0] * half_w
        lens = np.stack([x, y0 + wrap * x**2, height + outline[:, 1] * half_h], 1)
        lenses.append(lens)
        wires.append(np.concatenate([lens, lens[:1]]))
        edge = side * (middle + half_w)
        arm = np.array(
            [
                [edge, y0 + wrap * edge**2, height + 0.006],
                [side * 0.077, 0.035, 0.006],
                [side * 0.08, 0.1, 0.0],
            ]
        )
        wires.append(np.concatenate([np.linspace(a, b, 12) for a, b in pairwise(arm)]))
    s = np.linspace(-1, 1, 7)
    inner = middle - half_w
    wires.append(np.stack([s * inner, y0 + 0 * s, height + 0.003 + 0.003 * (1 - s**2)], 1))
    return lenses, wires, np.array([0.0, y0, height])


def hidden_points(points: np.ndarray, depth: np.ndarray, camera: Camera) -> np.ndarray:
    """Which points lie behind what the depth map shows.

    Args:
        points: (N, 3) camera frame, meters.
        depth: (H, W) meters, 0 = nothing.
        camera: of the picture.

    Returns:
        (N,) bool.
    """
    xy = np.round(camera.project(points)).astype(int)
    height, width = depth.shape
    inside = (xy[:, 0] >= 0) & (xy[:, 0] < width) & (xy[:, 1] >= 0) & (xy[:, 1] < height)
    shown = depth[np.clip(xy[:, 1], 0, height - 1), np.clip(xy[:, 0], 0, width - 1)]
    return inside & (shown > 0) & (points[:, 2] > shown + 0.003)


def wisps(rng: np.random.Generator, rgb: np.ndarray, pose: HeadPose, camera: Camera, scale: float) -> None:
    """Draw strands of hair that fall over the face, in place.

    Args:
        rng: random numbers.
        rgb: (H, W, 3) uint8, changed in place.
        pose: of the head.
        camera: of the picture.
        scale: pixels per meter at the head.
    """
    color = HAIR_COLORS[rng.integers(len(HAIR_COLORS))] * rng.uniform(0.7, 1.2)
    layer = np.zeros(rgb.shape[:2], np.uint8)
    side = rng.choice([-1, 1])
    s = np.linspace(0, 1, 12)[:, None]
    for _ in range(int(rng.integers(3, 40))):
        start = np.array([side * rng.uniform(0.0, 0.07), rng.uniform(-0.02, 0.03), rng.uniform(0.055, 0.095)])
        end = start + np.array(
            [side * rng.uniform(-0.02, 0.05), rng.uniform(-0.02, 0.02), -rng.uniform(0.03, 0.15)]
        )
        bend = np.array([side * rng.normal(0, 0.02), -rng.uniform(0.0, 0.03), rng.normal(0, 0.01)])
        line = start * (1 - s) + end * s + bend * np.sin(np.pi * s)
        flat = camera.project(pose.head_to_camera(line))
        stroke(layer, flat, rng.uniform(0.0005, 0.0025) * scale, int(rng.uniform(90, 255)))
    alpha_blend(rgb, color, layer)


def hand(rng: np.random.Generator, rgb: np.ndarray, at: np.ndarray, scale: float, color: np.ndarray) -> None:
    """Draw a hand, palm and fingers, softly shaded, in place.

    Args:
        rng: random numbers.
        rgb: (H, W, 3) uint8, changed in place.
        at: (2,) point near which it lies, pixels.
        scale: pixels per meter at the head.
        color: (3,) of the skin, 0..255.
    """
    layer = np.zeros(rgb.shape[:2], np.uint8)
    angle = rng.uniform(0, 2 * np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    width = 0.019 * scale
    spread = rng.uniform(-0.1, 0.35)
    shade = np.zeros(rgb.shape[:2], np.uint8)
    for i in range(4):
        base = at + across * (i - 1.5) * width
        length = (0.075 - 0.008 * abs(i - 1.3)) * scale * rng.uniform(0.5, 1.05)
        turn = along + across * (i - 1.5) * spread
        tip = base + turn / np.linalg.norm(turn) * length
        stroke(layer, np.stack([base, tip]), width * 0.95)
        stroke(shade, np.stack([base, tip]) + across * width * 0.5, width * 0.15, 150)
    wrist = at - along * 0.16 * scale
    palm = np.stack([at - along * 0.01 * scale, at - along * 0.055 * scale])
    stroke(layer, palm, width * 3.9)
    stroke(layer, np.stack([palm[1], wrist]), width * 2.9)
    thumb = at - along * 0.03 * scale + across * width * 1.5 * rng.choice([-1, 1])
    tip = (
        thumb
        + (along * rng.uniform(0.1, 0.8) + (thumb - at) / (np.linalg.norm(thumb - at) + 1e-6)) * 0.045 * scale
    )
    stroke(layer, np.stack([thumb, tip]), width * 1.1)
    # Rounder: darker where the layer's edge is near.
    inner = cv2.GaussianBlur(layer, (0, 0), max(0.6, 0.3 * width)).astype(np.float32) / 255
    inner *= 1 - cv2.GaussianBlur(shade, (0, 0), 0.7).astype(np.float32) / 400
    alpha_blend(rgb, np.asarray(color, np.float32) * (0.45 + 0.6 * inner[..., None]), layer)


def handheld_object(rng: np.random.Generator, rgb: np.ndarray, at: np.ndarray, scale: float) -> None:
    """Draw a microphone, telephone, cup or other plain object, in place.

    Args:
        rng: random numbers.
        rgb: (H, W, 3) uint8, changed in place.
        at: (2,) point near which it lies, pixels.
        scale: pixels per meter at the head.
    """
    layer = np.zeros(rgb.shape[:2], np.uint8)
    color = rng.uniform(5, 90, 3) if rng.random() < 0.6 else rng.uniform(20, 240, 3)
    angle = np.pi / 2 + rng.normal(0, 0.5)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    kind = rng.random()
    if kind < 0.4:  # a microphone
        end = at + along * 0.2 * scale
        stroke(layer, np.stack([at, end]), 0.022 * scale)
        stroke(layer, np.stack([at, at]), 0.05 * scale)
    elif kind < 0.8:  # a box
        length, width = rng.uniform(0.05, 0.16) * scale, rng.uniform(0.03, 0.09) * scale
        corners = [
            at + along * a * length / 2 + across * b * width / 2
            for a, b in ((-1, -1), (-1, 1), (1, 1), (1, -1))
        ]
        fill_polygon(layer, np.array(corners))
    else:  # a blob
        t = np.linspace(0, 2 * np.pi, 40)[:, None]
        half = rng.uniform(0.02, 0.07, 2) * scale
        fill_polygon(layer, at + along * np.cos(t) * half[0] + across * np.sin(t) * half[1])
    inner = cv2.GaussianBlur(layer, (0, 0), max(0.6, 0.01 * scale)).astype(np.float32) / 255
    alpha_blend(rgb, color * (0.6 + 0.5 * inner[..., None]), layer)


def hand_layer(
    rng: np.random.Generator, shape: tuple[int, int], at: np.ndarray, scale: float, color: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A hand whose fingers are shaded as round limbs, with nails and folds: closer to photos than `hand`.

    Args:
        rng: random numbers.
        shape: of the picture, pixels.
        at: (2,) point near which it lies, pixels.
        scale: pixels per meter at the head.
        color: (3,) of the skin, 0..255.

    Returns:
        (H, W, 3) float32 colors 0..255, and (H, W) uint8, 255 = opaque.
    """
    angle = rng.uniform(0, 2 * np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]]) * rng.choice([-1, 1])
    scale = scale * rng.uniform(0.78, 0.98)
    width = 0.0175 * scale * rng.uniform(0.9, 1.15)
    light = rng.normal(size=2)
    light /= np.linalg.norm(light)
    picture = np.zeros((*shape, 3), np.float32)
    opaque = np.zeros(shape, np.uint8)
    spread, curl = rng.uniform(-0.1, 0.3), rng.uniform(0.35, 1.05)
    wrist = at - along * 0.17 * scale
    limbs = [
        ([wrist, at - along * 0.05 * scale], 3.0),
        ([at - along * 0.062 * scale, at - along * 0.012 * scale], 3.9),
    ]
    bent = along * 0.5 + across * rng.uniform(0.3, 0.9)
    root = at - along * 0.06 * scale + across * width * 1.6
    limbs.append(([root, root + bent * 0.035 * scale, root + (bent + along * 0.3) * 0.055 * scale], 1.15))
    order = rng.permutation(4) if rng.random() < 0.5 else np.arange(4)
    for i in order:
        base = at + across * (i - 1.5) * width * 1.02 - along * 0.012 * scale
        turn = along + across * (i - 1.5) * spread
        turn /= np.linalg.norm(turn)
        length = (0.082 - 0.009 * abs(i - 1.3)) * scale * curl * rng.uniform(0.9, 1.05)
        middle = base + turn * length * 0.5
        tip = middle + (turn + across * rng.normal(0, 0.15)) * length * 0.5
        limbs.append(([base, middle, tip], 1.0))
    field = cv2.resize(
        rng.normal(size=(24, 24)).astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC
    )
    for points, thick in limbs:
        layer = np.zeros(shape, np.uint8)
        stroke(layer, np.array(points), width * thick)
        if not layer.any():
            continue
        distance = cv2.distanceTransform((layer > 127).astype(np.uint8), cv2.DIST_L2, 5)
        height = np.sqrt(np.clip(1 - (1 - np.clip(distance / (0.5 * width * thick), 0, 1)) ** 2, 0, 1))
        height = cv2.GaussianBlur(height, (0, 0), max(0.5, 0.06 * width * thick))
        gy, gx = np.gradient(height * 0.5 * width * thick)
        shade = 0.78 + 0.3 * (-(gx * light[0] + gy * light[1])) / np.sqrt(1 + gx**2 + gy**2) + 0.12 * height
        ring = cv2.dilate(layer, np.ones((3, 3), np.uint8), iterations=max(1, round(0.12 * width)))
        soft = cv2.GaussianBlur(ring, (0, 0), max(0.6, 0.2 * width)).astype(np.float32)[..., None] / 255
        picture *= 1 - 0.35 * soft * (layer == 0)[..., None]  # it casts a shadow on the limbs below
        red = np.array([1.0, 0.97, 0.96]) ** (1 + field[..., None])
        colors = color * shade[..., None] * red * (1 + 0.03 * field[..., None])
        alpha = layer.astype(np.float32)[..., None] / 255
        picture = picture * (1 - alpha) + colors.astype(np.float32) * alpha
        opaque = np.maximum(opaque, layer)
        if thick == 1.0 and rng.random() < 0.4:
            nail = np.zeros(shape, np.uint8)
            end, before = np.array(points[-1]), np.array(points[-2])
            stroke(nail, np.stack([end, end + (end - before) * 0.08]), width * 0.55)
            alpha = nail.astype(np.float32)[..., None] / 255 * 0.5
            picture = picture * (1 - alpha) + np.clip(color * 1.1 + 20, 0, 255).astype(np.float32) * alpha
    return np.clip(picture, 0, 255), opaque
