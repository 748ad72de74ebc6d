"""Labeled pictures in the wide frame: rendered heads, and portraits with things put on them.

The synthesis room draws; here each thing that is drawn also leaves its class in a map of labels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from ...geometry.frames import HEAD_CENTER, Camera, HeadPose
from ...segmentation.segmenter import camera_direction
from ...segmentation.segments import SegmentClass
from ..face_models.heads import ICT, MAKEHUMAN, HeadSource
from ..paths import DataPaths
from ..synthesis import accessories, occluders, wearables
from ..synthesis.appearance import Appearance, DressedHead, composite, exposure_gain
from ..synthesis.backgrounds import background, foliage
from ..synthesis.cameras import head_rotation
from ..synthesis.render import Buffers, draw
from ..synthesis.shading import shade
from ..synthesis.texture_library import HAIR_COLORS, Split, encode_srgb, sample_texture
from .curls import curl_hair
from .teacher import IGNORED, WIDE_CENTER, WIDE_SIZE, WIDE_WIDTH_CM

#: Side of a labeled picture, pixels: the wide frame.
SCENE_SIZE = 400
#: Its scale at the head's center, pixels per meter.
PX_PER_METER = SCENE_SIZE / WIDE_WIDTH_CM * 100
#: Of a soft edge, what is at least this opaque shows what is painted on; thin things already at the second.
OPAQUE = 0.5
THIN = 0.3
#: Fraction of rendered heads that are MakeHuman's.
MAKEHUMAN_FRACTION = 0.3
#: How often the hair of a rendered head and of a portrait is curled, and how often leaves are behind both.
CURLED_RENDERED = 0.35
CURLED_PORTRAIT = 0.35
FOLIAGE = 0.12
#: Of the albedo's brightness over plain skin, below which what grows in brow and beard is hair.
DARK_HAIR = 0.62
#: Above this it is skin; between the two it is not known.
LIGHT_SKIN = 0.85

Draw = Callable[[np.random.Generator, np.ndarray], None]


@dataclass(frozen=True)
class LabeledPicture:
    """A picture and what its pixels show.

    Attributes:
        picture: (400, 400, 3) uint8 sRGB, wide frame.
        labels: (400, 400) uint8, `SegmentClass` or `IGNORED`.
        direction: (3,) float32, unit vector to the camera, head frame.
    """

    picture: np.ndarray
    labels: np.ndarray
    direction: np.ndarray


@dataclass(frozen=True)
class LabeledPortrait:
    """A portrait to be dressed: its picture, and the template fitted to it.

    Attributes:
        shown: Picture and labels.
        vertices: (V, 3) float32, the template, head frame, meters.
        pose: Of the head, before `camera`.
        camera: In pixels of the wide frame.
    """

    shown: LabeledPicture
    vertices: np.ndarray
    pose: HeadPose
    camera: Camera


class SceneSource:
    """Everything that labeled pictures are made from, loaded once a process."""

    def __init__(self, paths: DataPaths, split: Split, portraits: list[LabeledPortrait]) -> None:
        """Load what is drawn with.

        Args:
            paths: of the data.
            split: whose textures, lights and backgrounds are used.
            portraits: of the same split.
        """
        self.split, self.portraits = split, _oversampled(portraits)
        self.heads = HeadSource.from_paths(paths)
        self.appearance = Appearance.load(paths.textures, paths.panoramas)
        self._skin = {
            source: self.appearance.skin(mesh.triangles, mesh.corner_uv, mesh.part)
            for source, mesh in self.heads.drawn.items()
        }
        names = self.heads.model.part_names
        self._eyes = (names.index("eyeball_left"), names.index("eyeball_right"))

    def sample(self, rng: np.random.Generator, rendered: float = 0.5) -> LabeledPicture:
        """A random labeled picture; `rendered`: the fraction that are rendered heads."""
        if not self.portraits or rng.random() < rendered:
            return self.render(rng)
        return self.dress(rng, self.portraits[rng.integers(len(self.portraits))])

    def render(self, rng: np.random.Generator) -> LabeledPicture:
        """A rendered head with hair, clothes and all."""
        source = MAKEHUMAN if rng.random() < MAKEHUMAN_FRACTION else ICT
        vertices = self.heads.vertices(source, *self.heads.sample(rng, source))
        camera, pose = _random_view(rng)
        mesh = self.heads.drawn[source]
        points = pose.head_to_camera(vertices)
        buffers = draw(points, mesh.triangles, mesh.corner_uv, mesh.part, camera, SCENE_SIZE)
        texture, texture_labels = self._texture(rng)
        albedo = sample_texture(texture, buffers.uv, buffers.mask)
        labels = self._head_labels(buffers, texture_labels)
        head = DressedHead(vertices, pose, self._skin[source])
        scene = _Scene(camera, head, buffers.depth.copy(), buffers.normals.copy(), albedo, labels)
        gloss = np.isin(buffers.part, self._eyes).astype(np.float32)
        for garment, kind in self._garments(rng, head, clothed=True):
            self._draw(scene, gloss, garment, kind)
        light = self.appearance.lights.sample(rng, self.split)
        linear = shade(
            albedo, scene.normals, scene.depth, light, rng, camera.focal_px, (camera.cx, camera.cy), gloss
        )
        behind = background(
            rng, SCENE_SIZE, self.split, self.appearance.lights, self.appearance.textures, light
        )
        if rng.random() < FOLIAGE:
            behind = foliage(rng, SCENE_SIZE)
        gain = exposure_gain(rng, linear, buffers.mask)
        rgb = composite(encode_srgb(linear, gain), behind, scene.depth > 0)
        if rng.random() < CURLED_RENDERED:
            curl_hair(rng, rgb, labels)
        tone = np.median(rgb[labels == SegmentClass.SKIN], 0) if (labels == SegmentClass.SKIN).any() else None
        self._hold(rng, rgb, scene, tone)
        return LabeledPicture(rgb, labels, camera_direction(pose))

    def dress(self, rng: np.random.Generator, portrait: LabeledPortrait) -> LabeledPicture:
        """A portrait before another background, with another's hair, hats, glasses, hands, recolored."""
        rgb, labels = portrait.shown.picture.copy(), portrait.shown.labels.copy()
        if rng.random() < 0.25:
            self._borrow_hair(rng, rgb, labels, portrait)
        for kind, chance in RECOLORED.items():
            if rng.random() < chance:
                _recolor(rng, rgb, labels == kind)
        if rng.random() < 0.4:
            self._replace_background(rng, rgb, labels)
        if rng.random() < CURLED_PORTRAIT:
            curl_hair(rng, rgb, labels)
        mesh = self.heads.drawn[MAKEHUMAN]
        points = portrait.pose.head_to_camera(portrait.vertices)
        buffers = draw(points, mesh.triangles, mesh.corner_uv, mesh.part, portrait.camera, SCENE_SIZE)
        head = DressedHead(portrait.vertices, portrait.pose, self._skin[MAKEHUMAN])
        albedo = np.zeros((SCENE_SIZE, SCENE_SIZE, 3), np.float32)
        scene = _Scene(portrait.camera, head, buffers.depth.copy(), buffers.normals.copy(), albedo, labels)
        if rng.random() < 0.5:
            self._put_on(rng, rgb, scene)
        tone = np.median(rgb[(labels == SegmentClass.SKIN) & buffers.mask], 0) if buffers.mask.any() else None
        self._hold(rng, rgb, scene, tone)
        return LabeledPicture(rgb, labels, portrait.shown.direction)

    def _put_on(self, rng: np.random.Generator, rgb: np.ndarray, scene: "_Scene") -> None:
        """Shade random garments and lay them over a portrait, in place."""
        before = scene.depth.copy()
        gloss = np.zeros(before.shape, np.float32)
        old = scene.labels.copy()
        for garment, kind in self._garments(rng, scene.head, clothed=rng.random() < 0.15, hairless=True):
            self._draw(scene, gloss, garment, kind)
        new = scene.depth != before
        if not new.any():
            return
        if (scene.labels[new] == SegmentClass.HEADWEAR).any():
            self._flatten_hair(rng, rgb, scene.labels, new, old)
        light = self.appearance.lights.sample(rng, self.split)
        camera = scene.camera
        shown = scene.albedo.copy()
        shown[~new] = 0.3
        center = (camera.cx, camera.cy)
        linear = shade(shown, scene.normals, scene.depth, light, rng, camera.focal_px, center, gloss)
        skin = (old == SegmentClass.SKIN) & (before > 0)
        level = float(rgb[skin].mean()) / 255 if skin.any() else 0.5
        gain = (level**2.2) / 0.35 * 0.3 / max(float(linear[before > 0].mean()), 1e-3) * rng.uniform(0.6, 1.6)
        front = encode_srgb(linear, float(np.clip(gain, 0.2, 6)))
        rgb[:] = composite(front, rgb, new)

    def _flatten_hair(
        self, rng: np.random.Generator, rgb: np.ndarray, labels: np.ndarray, new: np.ndarray, old: np.ndarray
    ) -> None:
        """Take away the hair that would stick out above headwear, in place."""
        rows = np.flatnonzero((labels == SegmentClass.HEADWEAR).any(1))
        bottom = rows.min() + 0.75 * (rows.max() - rows.min())
        gone = (old == SegmentClass.HAIR) & ~new & (np.arange(SCENE_SIZE)[:, None] < bottom)
        gone = cv2.dilate(gone.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        gone &= ~new & np.isin(labels, (SegmentClass.HAIR, SegmentClass.BACKGROUND))
        behind = background(rng, SCENE_SIZE, self.split, self.appearance.lights, self.appearance.textures)
        away = (labels == SegmentClass.BACKGROUND) | gone
        rgb[:] = composite(behind, rgb, away)
        labels[gone] = SegmentClass.BACKGROUND

    def _borrow_hair(
        self, rng: np.random.Generator, rgb: np.ndarray, labels: np.ndarray, portrait: LabeledPortrait
    ) -> None:
        """Lay the hair of another portrait that looks the same way over this one, in place."""
        other = self.portraits[rng.integers(len(self.portraits))].shown
        hair = other.labels == SegmentClass.HAIR
        if other.direction @ portrait.shown.direction < 0.97 or hair.mean() < 0.01:
            return
        shift = rng.normal(0, 2, 2)
        zoom = np.exp(rng.normal(0, 0.03, 2))
        matrix = np.array(
            [
                [zoom[0], 0, shift[0] + (1 - zoom[0]) * SCENE_SIZE / 2],
                [0, zoom[1], shift[1] + (1 - zoom[1]) * SCENE_SIZE * 0.45],
            ]
        )
        size = (SCENE_SIZE, SCENE_SIZE)
        alpha = cv2.GaussianBlur(hair.astype(np.float32), (0, 0), 1.0)
        alpha = cv2.warpAffine(alpha, matrix, size)[..., None]
        picture = cv2.warpAffine(other.picture, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        rgb[:] = (rgb * (1 - alpha) + picture * alpha).astype(np.uint8)
        covered = alpha[..., 0] > OPAQUE
        labels[covered & (labels != IGNORED)] = SegmentClass.HAIR

    def _replace_background(self, rng: np.random.Generator, rgb: np.ndarray, labels: np.ndarray) -> None:
        """Put the person before another place, in place."""
        unknown = labels == IGNORED
        if (unknown & (np.arange(SCENE_SIZE)[:, None] < SCENE_SIZE // 2)).mean() > 0.25:
            return
        if rng.random() < FOLIAGE:
            behind = foliage(rng, SCENE_SIZE)
        else:
            behind = background(rng, SCENE_SIZE, self.split, self.appearance.lights, self.appearance.textures)
        rgb[:] = composite(behind, rgb, labels == SegmentClass.BACKGROUND)

    def _draw(
        self, scene: "_Scene", gloss: np.ndarray, garment: accessories.Garment, kind: SegmentClass
    ) -> None:
        before = scene.depth.copy()
        self.appearance.draw_garment(
            garment, scene.head.pose, scene.camera, scene.depth, scene.normals, scene.albedo, gloss
        )
        scene.labels[scene.depth != before] = kind

    def _garments(
        self, rng: np.random.Generator, head: DressedHead, clothed: bool, hairless: bool = False
    ) -> list[tuple[accessories.Garment, SegmentClass]]:
        """Random garments with their classes."""
        patterns = self.appearance.patterns
        wearer = accessories.Wearer.of(head.skin, head.head, patterns)
        drawn: list[tuple[accessories.Garment, SegmentClass]] = []
        if not hairless and rng.random() < 0.6:
            drawn.append((accessories.hair(rng, wearer), SegmentClass.HAIR))
        kind = rng.random() * (0.75 if hairless else 1.6)
        if kind < 0.12:
            hats = [accessories.scarf(rng, wearer)]
        elif kind < 0.3:
            hats = accessories.hat(rng, wearer)
        elif kind < 0.42:
            hats = wearables.brimmed_hat(rng, wearer)
        elif kind < 0.5:
            hats = [wearables.headband(rng, wearer)]
        elif kind < 0.6:
            hats = [wearables.hood(rng, wearer)]
        else:
            hats = []
        drawn += [(hat, SegmentClass.HEADWEAR) for hat in hats]
        if rng.random() < 0.08:
            drawn.append((wearables.face_mask(rng, wearer), SegmentClass.OCCLUDER))
        if clothed:
            if rng.random() < 0.93:
                drawn.append((accessories.shoulders(rng, patterns), SegmentClass.CLOTHES))
            if rng.random() < 0.12:
                drawn += [(band, SegmentClass.CLOTHES) for band in wearables.neck_scarf(rng, patterns)]
        return drawn

    def _hold(
        self, rng: np.random.Generator, rgb: np.ndarray, scene: "_Scene", tone: np.ndarray | None
    ) -> None:
        """Jewelry, glasses, strands of hair, hands and objects over a picture, in place, each at random."""
        depth, camera, pose = scene.depth, scene.camera, scene.head.pose
        scale = PX_PER_METER
        bare = (scene.labels[SCENE_SIZE // 2 :] == SegmentClass.SKIN).mean() > 0.03
        if bare and rng.random() < 0.2:
            _paint(
                rng, rgb, scene.labels, SegmentClass.ACCESSORY, THIN,
                lambda r, canvas: wearables.necklace(r, canvas, depth, pose, camera),
            )  # fmt: skip
        if rng.random() < 0.2:
            _paint(
                rng, rgb, scene.labels, SegmentClass.ACCESSORY, THIN,
                lambda r, canvas: wearables.earrings(r, canvas, depth, pose, camera),
            )  # fmt: skip
        if rng.random() < 0.35:
            _paint(
                rng, rgb, scene.labels, SegmentClass.ACCESSORY, THIN,
                lambda r, canvas: occluders.glasses(r, canvas, depth, scene.head.head, pose, camera),
            )  # fmt: skip
        if rng.random() < 0.08:
            _paint(
                rng, rgb, scene.labels, SegmentClass.HAIR, OPAQUE,
                lambda r, canvas: occluders.wisps(r, canvas, pose, camera, scale),
            )  # fmt: skip
        for chance, draw_it in ((0.16, "hand"), (0.07, "object")):
            if rng.random() >= chance:
                continue
            point = occluders.point_before_face(rng, (0.03, 0.13), 0.03)
            at = camera.project(pose.head_to_camera(point))
            if draw_it == "hand":
                color = (np.array([150, 110, 90]) if tone is None else tone) * rng.uniform(0.8, 1.2)
                layer = occluders.hand_layer(rng, (SCENE_SIZE, SCENE_SIZE), at, scale, color)
                _lay(rgb, scene.labels, SegmentClass.OCCLUDER, *layer)
            else:
                _paint(rng, rgb, scene.labels, SegmentClass.OCCLUDER, OPAQUE, _object_at(at))

    def _head_labels(self, buffers: Buffers, texture_labels: np.ndarray) -> np.ndarray:
        """(H, W) uint8 of a bare head."""
        size = len(texture_labels)
        u = np.floor(buffers.uv[..., 0] * size).astype(int) % size
        v = np.clip(np.floor(buffers.uv[..., 1] * size).astype(int), 0, size - 1)
        labels = np.where(buffers.part <= 1, texture_labels[v, u], SegmentClass.SKIN)
        return np.where(buffers.mask, labels, SegmentClass.BACKGROUND).astype(np.uint8)

    def _texture(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A skin, (S, S, 3) uint8 sRGB, with its labels, (S, S) uint8: scalp, brows and beard as painted."""
        library = self.appearance.textures
        texture = library.sample(rng, self.split)
        masks = {name: mask.astype(np.float32) / 255 for name, mask in library.masks.items()}
        labels = np.full(texture.shape[:2], SegmentClass.SKIN, np.uint8)
        gray = texture.mean(-1, dtype=np.float32)
        features = np.maximum.reduce([masks[name] for name in ("lips", "brows", "lids", "beard")])
        plain = (masks["face"] > 0.9) & (features < 0.1)
        level = float(np.median(gray[plain]))
        tone = np.median(texture[plain], 0)
        smooth = cv2.GaussianBlur(gray, (0, 0), 1.5)
        grown = np.maximum(masks["brows"], masks["beard"]) > 0.4
        labels[grown & (smooth < LIGHT_SKIN * level)] = IGNORED
        labels[grown & (smooth < DARK_HAIR * level)] = SegmentClass.FACIAL_HAIR
        hair = HAIR_COLORS[rng.integers(len(HAIR_COLORS))] * rng.uniform(0.7, 1.2)
        if rng.random() < 0.6:
            self._grow(rng, texture, labels, masks["brows"] * rng.uniform(0.9, 1.4), hair, 0.8)
        if rng.random() < 0.4:
            self._grow(rng, texture, labels, self._beard(rng, masks["beard"]), hair, 0.95)
        self._cover_scalp(rng, texture, labels, masks["scalp"], tone, hair)
        return texture, labels

    def _beard(self, rng: np.random.Generator, mask: np.ndarray) -> np.ndarray:
        """(S, S) float32, how thickly a beard grows: all of it, or parts of it with soft borders."""
        rows, columns = np.nonzero(mask > 0.3)
        top, bottom = rows.min(), rows.max()
        v = (np.arange(len(mask))[:, None] - top) / max(bottom - top, 1)
        u = np.abs(np.arange(mask.shape[1])[None] - columns.mean()) / max(np.ptp(columns) / 2, 1)
        kind = rng.random()
        if kind < 0.5:
            density = np.ones_like(mask) * rng.uniform(0.8, 1.6)
        elif kind < 0.7:  # a mustache
            density = 1.5 * (np.clip((0.38 - v) * 12, 0, 1) * np.clip((0.45 - u) * 10, 0, 1))
        else:  # mustache and chin
            density = 1.5 * np.clip((rng.uniform(0.3, 0.55) - u) * 10, 0, 1) * np.ones_like(mask)
        return np.asarray(mask * density, np.float32)

    def _grow(
        self,
        rng: np.random.Generator,
        texture: np.ndarray,
        labels: np.ndarray,
        density: np.ndarray,
        color: np.ndarray,
        strength: float,
    ) -> None:
        """Paint hair of a density (S, S) into a texture, in place, with its labels."""
        strands = self.appearance.patterns.strands[rng.integers(len(self.appearance.patterns.strands))]
        size = len(texture)
        strands = cv2.resize(strands, (size, size)).astype(np.float32) / 255
        alpha = np.clip(density * strength * (0.55 + 0.9 * strands), 0, 0.97)[..., None]
        texture[:] = (
            texture * (1 - alpha) + np.clip(color * (0.5 + strands[..., None]), 0, 255) * alpha
        ).astype(np.uint8)
        soft = cv2.GaussianBlur(alpha[..., 0], (0, 0), 1.5)
        labels[soft > 0.25] = IGNORED
        labels[soft > 0.45] = SegmentClass.FACIAL_HAIR

    def _cover_scalp(
        self,
        rng: np.random.Generator,
        texture: np.ndarray,
        labels: np.ndarray,
        scalp: np.ndarray,
        tone: np.ndarray,
        hair: np.ndarray,
    ) -> None:
        """Shave the scalp, or paint short hair on it, in place, with its labels."""
        size = len(texture)
        noise = cv2.GaussianBlur(rng.normal(size=(size, size)).astype(np.float32), (0, 0), 12)
        noise = noise / noise.std()
        bald = np.clip(tone * (1 + 0.04 * noise[..., None]) * rng.uniform(0.85, 1.1), 0, 255)
        alpha = np.clip(scalp * 1.5, 0, 1)[..., None]
        texture[:] = (texture * (1 - alpha) + bald * alpha).astype(np.uint8)
        labels[scalp > 0.3] = SegmentClass.SKIN
        if rng.random() < 0.45:
            return
        strands = self.appearance.patterns.strands[rng.integers(len(self.appearance.patterns.strands))]
        strands = cv2.resize(strands, (size, size)).astype(np.float32)[..., None] / 255
        grown = np.clip((scalp - 0.5 + 0.12 * noise) * 5 + 0.5, 0, 1)[..., None] * (scalp > 0.02)[..., None]
        grown = grown * rng.uniform(0.75, 1.0)
        texture[:] = (texture * (1 - grown) + np.clip(hair * (0.5 + strands), 0, 255) * grown).astype(
            np.uint8
        )
        labels[grown[..., 0] > 0.15] = IGNORED
        labels[grown[..., 0] > 0.55] = SegmentClass.HAIR


#: Of what is rare on portraits: least fraction of the pixels, and how often such a portrait is used besides.
RARE = {
    SegmentClass.FACIAL_HAIR: (0.006, 1),
    SegmentClass.HEADWEAR: (0.01, 3),
    SegmentClass.OCCLUDER: (0.005, 3),
}


def _oversampled(portraits: list[LabeledPortrait]) -> list[LabeledPortrait]:
    """The portraits, those with something rare several times."""
    result = list(portraits)
    for portrait in portraits:
        for kind, (least, times) in RARE.items():
            if (portrait.shown.labels == kind).mean() >= least:
                result += [portrait] * times
    return result


@dataclass(frozen=True)
class _Scene:
    """What a picture is drawn from; the arrays are changed in place."""

    camera: Camera
    head: DressedHead
    depth: np.ndarray
    normals: np.ndarray
    albedo: np.ndarray
    labels: np.ndarray


#: How often pixels of a class get another color on a portrait.
RECOLORED = {
    SegmentClass.HAIR: 0.35,
    SegmentClass.CLOTHES: 0.5,
    SegmentClass.HEADWEAR: 0.5,
    SegmentClass.SKIN: 0.2,
    SegmentClass.BACKGROUND: 0.2,
}


def _object_at(at: np.ndarray) -> Draw:
    """What draws an object near a point (2,) px."""
    return lambda rng, canvas: occluders.handheld_object(rng, canvas, at, PX_PER_METER)


def wide_camera(camera: Camera, matrix: np.ndarray) -> Camera:
    """The camera of a picture cut out of a photo without turning it much.

    Args:
        camera: of the photo.
        matrix: (2, 3) photo -> picture.
    """
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    cx, cy = matrix[:, :2] @ [camera.cx, camera.cy] + matrix[:, 2]
    return Camera(camera.focal_px * scale, float(cx), float(cy))


def rolled_pose(pose: HeadPose, matrix: np.ndarray) -> HeadPose:
    """A head's pose before the camera turned as a picture was that was cut out of the photo.

    Args:
        pose: before the photo's camera.
        matrix: (2, 3) photo -> picture, a similarity.
    """
    linear = matrix[:, :2] / np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    turn = np.eye(3)
    turn[:2, :2] = linear
    return HeadPose(turn @ pose.rotation, turn @ pose.translation)


def scene_matrix(wide: np.ndarray) -> np.ndarray:
    """The map from a photo to a labeled picture.

    Args:
        wide: (2, 3) photo -> wide frame at its own size.

    Returns:
        (2, 3) photo -> wide frame at the size of labeled pictures.
    """
    factor = SCENE_SIZE / WIDE_SIZE
    result = wide * factor
    result[:, 2] += (factor - 1) / 2
    return result


def _random_view(rng: np.random.Generator) -> tuple[Camera, HeadPose]:
    """A camera and a pose that put the head where the wide frame has it, upright."""
    yaw = rng.normal(0, 15) if rng.random() < 0.4 else rng.uniform(-75, 75)
    pitch, roll = np.clip(rng.normal(0, 13), -40, 40), rng.normal(0, 3)
    distance = np.exp(rng.uniform(np.log(0.4), np.log(4.0)))
    center = (WIDE_CENTER + 0.5) * (SCENE_SIZE / WIDE_SIZE) - 0.5
    focal = PX_PER_METER * distance
    offset = np.tan(np.radians(np.clip(rng.normal(0, 5, 2), -15, 15))) * focal
    rotation = head_rotation(yaw, pitch, roll)
    ray = np.append(offset / focal, 1.0)
    cx, cy = center - offset
    camera = Camera(focal, float(cx), float(cy))
    return camera, HeadPose(rotation, ray * distance - rotation @ HEAD_CENTER)


def _paint(
    rng: np.random.Generator,
    rgb: np.ndarray,
    labels: np.ndarray,
    kind: SegmentClass,
    threshold: float,
    draw_it: Draw,
) -> None:
    """Draw a thing into picture and labels, in place; black and white canvases show how opaque it is."""
    seed = int(rng.integers(1 << 31))
    black, white = (np.full(rgb.shape, value, np.uint8) for value in (0, 255))
    for canvas in (black, white):
        draw_it(np.random.default_rng(seed), canvas)
    alpha = 1 - (white.astype(np.float32) - black).mean(-1) / 255
    rgb[:] = np.clip(rgb * (1 - alpha[..., None]) + black, 0, 255).astype(np.uint8)
    labels[(alpha > threshold) & (labels != IGNORED)] = kind


def _lay(
    rgb: np.ndarray, labels: np.ndarray, kind: SegmentClass, color: np.ndarray, alpha: np.ndarray
) -> None:
    """Lay a layer over picture and labels, in place."""
    occluders.alpha_blend(rgb, color, alpha)
    labels[(alpha > 127) & (labels != IGNORED)] = kind


def _recolor(rng: np.random.Generator, rgb: np.ndarray, chosen: np.ndarray) -> None:
    """Give the chosen pixels another color, in place, softly at the edges."""
    if not chosen.any():
        return
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    mean = lab[chosen].mean(0)
    target = mean + rng.normal(0, [28, 10, 12])
    contrast = np.exp(rng.normal(0, 0.2))
    lab[..., 0] = (lab[..., 0] - mean[0]) * contrast + target[0]
    lab[..., 1:] = (lab[..., 1:] - mean[1:]) * np.exp(rng.normal(0, 0.3)) + target[1:]
    new = cv2.cvtColor(np.clip(lab, 0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB)
    alpha = cv2.GaussianBlur(chosen.astype(np.float32), (0, 0), 1.0)[..., None]
    rgb[:] = (rgb * (1 - alpha) + new * alpha).astype(np.uint8)
