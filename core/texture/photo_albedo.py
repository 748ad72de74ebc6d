"""The head's texture without a segmentation: the photo where it was observed, its mirror image, completion.

Colors alone tell skin from hair and background.
"""

from typing import TYPE_CHECKING

import cv2
import numpy as np

from ..geometry.frames import CropFrame, HeadPose
from ..geometry.mesh import shading_normals
from ..geometry.visibility import ramp
from ..image.color import linear_to_bytes
from ..image.sampling import sample_image, sample_photo_linear
from ..runtime.timing import Clock
from ..template.regions import Regions, scalp_weight
from ..template.topology import INNER, SKIN, HeadTopology
from .albedo import PAINTED, Albedo, kind_fractions, texel_kinds
from .atlas import Atlas
from .delighting import relative_shading
from .eyes import EyeColors, eye_colors
from .inpainting import SKIN_TOLERANCE, SmoothCompletion, color_match, complete_colors, tone_ratio
from .padding import dilate_texels, grain, grain_level
from .part_painter import PartPainter
from .projection import cosines, render_view, to_view, view_weights
from .settings import TextureSettings

if TYPE_CHECKING:
    from ..wrapping.head import HeadShape

#: Meters from the outline up to which colors have to match those further in fully, and from which on not.
HAIR_EDGE = (0.025, 0.060)
SKIN_EDGE = (0.006, 0.015)
#: Tolerances of the match, of what skin may differ from skin: skin near the outline, the hue of beard and
#: brows, hair.
OUTLINE_TOLERANCE = 1.6
HUE_TOLERANCE = 2.6
HAIR_TOLERANCE = 2.5
#: Fraction of a texel's surroundings that has to be the head's own for it to count not at all, and fully.
MAJORITY = (0.5, 0.95)
#: Fewer vertices are no sample of skin or hair.
MIN_VERTICES = 20
#: Values of regions from which on vertices are examples.
PLAIN_EXAMPLE = 0.5
SCALP_EXAMPLE = 0.8
#: Weight, of a texel's at a size of 1024, from which on a vertex is observed.
OBSERVED_SUM = 0.5
#: Weights of the mirror image from which on it is used, and used fully.
MIRROR_RANGE = (0.05, 0.6)
#: Side of the texture that weights at vertices refer to.
REFERENCE_SIZE = 1024


class PhotoAlbedo:
    """Makes textures of one size; what depends on the topology alone is computed once."""

    def __init__(
        self,
        topology: HeadTopology,
        size: int = 2048,
        settings: TextureSettings = TextureSettings(),  # noqa: B008 (frozen)
    ) -> None:
        """Prepare what does not depend on the photo.

        Args:
            topology: Of the heads.
            size: Side of the textures, texels, one of TEXTURE_SIZES.
            settings: What can be set.
        """
        self.topology = topology
        self.size = size
        self.regions = Regions.of(topology)
        self.atlas = Atlas.of(topology, size)
        self.settings = settings
        self.completion = SmoothCompletion(topology)
        bare = np.maximum(self.regions.ear, self.regions.neck)
        names = {name: k for k, name in enumerate(topology.part_names)}
        self._parts = PartPainter(topology, self.atlas)
        self._skin = np.flatnonzero(np.isin(self.atlas.part, [names[SKIN], names[INNER]]))
        self._to_skin = self.atlas.interpolation(self._skin, len(topology.vertices))
        self._from_skin = self._to_skin.T  # it shares the memory
        # Finer than the vertices: the hairline crosses large quads.
        scalp = scalp_weight(self._at_skin(topology.vertices)).astype(np.float32)
        self._region = (scalp, *self._at_skin(np.column_stack([self.regions.features, bare])).T.copy())
        beside_face = np.maximum.reduce([self.regions.scalp, self.regions.ear, self.regions.neck])
        only_skin = self._parts.of_part[SKIN]
        self._face_texels = self.atlas.interpolate(beside_face, only_skin) < 0.5
        self._grain_field = grain(self.size)

    def paint(
        self,
        rgb: np.ndarray,
        frame: CropFrame,
        pose: HeadPose,
        head: "HeadShape",
        landmarks: np.ndarray,
        delight: bool = True,
    ) -> Albedo:
        """Make the texture of a head.

        Args:
            rgb: (H, W, 3) uint8, the photo.
            frame: The crop.
            pose: Of the head.
            head: The wrapped head.
            landmarks: (478, 2 or more) as detected, photo pixels.
            delight: Whether to take the shading out.

        Returns:
            The texture.
        """
        clock = Clock()
        observed, weight, outline = self._project(rgb, frame, pose, head.vertices)
        clock.lap("project")
        normals = shading_normals(head.vertices, self.topology.triangles)
        if delight:
            means, sums = self._to_vertices(observed, weight)
            plain = self.regions.plain * np.minimum(sums, 1)
            shading = relative_shading(normals, means, plain, self.settings)
            observed /= self._at_skin(shading)[:, None]
        weight *= self._own(observed, weight, outline)
        clock.lap("clean")
        skin, kind = self._complete(observed, weight)
        clock.lap("fill")
        eyes = eye_colors(rgb, landmarks)
        image, mask, fractions = self._assemble(skin, kind, eyes)
        clock.lap("paint")
        return Albedo(image, mask, fractions, eyes, clock.seconds)

    def _project(
        self, rgb: np.ndarray, frame: CropFrame, pose: HeadPose, vertices: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Linear colors (n, 3) of the skin's texels in the photo, how well it shows each (n,), 0..1, and the
        distance from the head's outline (n,), meters.
        """
        camera_points = pose.head_to_camera(vertices.astype(np.float64))
        view, _ = render_view(self.topology, camera_points, frame)
        normals = shading_normals(vertices, self.topology.triangles)
        facing = cosines(camera_points.astype(np.float32), normals, pose)
        texels = self._at_skin(np.column_stack([camera_points, facing]))
        points, cosine = texels[:, :3], texels[:, 3]
        weight, outline = view_weights(view, to_view(frame, points), points[:, 2], cosine)
        weight *= self.atlas.part[self._skin] == self.topology.part_names.index(SKIN)
        # Photo pixels between neighboring texels, at the head: its size in both.
        per_texel = self._meters_per_texel(vertices) * frame.camera.focal_px / frame.distance
        colors = np.zeros((len(self._skin), 3), np.float32)
        some = np.flatnonzero(weight > 0)
        colors[some], inside = sample_photo_linear(rgb, frame.camera.project(points[some]), float(per_texel))
        weight[some[~inside]] = 0
        return colors, weight, outline

    def _meters_per_texel(self, vertices: np.ndarray) -> float:
        """Typical distance of neighboring texels of the face."""
        t = self.topology
        quads = np.flatnonzero((self.regions.plain[t.quads] > 0.5).all(1))
        corners, uv = vertices[t.quads[quads]].astype(np.float64), t.uv[t.quad_uv[quads]]
        area = np.linalg.norm(
            np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]), axis=1
        ).sum()
        one, two = uv[:, 2] - uv[:, 0], uv[:, 3] - uv[:, 1]
        texels = np.abs(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]).sum() * self.size**2
        return float(np.sqrt(area / max(texels, 1e-9)))

    def _own(self, colors: np.ndarray, weight: np.ndarray, outline: np.ndarray) -> np.ndarray:
        """(n,) 0 to 1: whether colors (n, 3) of the skin's texels are the head's and not of what is before
        or behind it: hair and clothes on ears and neck, background along the outline (n,), meters away.
        """
        regions = self.regions
        means, sums = self._to_vertices(colors, weight)
        observed = sums > OBSERVED_SUM
        own = np.ones(len(weight), np.float32)
        scalp, features, bare = self._region
        hair_edge = scalp * ramp(-outline, -HAIR_EDGE[1], -HAIR_EDGE[0])
        skin_edge = (1 - scalp) * ramp(-outline, -SKIN_EDGE[1], -SKIN_EDGE[0])
        inner, _ = self._to_vertices(outline[:, None], weight)
        skin = means[(regions.plain > PLAIN_EXAMPLE) & observed]
        beardless = means[(regions.plain * (1 - regions.beard) > PLAIN_EXAMPLE) & observed]
        hair = np.flatnonzero((regions.scalp > SCALP_EXAMPLE) & observed)
        if len(skin) >= MIN_VERTICES:
            # A high forehead is where others have hair; who has none keeps what the photo shows.
            grown = hair[color_match(means[hair], skin, SKIN_TOLERANCE) < 0.5]
            hair = grown if len(grown) >= MIN_VERTICES else hair
        hair = means[hair[np.argsort(inner[hair, 0])[len(hair) // 2 :]]]  # the half further in
        for region, reference, tolerance, any_lightness in (
            (bare, beardless, 1.0, False),
            (skin_edge, skin, OUTLINE_TOLERANCE, False),
            ((1 - scalp) * (1 - features), skin, HUE_TOLERANCE, True),
            (hair_edge, hair, HAIR_TOLERANCE, False),
        ):
            doubtful = np.flatnonzero((region > 0) & (weight > 0))
            if len(reference) >= MIN_VERTICES and len(doubtful):
                match = color_match(colors[doubtful], reference, tolerance, any_lightness)
                own[doubtful] *= 1 - region[doubtful] * (1 - match)
        # Single hairs on skin are its own; where most is doubtful, what is between is too.
        picture = np.ones((self.size, self.size), np.float32)
        picture.ravel()[self.atlas.texel[self._skin]] = own
        reach = 2 * (self.size // 256) + 1
        spread = cv2.blur(ramp(cv2.blur(picture, (reach, reach)), *MAJORITY), (reach, reach))
        return spread.ravel()[self.atlas.texel[self._skin]]

    def _at_skin(self, values: np.ndarray) -> np.ndarray:
        """(n, C) float32 of vertex values (V, C) at the skin's texels."""
        return self._to_skin @ np.asarray(values, np.float32)

    def _to_vertices(self, values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means at the vertices of values (n, C) of the skin's texels, and how many texels, at
        REFERENCE_SIZE, each stands for.
        """
        total = self._from_skin @ np.column_stack([values * weight[:, None], weight])
        means = total[:, :-1] / np.maximum(total[:, -1:], 1e-9)
        return means.astype(np.float32), total[:, -1].astype(np.float32) * (REFERENCE_SIZE / self.size) ** 2

    def _complete(self, colors: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Colors (n, 3) of the skin's texels, and where they come from, see `texel_kinds`."""
        mirrored, mirror_weight = self._mirrored(colors, weight)
        known = weight + mirror_weight
        mixed = (colors * weight[:, None] + mirrored * mirror_weight[:, None]) / np.maximum(known, 1e-3)[
            :, None
        ]
        means, sums = self._to_vertices(mixed, known)
        regions = self.regions
        # Typical skin is where no beard grows: a gray one would pass for skin, and make the neck gray.
        plain = regions.plain * (1 - regions.beard)
        fields = complete_colors(self.completion, means, np.minimum(sums, 1), regions.scalp, plain)
        skin, hair, smooth = np.split(self._at_skin(np.column_stack([*fields, means])), 3, axis=1)
        completed = skin + (hair - skin) * self._region[0][:, None]
        level = grain_level(mixed, known, smooth, self._region[0], self.settings.grain_fraction)
        completed *= np.exp(level * self._grain_field[self.atlas.texel[self._skin]])[:, None]
        mixed = completed + (mixed - completed) * known[:, None]
        return mixed, texel_kinds(weight, mirror_weight, 1 - known)

    def _mirrored(self, colors: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Colors (n, 3) of the skin's texels from the other side of the head, in this side's tone, and their
        weights (n,), at most what this side lacks.
        """
        means, sums = self._to_vertices(colors, weight)
        ratio = tone_ratio(self.completion, means, np.minimum(sums, 1), self.topology.mirror)
        picture = np.zeros((self.size, self.size, 4), np.float32)
        picture.reshape(-1, 4)[self.atlas.texel[self._skin]] = np.column_stack(
            [colors * weight[:, None], weight]
        )
        other = sample_image(picture, self.atlas.mirror[self._skin])
        mirror_weight = (1 - weight) * ramp(other[:, 3], *MIRROR_RANGE)
        return other[:, :3] / np.maximum(other[:, 3:], 1e-3) * self._at_skin(ratio), mirror_weight

    def _assemble(
        self, skin: np.ndarray, kind: np.ndarray, eyes: EyeColors
    ) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
        """Paint the other parts and put everything into one image."""
        atlas, parts = self.atlas, self._parts
        continued = np.zeros((len(atlas.texel), 3), np.float32)
        made = np.full(len(atlas.texel), PAINTED, np.uint8)
        continued[self._skin], made[self._skin] = skin, kind
        linear = parts.paint(continued[parts.inner], eyes)
        made[parts.inner] = PAINTED
        skin_texels = parts.of_part[SKIN]
        linear[skin_texels] = continued[skin_texels]
        image = atlas.image(np.column_stack([linear_to_bytes(linear), parts.alpha]))
        fractions = kind_fractions(made[skin_texels], self._face_texels)
        return dilate_texels(image, atlas.texel, self.settings.padding), atlas.image(made), fractions
