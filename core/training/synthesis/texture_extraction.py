"""Lifts skin textures from portraits: fit the face model, project the picture into the atlas, fill what was
not seen.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from ...geometry.mesh import vertex_normals
from ...geometry.spherical_harmonics import fit_lighting, sh_basis
from ...image.color import linear_to_srgb, srgb_to_linear
from ..face_models.atlas import ATLAS_SIZE, SKIN_HEIGHT, TILE_HALF, TILES, atlas_uv, corner_uv
from ..face_models.ict_facekit import FaceModel
from ..rasterize import rasterize_perspective
from .face_model_fitting import OUTLINE, PortraitFit

#: A texel counts as visible when the surface there is within this many meters of what the z-buffer shows.
DEPTH_TOLERANCE = 0.004
#: Cosines between surface normal and view at which a texel begins to count, and counts fully.
GRAZING = (0.2, 0.5)
_PAD = 64


def push_pull(image: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Fill what is unknown with the smoothly spread surroundings; columns wrap around.

    Args:
        image: (H, W, 3) float32.
        weight: (H, W) float32, 0 where unknown .. 1 where kept.

    Returns:
        (H, W, 3) float32.
    """
    if image.shape[0] <= 4 or weight.min() >= 1:
        mean = (image * weight[..., None]).sum((0, 1)) / max(float(weight.sum()), 1e-6)
        return image * weight[..., None] + mean * (1 - weight[..., None])
    h, w = image.shape[0] // 2, image.shape[1] // 2
    total = cv2.resize(weight, (w, h), interpolation=cv2.INTER_AREA)
    color = cv2.resize(image * weight[..., None], (w, h), interpolation=cv2.INTER_AREA)
    color = color / np.maximum(total, 1e-6)[..., None]
    coarse = push_pull(color, np.minimum(1.0, total * 4))
    padded = np.concatenate([coarse[:, -2:], coarse, coarse[:, :2]], 1)
    fine = cv2.resize(padded, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)[: image.shape[0]]
    fine = cv2.GaussianBlur(fine, (0, 0), 1.2)[:, 4:-4]
    return image * weight[..., None] + fine * (1 - weight[..., None])


@dataclass(frozen=True)
class AtlasRaster:
    """The atlas' texels on the face model: triangle (S, S) int32 (-1: no skin), bary (S, S, 3), face (S, S)
    float32 mask of the inside of the face's outline, feathered, and likewise scalp (where hair grows) and
    ears.
    """

    triangle: np.ndarray
    bary: np.ndarray
    face: np.ndarray
    scalp: np.ndarray
    ears: np.ndarray

    @classmethod
    def of(cls, model: FaceModel, landmark_vertices: np.ndarray) -> "AtlasRaster":
        """Rasterize the skin into the atlas; where layers overlap (ears, lips) the outer one wins.

        Args:
            model: the face model.
            landmark_vertices: (478,) int, the model's vertex at each landmark.

        Returns:
            The raster.
        """
        size = ATLAS_SIZE
        uv = atlas_uv(model)
        skin = np.flatnonzero(model.triangle_part <= 1)
        corners = corner_uv(uv, model.triangles[skin]) * size - 0.5
        radius = np.linalg.norm(model.mean - model.mean.mean(0), axis=1)[model.triangles[skin]]
        points = np.concatenate([corners, 2.0 - radius[..., None]], -1).reshape(-1, 3).astype(np.float32)
        index, bary, _ = rasterize_perspective(
            points, np.arange(len(points), dtype=np.int32).reshape(-1, 3), size, size + _PAD
        )
        empty = index[:, :_PAD] < 0
        index[:, :_PAD][empty] = index[:, size:][empty]
        bary[:, :_PAD][empty] = bary[:, size:][empty]
        index, bary = index[:, :size], bary[:, :size]
        face = np.zeros((size, size), np.uint8)
        outline = uv[landmark_vertices[list(OUTLINE)]] * size
        cv2.fillPoly(face, [np.round(outline).astype(np.int32)], (255,))
        mask = cv2.GaussianBlur(face.astype(np.float32) / 255, (0, 0), 5)
        triangle = np.where(index >= 0, skin[index], -1).astype(np.int32)
        points = np.einsum("hwk,hwkc->hwc", bary, model.mean[model.triangles[triangle]])
        x, y, z = np.moveaxis(points, -1, 0)
        # Hairline, meters above the eyes, by how far back: forehead, temple, sideburn, above the ear, nape.
        line = np.interp(
            y, [0.0, 0.02, 0.05, 0.06, 0.1, 0.115, 0.13], [0.066, 0.06, 0.02, 0.035, 0.045, 0.0, -0.06]
        )
        scalp = np.clip((z - line) / 0.012 + 0.5, 0, 1) * (triangle >= 0)
        ears = (np.abs(x) > 0.0725) & (z > -0.056) & (z < 0.03) & (y > 0.05) & (y < 0.12) & (triangle >= 0)
        smooth = [cv2.GaussianBlur(m.astype(np.float32), (0, 0), 2) for m in (scalp, ears)]
        return cls(triangle, bary, mask, *smooth)

    def interpolate(self, model: FaceModel, values: np.ndarray) -> np.ndarray:
        """Interpolate values of vertices over the atlas.

        Args:
            model: the face model.
            values: (V, C) of its vertices.

        Returns:
            (S, S, C) float32; meaningless where triangle < 0.
        """
        return np.einsum("hwk,hwkc->hwc", self.bary, values[model.triangles[self.triangle]]).astype(
            np.float32
        )


def extract_texture(
    model: FaceModel,
    atlas: AtlasRaster,
    fit: PortraitFit,
    rgb: np.ndarray,
    person: np.ndarray,
    rng: np.random.Generator,
    delight: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """The texture that a fitted portrait shows, completed by its mirror image and its surroundings.

    Args:
        model: the face model.
        atlas: its texels.
        fit: of the face model to the portrait.
        rgb: (H, W, 3) uint8, the portrait.
        person: (H, W) float32, 1 where the picture shows the person rather than the background.
        rng: random numbers, for eyes and roughness.
        delight: whether to divide by the shading.

    Returns:
        The texture (S, S, 3) uint8 sRGB, and how far the portrait shows each texel, (S, S) uint8 0..255.
    """
    height, width = rgb.shape[:2]
    vertices = model.head(fit.identity, fit.expression).vertices
    projected = fit.project(vertices, width, height)
    _, _, depth = rasterize_perspective(projected, model.triangles, height, width)
    camera = vertices @ fit.rotation.T.astype(np.float32) + fit.translation.astype(np.float32)
    normals = vertex_normals(vertices, model.triangles).astype(np.float32) @ fit.rotation.T.astype(np.float32)
    facing = -(normals * camera).sum(1) / np.linalg.norm(camera, axis=1)
    packed = np.concatenate([projected, normals, facing[:, None]], 1)
    texels = atlas.interpolate(model, packed.astype(np.float32))
    x, y, z = (np.ascontiguousarray(texels[..., i]) for i in range(3))
    linear = srgb_to_linear(rgb / np.float32(255))
    color = cv2.remap(linear, x, y, cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    shown = cv2.remap(np.where(depth > 0, depth, 9.0).astype(np.float32), x, y, cv2.INTER_NEAREST)
    is_person = cv2.remap(person, x, y, cv2.INTER_LINEAR)
    inside = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
    visible = (np.abs(shown - z) < DEPTH_TOLERANCE) & inside & (atlas.triangle >= 0)
    weight = np.clip((texels[..., 6] - GRAZING[0]) / (GRAZING[1] - GRAZING[0]), 0, 1) * visible
    weight *= np.maximum(np.clip(is_person * 2 - 0.7, 0, 1), atlas.face)
    weight = cv2.erode(weight.astype(np.float32), np.ones((3, 3), np.uint8))
    weight = np.minimum(weight, cv2.GaussianBlur(weight, (0, 0), 2.5))
    weight[int(SKIN_HEIGHT * ATLAS_SIZE) :] = 0
    if delight:
        color = _delight(color, texels[..., 3:6], weight * atlas.face)
        weight *= 1 - atlas.ears  # hair and background show through there too often
    mirrored, other = color[:, ::-1], weight[:, ::-1]
    # The mirrored half is made as bright as the half it goes into.
    both = (weight > 0.5) & (other > 0.5)
    both &= (weight < other) | (np.arange(ATLAS_SIZE) < ATLAS_SIZE // 2)
    gain = (color[both].mean(0) + 1e-3) / (mirrored[both].mean(0) + 1e-3) if both.sum() > 500 else np.ones(3)
    part = weight[..., None]
    filled = (color * part + mirrored * np.clip(gain, 0.6, 1.6) * (1 - part)).astype(np.float32)
    solid = np.clip(weight + other, 0, 1)
    solid = _constrain(filled, solid, atlas)
    texture = push_pull(filled, solid)
    rough = cv2.GaussianBlur(rng.normal(size=solid.shape).astype(np.float32), (0, 0), 1.0)
    texture *= 1 + (1 - solid[..., None]) * 0.25 * rough[..., None]
    image = (np.clip(linear_to_srgb(np.clip(texture, 0, None)), 0, 1) * 255 + 0.5).astype(np.uint8)
    paint_tiles(image, rng)
    return image, (weight * 255).astype(np.uint8)


def _constrain(color: np.ndarray, solid: np.ndarray, atlas: AtlasRaster) -> np.ndarray:
    """Give unobserved scalp the color above the forehead and unobserved ears the cheeks' (in place); returns
    the weights.
    """
    rows = np.arange(ATLAS_SIZE)[:, None]
    observed = solid > 0.5
    hair = observed & (atlas.scalp > 0.5)
    cheeks = observed & (atlas.face > 0.9) & (rows > 0.4 * ATLAS_SIZE) & (rows < 0.55 * ATLAS_SIZE)
    solid = solid.copy()
    for mask, source, tint in ((atlas.scalp, hair, [1, 1, 1]), (atlas.ears, cheeks, [0.95, 0.82, 0.8])):
        if source.sum() < 200:
            continue
        value = np.median(color[source], 0) * tint
        weight = 0.7 * np.clip(mask * 1.5 - 0.5, 0, 1) * (1 - solid)
        total = solid + weight
        blend = (weight / np.maximum(total, 1e-6))[..., None]
        color[:] = color * (1 - blend) + value * blend
        solid = np.minimum(total, 1)
    return solid


def _delight(color: np.ndarray, normals: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Divide linear colors (H, W, 3) by most of the smooth shading that explains their brightness on the
    face.
    """
    basis = sh_basis(normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-6))
    luminance = color @ np.array([0.25, 0.6, 0.15], np.float32)
    pick = weight > 0.3
    if pick.sum() < 1000:
        return color
    regularization = np.array([0.0, *[0.02] * 8])
    shading = basis @ fit_lighting(basis[pick], luminance[pick], weight[pick], regularization, rounds=5)
    middle = float(np.median(shading[pick]))
    relative = np.clip(shading / middle, 0.45, 1.8) ** 0.8
    return (color / relative[..., None]).astype(np.float32)


def paint_tiles(image: np.ndarray, rng: np.random.Generator) -> None:
    """Paint eyeballs, teeth and the inside of the mouth into an atlas image, in place.

    Args:
        image: (S, S, 3) uint8 sRGB, changed in place.
        rng: random numbers.
    """
    size = image.shape[0]
    image[int(SKIN_HEIGHT * size) :] = (120, 60, 55)
    irises = [(62, 40, 26), (80, 52, 30), (104, 76, 44), (98, 104, 66), (94, 122, 136), (110, 116, 120)]
    iris = np.array(irises[rng.choice(len(irises), p=[0.34, 0.26, 0.14, 0.1, 0.1, 0.06])], np.float32)
    iris = iris * rng.uniform(0.75, 1.25)
    white = np.array([226, 220, 214], np.float32) * rng.uniform(0.82, 1.05)
    pupil = rng.uniform(0.09, 0.2)
    radius = rng.uniform(0.345, 0.385)
    half = round(TILE_HALF * size) + 3
    gy, gx = np.mgrid[-half : half + 1, -half : half + 1] / (TILE_HALF * size)
    r = np.hypot(gx, gy)
    for name, (u, v) in TILES.items():
        cx, cy = round(u * size), round(v * size)
        box = (slice(cy - half, cy + half + 1), slice(cx - half, cx + half + 1))
        if name.startswith("eyeball"):
            vein = cv2.GaussianBlur(rng.normal(size=r.shape).astype(np.float32), (0, 0), 2)[..., None]
            tile = white * (1 - 0.25 * np.clip(r - 0.45, 0, 1)[..., None] * [0.4, 1.0, 1.0]) + vein * 14
            spokes = 1 + 0.22 * np.sin(np.arctan2(gy, gx) * 23 + 5 * r)
            colored = iris * (spokes * (0.75 + 0.9 * (r / radius) * (1 - r / radius)))[..., None]
            ring = np.clip((r - (radius - 0.06)) / 0.06, 0, 1)[..., None]
            colored = colored * (1 - 0.55 * ring)
            edge = np.clip((radius - r) / 0.04 + 0.5, 0, 1)[..., None]
            tile = tile * (1 - edge) + colored * edge
            hole = np.clip((pupil - r) / 0.04 + 0.5, 0, 1)[..., None]
            tile = tile * (1 - hole) + 8 * hole
        elif name == "teeth":
            tile = np.array([222, 212, 190]) * rng.uniform(0.75, 1.05) + 0 * r[..., None]
        elif name.startswith("eye_socket"):
            tile = image[int(0.42 * size), int(0.5 * size)] * np.array([0.8, 0.6, 0.55]) + 0 * r[..., None]
        else:
            tile = np.array([118, 52, 50]) * rng.uniform(0.5, 1.1) + 0 * r[..., None]
        image[box] = np.clip(tile, 0, 255).astype(np.uint8)
