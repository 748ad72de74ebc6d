"""Pictures of heads with known albedo, with hair, glasses and hats, to measure how well it is found again.

The heads are those of held-out portraits with the skin that was painted for them: what the portrait showed is
that person's, the rest the albedo model's.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from ...geometry.frames import HEAD_CENTER, Camera, CropFrame, HeadPose, crop_frame_around
from ...image.color import linear_of_bytes_float32, linear_to_bytes
from ...image.sampling import sample_image
from ...segmentation.segments import SEGMENT_SIZE, Segmentation, SegmentClass, segment_frame
from ...template.regions import Regions
from ...template.topology import EYE_LEFT, EYE_RIGHT, INNER, SKIN, HeadTopology, triangle_corners
from ...texture.atlas import texel_coordinates
from ..synthesis import accessories, occluders
from ..synthesis.appearance import Appearance, composite
from ..synthesis.lighting import LightLibrary, SceneLight
from ..synthesis.render import draw
from ..synthesis.shading import shade
from ..synthesis.texture_library import Split

#: Side of the pictures, pixels, and focal length of their camera, mm, 35 mm equivalent.
PICTURE_SIZE = 768
FOCAL_MM = 70.0
#: Meters from the camera to the head's center.
DISTANCE = 1.1
#: Greatest yaw and pitch of the heads, degrees.
YAW_DEG = 25.0
PITCH_DEG = 10.0
#: Luminance, linear, that the face has at normal exposure is its albedo's; exposures are factors of it.
EXPOSURES = (0.6, 1.0, 1.5)
#: Colors of the light, linear: neutral, a lamp's, the shade's.
TINTS = ((1.0, 1.0, 1.0), (1.15, 1.0, 0.8), (0.92, 1.0, 1.12))
#: Median, linear, of what is behind the heads.
MIDDLE_GRAY = 0.18
#: What the heads wear, in turn.
DRESSES = ("hair", "glasses", "hat")
#: A picture differs by so many steps of sRGB from the one without glasses where there are glasses.
GLASSES_STEPS = 6


@dataclass(frozen=True)
class KnownHead:
    """A head with known albedo.

    Attributes:
        name: Of the portrait.
        vertices: (V, 3) float32, head frame, meters.
        image: (S, S, 3) uint8 sRGB, its albedo, for the topology's first UV map.
    """

    name: str
    vertices: np.ndarray
    image: np.ndarray


@dataclass(frozen=True)
class SkinPicture:
    """A picture of a known head.

    Attributes:
        rgb: (H, W, 3) uint8 sRGB.
        frame: The crop.
        pose: Of the head.
        segmentation: What its pixels truly show.
        landmarks: (478, 2) photo pixels.
    """

    rgb: np.ndarray
    frame: CropFrame
    pose: HeadPose
    segmentation: Segmentation
    landmarks: np.ndarray


class SkinStudio:
    """Renders known heads of one topology."""

    def __init__(self, topology: HeadTopology, lights: LightLibrary, split: Split = "eval") -> None:
        """Take the topology and panoramas.

        Args:
            topology: Of the heads.
            lights: The panoramas' light.
            split: Which of the panoramas: those that are held out, or the others.
        """
        self.topology, self.lights, self.split = topology, lights, split
        triangles = topology.triangles
        corners = triangle_corners(topology.quad_uv, topology.quads, triangles)
        uv = topology.uv[corners].astype(np.float32) * np.array([1, -1], np.float32) + np.array(
            [0, 1], np.float32
        )
        part = np.repeat(topology.face_part, 2)
        drawn = np.repeat(topology.opaque, 2)
        self._triangles = np.ascontiguousarray(triangles[drawn], np.int32)
        self._uv, self._part = np.ascontiguousarray(uv[drawn]), part[drawn].astype(np.int8)
        skin = np.isin(self._part, [topology.part_names.index(name) for name in (SKIN, INNER)])
        used, local = np.unique(self._triangles[skin], return_inverse=True)
        regions = Regions.of(topology)
        beside = np.maximum.reduce([regions.scalp, regions.neck, regions.ear])
        self._skin = accessories.SkinMesh(
            used, local.reshape(-1, 3).astype(np.int32), self._uv[skin], (1 - beside[used]).astype(np.float32)
        )
        self._patterns = accessories.Patterns.make(np.random.default_rng(0))
        self._eyes = [topology.part_names.index(name) for name in (EYE_LEFT, EYE_RIGHT)]

    def picture(
        self,
        rng: np.random.Generator,
        head: KnownHead,
        dress: str | None = None,
        exposure: float = 1.0,
        tint: tuple[float, float, float] = TINTS[0],
    ) -> SkinPicture:
        """Render a head before a random camera, in random light.

        Args:
            rng: Random numbers.
            head: The head.
            dress: One of DRESSES, or None for a bald head.
            exposure: Factor of the normal one.
            tint: Factors of red, green and blue.

        Returns:
            The picture.
        """
        camera = Camera.from_focal_mm(FOCAL_MM, PICTURE_SIZE, PICTURE_SIZE, "exif")
        pose = _random_pose(rng)
        points = pose.head_to_camera(head.vertices)
        buffers = draw(points, self._triangles, self._uv, self._part, camera, PICTURE_SIZE)
        light = self.lights.sample(rng, self.split)
        size = head.image.shape[0]
        linear = linear_of_bytes_float32()[head.image]
        places = (buffers.uv.reshape(-1, 2) * size - 0.5).astype(np.float32)
        albedo = sample_image(linear, places).reshape(*buffers.mask.shape, 3) * buffers.mask[..., None]
        depth, normals = buffers.depth.copy(), buffers.normals.copy()
        gloss = np.isin(buffers.part, self._eyes).astype(np.float32)
        appearance = Appearance(None, self.lights, self._patterns)  # type: ignore[arg-type]  # no library
        labels = np.where(buffers.mask, np.uint8(SegmentClass.SKIN), np.uint8(SegmentClass.BACKGROUND))
        for garment, label in self._garments(rng, head, dress):
            before = depth.copy()
            appearance.draw_garment(garment, pose, camera, depth, normals, albedo, gloss)
            labels[depth != before] = label
        face = buffers.mask & (labels == SegmentClass.SKIN) & (gloss == 0)
        center = (camera.cx, camera.cy)
        shaded = shade(albedo, normals, depth, light, rng, camera.focal_px, center, gloss)
        front, behind = self._exposed(rng, albedo, shaded, face, light)
        factors = exposure * np.array(tint)
        rgb = composite(linear_to_bytes(front * factors), linear_to_bytes(behind * factors), depth > 0)
        if dress == "glasses":
            plain = rgb.copy()
            occluders.glasses(rng, rgb, depth, head.vertices, pose, camera)
            drawn = np.abs(rgb.astype(int) - plain).max(2) > GLASSES_STEPS
            labels[cv2.dilate(drawn.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0] = SegmentClass.ACCESSORY
        corners = self.topology.landmark
        return SkinPicture(
            rgb,
            crop_frame_around(camera, pose),
            pose,
            _true_segmentation(labels, camera, pose),
            camera.project(points[corners]),
        )

    def _garments(
        self, rng: np.random.Generator, head: KnownHead, dress: str | None
    ) -> list[tuple[accessories.Garment, SegmentClass]]:
        garments = []
        wearer = accessories.Wearer.of(self._skin, head.vertices, self._patterns)
        if dress in ("hair", "glasses"):
            hair = accessories.hair(rng, wearer)
            garments.append((hair, SegmentClass.HAIR))
        elif dress == "hat":
            hats = accessories.hat(rng, wearer)
            garments += [(hat, SegmentClass.HEADWEAR) for hat in hats]
        if dress:
            garments.append((accessories.shoulders(rng, self._patterns), SegmentClass.CLOTHES))
        return garments

    def _exposed(
        self,
        rng: np.random.Generator,
        albedo: np.ndarray,
        shaded: np.ndarray,
        face: np.ndarray,
        light: SceneLight,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The shaded picture, linear, the face on average of its albedo's color, as cameras take the light's
        color out; and what is behind.
        """
        balance = albedo[face].mean(0) / np.maximum(shaded[face].mean(0), 1e-6)
        index = light.panorama if light.panorama >= 0 else int(self.lights.indices(self.split)[0])
        behind = self.lights.cut(rng, PICTURE_SIZE, index, light.rotation)
        return shaded * balance, behind * (MIDDLE_GRAY / max(float(np.median(behind)), 1e-3))


def _random_pose(rng: np.random.Generator) -> HeadPose:
    """A head before the camera, turned a little."""
    yaw, pitch = np.radians([rng.uniform(-YAW_DEG, YAW_DEG), rng.uniform(-PITCH_DEG, PITCH_DEG)])
    upright = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # head frame -> camera: z up -> y down
    about_up = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    about_side = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    rotation = upright @ about_side @ about_up
    return HeadPose(rotation, np.array([0.0, 0.0, DISTANCE]) - rotation @ HEAD_CENTER)


def _true_segmentation(labels: np.ndarray, camera: Camera, pose: HeadPose) -> Segmentation:
    """The segmentation that labels (H, W) uint8 of a picture are."""
    frame = segment_frame(camera, pose)
    planes = [
        cv2.warpAffine(
            (labels == label).astype(np.float32),
            frame.matrix,
            (SEGMENT_SIZE, SEGMENT_SIZE),
            flags=cv2.INTER_AREA,
            borderValue=(float(label == SegmentClass.BACKGROUND),),
        )
        for label in SegmentClass
    ]
    stacked = np.stack(planes).astype(np.float32)
    return Segmentation(stacked / np.maximum(stacked.sum(0), 1e-6), frame)


def vertex_texels(topology: HeadTopology, vertices: np.ndarray, size: int) -> np.ndarray:
    """Where vertices of the skin are in a texture.

    Args:
        topology: Whose first UV map the texture is for.
        vertices: (n,) int.
        size: Side of the texture, texels.

    Returns:
        (n, 2) float32, x and y.
    """
    corner = np.zeros(len(topology.vertices), np.int64)
    faces = topology.faces_of(SKIN)
    corner[topology.quads[faces]] = topology.quad_uv[faces]
    return np.asarray(texel_coordinates(topology.uv[corner[vertices]], size), np.float32)


def vertex_colors(topology: HeadTopology, image: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Colors of a texture at vertices of the skin, averaged over a few texels.

    Args:
        topology: Whose first UV map the texture is for.
        image: (S, S, 3 or more) uint8 sRGB.
        vertices: (n,) int.

    Returns:
        (n, 3) float64 sRGB, 0..1.
    """
    reach = 2 * (image.shape[0] // 400) + 1
    linear = cv2.blur(linear_of_bytes_float32()[image[..., :3]], (reach, reach))
    return linear_to_bytes(sample_image(linear, vertex_texels(topology, vertices, len(image)))) / 255.0


def color_differences(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """CIEDE2000.

    Args:
        one: (n, 3) sRGB, 0..1.
        other: (n, 3) sRGB, 0..1.

    Returns:
        (n,) float64.
    """
    from skimage.color import deltaE_ciede2000, rgb2lab

    return np.asarray(deltaE_ciede2000(rgb2lab(one), rgb2lab(other)))
