"""Portraits turned in 3D around their fitted heads (as 300W-LP's "face profiling"): real hair, clothes and
places.

The picture around the head becomes a curved sheet: as deep as the fitted head where that is, and as deep as
what is next to it elsewhere on the person. The sheet is turned with the head before the filled-in background;
what the photo did not show of the head comes from its texture.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial import cKDTree

from ...errors import PhotobustError
from ...geometry.frames import HEAD_CENTER, Camera, HeadPose
from ..face_models.atlas import atlas_uv, corner_uv
from ..face_models.ict_facekit import FaceModel
from ..rasterize import rasterize_perspective
from .cameras import head_rotation
from .portrait_library import Portrait
from .render import Buffers, draw
from .sample import PICTURE_SIZE
from .texture_extraction import AtlasRaster, extract_texture, push_pull
from .texture_library import Split

#: Side of the cut around each head, pixels.
CUT = 384
#: Side of the grid of depths on it, points.
GRID = 128
#: Side of the cut, meters at the head.
CUT_WIDTH = 0.46
TEXTURE_SIZE = 256
#: Below this height, head frame, meters, only the sheet is drawn: people are dressed there, the face model is
#: not.
NECK_BOTTOM = -0.125
#: Distance, meters, at which what is around a face follows its expression by a factor e less.
EXPRESSION_REACH_M = 0.012
#: Greatest yaw of a turned portrait, degrees.
MAX_YAW = 75.0
#: Greatest difference of its yaw from the photo's, degrees.
MAX_TURN = 45.0


@dataclass(frozen=True)
class PortraitView:
    """A turned portrait. rgb (320, 320, 3) uint8; the head is FaceModel.head(identity, expression) at `pose`
    before `camera`.
    """

    rgb: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    camera: Camera
    pose: HeadPose


def build_views(
    portraits: list[Portrait], model: FaceModel, landmark_vertices: np.ndarray
) -> dict[str, np.ndarray]:
    """Arrays of the file that `PortraitViews.load` reads.

    Args:
        portraits: the fitted portraits.
        model: the face model.
        landmark_vertices: (478,) int, the model's vertex at each landmark.

    Returns:
        Arrays with one row a portrait.
    """
    atlas = AtlasRaster.of(model, landmark_vertices)
    rows: dict[str, list[object]] = {}
    for portrait in portraits:
        fit, rng = portrait.fit, np.random.default_rng(portrait.index)
        texture, visibility = extract_texture(
            model, atlas, fit, portrait.rgb, portrait.person, rng, delight=False
        )
        height, width = portrait.rgb.shape[:2]
        pose = HeadPose(fit.rotation, fit.translation)
        center = pose.head_to_camera(HEAD_CENTER)
        photo_camera = Camera(fit.focal, (width - 1) / 2, (height - 1) / 2)
        scale = CUT / CUT_WIDTH * center[2] / fit.focal  # cut pixels per photo pixel
        offset = (CUT - 1) / 2 - photo_camera.project(center) * scale
        matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        cut = cv2.warpAffine(portrait.rgb, matrix, (CUT, CUT), flags=how, borderMode=cv2.BORDER_REPLICATE)
        person = cv2.warpAffine(portrait.person, matrix, (CUT, CUT), borderMode=cv2.BORDER_REPLICATE)
        camera = (fit.focal * scale, photo_camera.cx * scale + offset[0], photo_camera.cy * scale + offset[1])
        vertices = pose.head_to_camera(model.head(fit.identity, fit.expression).vertices)
        person, depth = _sheet(vertices, model.triangles, Camera(*camera), person, float(center[2]))
        row = {
            "cuts": cut,
            "persons": np.round(person * 255).astype(np.uint8),
            "depths": depth,
            "behind": _behind(cut, person),
            "textures": cv2.resize(texture, (TEXTURE_SIZE, TEXTURE_SIZE), interpolation=cv2.INTER_AREA),
            "seen": cv2.resize(visibility, (TEXTURE_SIZE, TEXTURE_SIZE), interpolation=cv2.INTER_AREA),
            "cameras": camera,
            "rotations": fit.rotation,
            "translations": fit.translation,
            "identities": fit.identity,
            "expressions": fit.expression,
            "held_out": portrait.held_out,
        }
        for name, value in row.items():
            rows.setdefault(name, []).append(value)
    arrays = {name: np.array(values) for name, values in rows.items()}
    uv = atlas_uv(model)
    return arrays | {"corner_uv": corner_uv(uv, model.triangles)}


def _sheet(
    vertices: np.ndarray, triangles: np.ndarray, camera: Camera, person: np.ndarray, far: float
) -> tuple[np.ndarray, np.ndarray]:
    """(person (CUT, CUT) float32 with the face in it, depth (GRID, GRID) float32 m of the person)."""
    screen = np.column_stack([camera.project(vertices), vertices[:, 2]]).astype(np.float32)
    _, _, depth = rasterize_perspective(screen, triangles, CUT, CUT)
    head = (depth > 0).astype(np.float32)
    # Hair and clothes continue the head's outline, no nearer than a little before its middle.
    inner = cv2.erode(head, np.ones((5, 5), np.uint8))
    outline = np.where(inner > 0, depth, 0)
    side = np.clip(outline, far - 0.04, far + 0.06)
    power = 2 ** int(np.ceil(np.log2(CUT)))
    square = (power, power)
    weight = cv2.resize(inner, square, interpolation=cv2.INTER_NEAREST)
    around = cv2.resize(side.astype(np.float32), square, interpolation=cv2.INTER_NEAREST)
    spread = push_pull(np.repeat(around[..., None], 3, 2), (weight > 0).astype(np.float32))[..., 0]
    spread = cv2.resize(spread, (CUT, CUT), interpolation=cv2.INTER_AREA)
    full = cv2.GaussianBlur(np.where(inner > 0, depth, spread).astype(np.float32), (0, 0), 1.0)
    step = CUT // GRID
    grid = np.ascontiguousarray(full[step // 2 :: step, step // 2 :: step])  # the points of `_grid_mesh`
    inner_head = cv2.erode(head, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (31, 31)))
    return np.maximum(person, cv2.GaussianBlur(inner_head, (0, 0), 3.0)).astype(np.float32), grid


def _behind(cut: np.ndarray, person: np.ndarray) -> np.ndarray:
    """(CUT / 2, CUT / 2, 3) uint8: the cut with the person filled in from around."""
    size = 256
    small = cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)
    mask = cv2.dilate(
        cv2.resize(person, (size, size), interpolation=cv2.INTER_AREA), np.ones((13, 13), np.uint8)
    )
    known = (mask < 0.1).astype(np.float32)
    filled = push_pull(small, known) if known.mean() > 0.03 else cv2.GaussianBlur(small, (0, 0), 20)
    return cv2.resize(
        np.clip(filled, 0, 255).astype(np.uint8), (CUT // 2, CUT // 2), interpolation=cv2.INTER_AREA
    )


def with_expression(points: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Points near a face moved as its vertices are.

    Args:
        points: (N, 3) head frame, meters.
        before: (V, 3) vertices, likewise.
        after: (V, 3).

    Returns:
        (N, 3).
    """
    distance, nearest = cKDTree(before).query(points, k=4)
    weight = np.exp(-((distance / EXPRESSION_REACH_M) ** 2))
    total = (weight[..., None] * (after - before)[nearest]).sum(1)
    return np.asarray(points + total / np.maximum(weight.sum(1), 1)[:, None])


def _grid_mesh() -> tuple[np.ndarray, np.ndarray]:
    """(points (GRID * GRID, 2) px of the cut, triangles)."""
    step = CUT // GRID
    at = np.arange(GRID) * step + (step // 2)
    x, y = np.meshgrid(at, at)
    i, j = (a.ravel() for a in np.meshgrid(np.arange(GRID - 1), np.arange(GRID - 1), indexing="ij"))
    a = i * GRID + j
    triangles = np.concatenate(
        [np.stack([a, a + GRID, a + 1], 1), np.stack([a + 1, a + GRID, a + GRID + 1], 1)]
    ).astype(np.int32)
    return np.stack([x.ravel(), y.ravel()], 1).astype(np.float32), triangles


class PortraitViews:
    """Portraits ready to be turned."""

    def __init__(self, arrays: dict[str, np.ndarray], model: FaceModel) -> None:
        self._arrays, self._model = arrays, model
        self._points, self._triangles = _grid_mesh()
        self._above_chest = model.mean[model.triangles, 2].min(1) > NECK_BOTTOM

    @classmethod
    def load(cls, path: str | Path, model: FaceModel) -> "PortraitViews":
        """Read the second file of `scripts/training/build_textures.py`."""
        if not Path(path).is_file():
            raise PhotobustError(
                f"No turned portraits at {path}: make them with scripts/training/build_textures.py first."
            )
        with np.load(path) as data:
            arrays = {name: data[name] for name in data.files}
        return cls(arrays, model)

    def people(self, split: Split) -> np.ndarray:
        """Indices of the portraits of a split."""
        held = self._arrays["held_out"].astype(bool)
        return np.flatnonzero(held if split == "eval" else ~held)

    def sample(self, rng: np.random.Generator, split: Split = "train") -> PortraitView:
        """A random portrait turned at random, before a camera like those of `scenes.sample_scene`."""
        k = int(rng.choice(self.people(split)))
        pose = HeadPose(self._arrays["rotations"][k], self._arrays["translations"][k])
        yaw, pitch, roll = pose.angles
        turn = rng.uniform(-MAX_TURN, MAX_TURN) if rng.random() < 0.8 else rng.normal(0, 8)
        new_yaw = float(np.clip(yaw + turn, -MAX_YAW, MAX_YAW))
        rotation = head_rotation(
            new_yaw, pitch + float(np.clip(rng.normal(0, 8), -20, 20)), roll + rng.normal(0, 6)
        )
        center = pose.head_to_camera(HEAD_CENTER)
        scale = rng.uniform(700, 950)
        camera = Camera(scale * center[2], 0.0, 0.0)
        shift = (PICTURE_SIZE - 1) / 2 + rng.normal(0, 10, 2) - camera.project(center)
        camera = Camera(camera.focal_px, float(shift[0]), float(shift[1]), "exif")
        turned = HeadPose(rotation, center - rotation @ HEAD_CENTER)
        rgb = self.render(k, turned, camera)
        return PortraitView(
            rgb, self._arrays["identities"][k], self._arrays["expressions"][k], camera, turned
        )

    @property
    def count(self) -> int:
        """How many portraits there are."""
        return len(self._arrays["cuts"])

    @property
    def model(self) -> FaceModel:
        """What was fitted to them."""
        return self._model

    def fitted(self, k: int) -> tuple[HeadPose, np.ndarray, np.ndarray]:
        """Pose, identity and expression of portrait k."""
        data = self._arrays
        pose = HeadPose(data["rotations"][k], data["translations"][k])
        return pose, data["identities"][k], data["expressions"][k]

    def render(self, k: int, pose: HeadPose, camera: Camera) -> np.ndarray:
        """(320, 320, 3) uint8: portrait k with its head at another pose before another camera."""
        return self.rendered(k, pose, camera)[0]

    def rendered(
        self,
        k: int,
        pose: HeadPose,
        camera: Camera,
        expression: np.ndarray | None = None,
        behind: int | None = None,
    ) -> tuple[np.ndarray, Buffers]:
        """Portrait k with its head at another pose before another camera.

        Args:
            k: The portrait.
            pose: Of the head.
            camera: In pixels of the picture.
            expression: Weights of the face model instead of the portrait's own.
            behind: Portrait of which the background is (default: its own).

        Returns:
            (320, 320, 3) uint8, and the head's buffers.
        """
        data = self._arrays
        old, identity, own = self.fitted(k)
        focal, cx, cy = data["cameras"][k]
        depth = data["depths"][k].ravel().astype(np.float64)
        rays = np.column_stack([(self._points - [cx, cy]) / focal, np.ones(len(self._points))])
        sheet_points = old.camera_to_head(rays * depth[:, None])
        vertices = self._model.head(identity, own).vertices
        if expression is not None:
            moved_vertices = self._model.head(identity, expression).vertices
            sheet_points = with_expression(sheet_points, vertices, moved_vertices)
            vertices = moved_vertices
        moved = pose.head_to_camera(sheet_points)
        screen = np.column_stack([camera.project(moved), moved[:, 2]]).astype(np.float32)
        index, bary, near = rasterize_perspective(screen, self._triangles, PICTURE_SIZE, PICTURE_SIZE)
        at = np.einsum("hwk,hwkc->hwc", bary, self._points[self._triangles[index]])
        x, y = np.ascontiguousarray(at[..., 0]), np.ascontiguousarray(at[..., 1])
        sheet = cv2.remap(data["cuts"][k], x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        alpha = cv2.remap(data["persons"][k], x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        alpha = np.where(index >= 0, alpha, 0).astype(np.float32)[..., None] / 255
        picture = self._backdrop(k if behind is None else behind, camera, pose).astype(np.float32)
        picture += (sheet - picture) * alpha
        # What the photo did not show of the head: its texture, where that is in front.
        points, part = pose.head_to_camera(vertices), self._model.triangle_part
        keep = self._above_chest
        mesh = (self._model.triangles[keep], data["corner_uv"][keep], part[keep])
        drawn = draw(points, *mesh, camera, PICTURE_SIZE)
        texture, visibility = data["textures"][k], data["seen"][k]
        size = texture.shape[0]
        u = (drawn.uv[..., 0] % 1.0) * size - 0.5
        v = drawn.uv[..., 1] * size - 0.5
        skin = cv2.remap(texture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        known = (
            cv2.remap(visibility, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP).astype(np.float32) / 255
        )
        known[drawn.part > 1] = 1.0
        front = drawn.mask & ((index < 0) | (alpha[..., 0] < 0.5) | (drawn.depth < near + 0.006))
        fraction = cv2.GaussianBlur(np.where(front, 1 - known, 0).astype(np.float32), (3, 3), 0) * drawn.mask
        picture += (skin - picture) * fraction[..., None]
        return np.clip(picture + 0.5, 0, 255).astype(np.uint8), drawn

    def _backdrop(self, k: int, camera: Camera, pose: HeadPose) -> np.ndarray:
        """What was behind the person, at the size that suits the camera; it does not turn."""
        behind = self._arrays["behind"][k]
        side = behind.shape[0]
        center = pose.head_to_camera(HEAD_CENTER)
        zoom = camera.focal_px / center[2] * CUT_WIDTH / side  # picture pixels per backdrop pixel
        offset = camera.project(center) - zoom * (side - 1) / 2
        matrix = np.array([[zoom, 0, offset[0]], [0, zoom, offset[1]]])
        return cv2.warpAffine(behind, matrix, (PICTURE_SIZE, PICTURE_SIZE), borderMode=cv2.BORDER_REFLECT_101)
