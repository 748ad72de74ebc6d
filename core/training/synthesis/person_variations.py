"""Pictures of one person that differ in side, distance, expression, light and camera.

Of portraits turned in 3D with expressions and lights added, and of synthetic people. What light a portrait
was taken in stays in all its pictures; synthetic people have another panorama's in each.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from ...geometry.frames import HEAD_CENTER, Camera, HeadPose
from ..face_models.heads import ICT
from .appearance import composite, exposure_gain
from .backgrounds import background
from .cameras import head_rotation
from .degradations import degrade_picture
from .face_profiling import PortraitViews
from .render import Buffers, draw
from .sample import PICTURE_SIZE
from .shading import shade
from .synthesizer import ImageSynthesizer
from .texture_extraction import push_pull
from .texture_library import encode_srgb, sample_texture

#: Distances of the camera, meters, and scales, pixels a meter at the head.
DISTANCES_M = (0.5, 2.0)
SCALES = (700.0, 950.0)
#: Greatest yaw, degrees, of turned portraits and of synthetic people, and of those about frontal.
PORTRAIT_YAW_DEG = 60.0
SYNTHETIC_YAW_DEG = 60.0
FRONTAL_YAW_DEG = (12.0, 15.0)
#: Strongest expressions.
PORTRAIT_EXPRESSION = 0.7
SYNTHETIC_EXPRESSION = 0.6
#: Side of the picture that an added light is spread in.
LIGHT_SIZE = 256
#: Gamma of pictures, nearly.
GAMMA = 2.2
#: Added to a person's seed for its clothes.
CLOTHES_SEED = 5


@dataclass(frozen=True)
class Variation:
    """A picture.

    Attributes:
        rgb: (320, 320, 3) uint8.
        camera: That has taken it.
        pose: Of the head.
    """

    rgb: np.ndarray
    camera: Camera
    pose: HeadPose


def portrait_variation(views: PortraitViews, number: int, rng: np.random.Generator) -> Variation:
    """A portrait from another side, with another expression, in additional light."""
    old, _, before = views.fitted(number)
    yaw, pitch, roll = old.angles
    if rng.random() < 0.7:
        yaw = float(np.clip(yaw + rng.uniform(-45, 45), -PORTRAIT_YAW_DEG, PORTRAIT_YAW_DEG))
    else:
        yaw = float(rng.uniform(-FRONTAL_YAW_DEG[0], FRONTAL_YAW_DEG[0]))
    nod = float(np.clip(rng.normal(0, 8), -20, 20))
    rotation = head_rotation(yaw, pitch + nod, roll + rng.normal(0, 6))
    distance = float(np.exp(rng.uniform(*np.log(DISTANCES_M))))
    center = np.array([0, 0, distance])
    camera = Camera(rng.uniform(*SCALES) * distance, 0.0, 0.0)
    shift = (PICTURE_SIZE - 1) / 2 + rng.normal(0, 10, 2) - camera.project(center)
    camera = Camera(camera.focal_px, float(shift[0]), float(shift[1]), "exif")
    pose = HeadPose(rotation, center - rotation @ HEAD_CENTER)
    made = views.model.sample_expression(rng) * rng.uniform(0, PORTRAIT_EXPRESSION)
    after = np.clip(before / 2 + made, 0, 1) if rng.random() < 0.7 else before
    behind = number if rng.random() < 0.2 else int(rng.integers(views.count))
    rgb, drawn = views.rendered(number, pose, camera, after, behind)
    return Variation(degrade_picture(_relit(rgb, drawn, rng), rng), camera, pose)


def _relit(rgb: np.ndarray, drawn: Buffers, rng: np.random.Generator) -> np.ndarray:
    """The picture with another light, exposure and white balance."""
    strength = rng.uniform(0, 0.75) if rng.random() < 0.8 else 0.0
    toward = rng.normal(size=3) * [1, 0.8, 0.5] + [0, -0.3, -0.5]
    toward /= np.linalg.norm(toward)
    lit = (drawn.normals @ toward)[..., None] * np.exp(rng.normal(0, 0.08, 3))
    shading = np.clip(1 + strength * lit, 0.25, None).astype(np.float32)
    size = (LIGHT_SIZE, LIGHT_SIZE)
    known = cv2.erode(drawn.mask.astype(np.float32), np.ones((5, 5)))
    known = cv2.resize(known, size, interpolation=cv2.INTER_NEAREST)
    spread = push_pull(cv2.resize(shading, size, interpolation=cv2.INTER_NEAREST), known)
    shading = cv2.GaussianBlur(cv2.resize(spread, rgb.shape[1::-1]), (0, 0), 2)
    linear = (rgb / 255.0) ** GAMMA * shading
    linear *= np.exp(rng.normal(0, 0.25)) * np.exp(rng.normal(0, 0.08, 3))
    return np.clip(255 * np.clip(linear, 0, 1) ** (1 / GAMMA) + 0.5, 0, 255).astype(np.uint8)


def synthetic_variations(synthesizer: ImageSynthesizer, seed: int, count: int) -> Iterator[Variation]:
    """Pictures of a synthetic person.

    Args:
        synthesizer: Has shapes, textures and lights.
        seed: Of the person.
        count: How many.
    """
    own = np.random.default_rng(seed)
    heads, look = synthesizer.heads, synthesizer.appearance
    identity = own.normal(size=len(heads.model.identity)).astype(np.float16)
    texture = look.textures.sample(own, "train")
    mesh, middle = heads.drawn[ICT], (PICTURE_SIZE - 1) / 2
    for number in range(count):
        rng = np.random.default_rng(seed * 100 + number)
        expression = (heads.model.sample_expression(rng) * SYNTHETIC_EXPRESSION).astype(np.float16)
        vertices = heads.vertices(ICT, identity, expression)
        most = SYNTHETIC_YAW_DEG if number % 2 else FRONTAL_YAW_DEG[1]
        yaw = rng.uniform(-most, most)
        distance = float(np.exp(rng.uniform(*np.log(DISTANCES_M))))
        scale = rng.uniform(*SCALES)
        rotation = head_rotation(yaw, rng.normal(0, 8), rng.normal(0, 6))
        pose = HeadPose(rotation, np.array([0, 0, distance]) - rotation @ HEAD_CENTER)
        camera = Camera(scale * distance, middle, middle, "exif")
        points = pose.head_to_camera(vertices)
        buffers = draw(points, mesh.triangles, mesh.corner_uv, mesh.part, camera, PICTURE_SIZE)
        light = look.lights.sample(rng, "train")
        albedo = sample_texture(texture, buffers.uv, buffers.mask)
        depth, normals = buffers.depth.copy(), buffers.normals.copy()
        gloss = np.isin(buffers.part, synthesizer.eye_parts).astype(np.float32)
        clothes = np.random.default_rng(seed + CLOTHES_SEED)
        for garment in look.garments(clothes, synthesizer.skin(ICT), vertices):
            look.draw_garment(garment, pose, camera, depth, normals, albedo, gloss)
        center = (middle, middle)
        linear = shade(albedo, normals, depth, light, rng, camera.focal_px, center, gloss)
        behind = background(rng, PICTURE_SIZE, "train", look.lights, look.textures, light)
        exposed = encode_srgb(linear, exposure_gain(rng, linear, buffers.mask))
        yield Variation(degrade_picture(composite(exposed, behind, depth > 0), rng), camera, pose)
