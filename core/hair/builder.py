"""From the photo and the wrapped head to a groom."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from ..geometry.frames import Camera, HeadPose
from ..geometry.visibility import ramp
from ..image.sampling import sample_image
from ..runtime.timing import Clock
from ..segmentation.segments import Segmentation, SegmentClass
from ..template.regions import Regions, at_ears
from ..template.topology import SKIN, HeadTopology
from ..texture.inpainting import SmoothCompletion
from .cards import CardLook, build_cards
from .coloring import HairColors
from .covered_skin import with_covered_skin
from .facial_hair import FacePhoto, build_facial_hair
from .flow import build_flow, facing, image_orientation
from .further_photos import HairPhoto, further_maps
from .groom import HairGroom, HairShell, HairStrands, outside_of
from .hair_picture import HairPicture
from .hairline import hairline_strokes
from .masks import HairMaps, HairView
from .scalp import Scalp, measure_scalp
from .settings import HairSettings
from .shell_mesh import NEAR_EARS, NEAR_SKIN, ShellMesh, extract_shell, out_of_skin
from .shell_texture import ShellSamples, StrandLook, texture_shell
from .skin import Skin
from .strands import CURL_SHAPES, GrowingHair, Guides, curled, grow
from .style import bare_fraction, describe, lying_thickness, tangle
from .volume import HairVolume, build_volume
from .volume_network import INPUT_CELL, HairNetwork, HairPrediction, predict

#: Less hair than this in the photo, square centimeters, is none.
LEAST_HAIR_CM2 = 12.0
#: Hair of which less than this fraction is seen beside the head, with a weaker line to the skin than this, is
#: a shaven scalp in shade: on 40 portraits, 0.02 and 0.43 at most, against 0.27 and more of cropped hair; a
#: head cropped to millimeters has 0.06 and 0.55.
LEAST_OVERHANG = 0.1
LEAST_STEP = 0.5
#: Less hair than this, square centimeters, with a weaker line than this, has the skin's own color: the light
#: on a shaven scalp, wherever it is.
SKIN_COLORED_CM2 = 60.0
SKIN_COLORED_STEP = 0.15
#: Less headwear than this is hair, and less of it than of hair if it has the hair's hue: mean difference of
#: logarithms of linear light, less their mean.
LEAST_COVER_CM2 = 40.0
SAME_HUE = 0.3
#: How far hair shows no lines, 0..1, from which on its cards are curls.
TANGLED = 0.5
#: Cosines between which a surface begins to show its lines.
FACING = (0.15, 0.4)


@dataclass(frozen=True)
class HairShape:
    """The shape of hair or headwear.

    Attributes:
        volume: What it fills.
        mesh: The volume's surface.
        prediction: What the hair network says of it; None without.
    """

    volume: HairVolume
    mesh: ShellMesh
    prediction: HairPrediction | None


def build_shape(
    maps: HairMaps,
    skin: Skin,
    scalp: Scalp,
    settings: HairSettings,
    network: HairNetwork | None = None,
    further: Sequence[HairMaps] = (),
    soft: bool = True,
) -> HairShape | None:
    """Build the volume of what a photo shows, and its surface.

    Args:
        maps: What the photo shows.
        skin: Of the head.
        scalp: The hair on it.
        settings: Sizes.
        network: What corrects the volume; by default nothing does.
        further: What other photos of the person show.
        soft: Whether it rises from nothing at its rim, as hair does and headwear does not.

    Returns:
        The shape; None if the volume is empty.
    """
    prediction = None
    if network is not None:
        coarse = build_volume(maps, skin, scalp, replace(settings, cell_m=INPUT_CELL), rising=False)
        prediction = predict(network, maps, coarse, *image_orientation(maps))
    volume = build_volume(maps, skin, scalp, settings, prediction, further, rising=soft)
    volume = with_covered_skin(volume, maps, skin, headwear=not soft)
    mesh = extract_shell(volume, skin, settings.shell_triangles, maps, soft)
    return None if mesh is None else HairShape(volume, mesh, prediction)


@dataclass(frozen=True)
class FacialHairRequest:
    """What is wanted of brows and beard.

    Attributes:
        product: "cards" or "strands".
        vertices: (V, 3) of the head as photographed, head frame, meters.
    """

    product: str
    vertices: np.ndarray


class HairBuilder:
    """Makes the hair of heads of one topology; keeps what does not depend on the photo."""

    def __init__(
        self,
        topology: HeadTopology,
        settings: HairSettings = HairSettings(),  # noqa: B008
        network: HairNetwork | None = None,
    ) -> None:
        """Prepare what depends on the template alone.

        Args:
            topology: Of the heads.
            settings: Sizes.
            network: What corrects the volume of hair; without it the construction stands as it is.
        """
        self.topology = topology
        self.settings = settings
        self.network = network
        self._regions = Regions.of(topology)
        self._face = _face_triangles(topology, self._regions)
        self._completion = SmoothCompletion(topology)

    def build(
        self,
        rgb: np.ndarray,
        segmentation: Segmentation,
        camera: Camera,
        pose: HeadPose,
        vertices: np.ndarray,
        product: str = "cards",
        further: Sequence[HairPhoto] = (),
        facial: FacialHairRequest | None = None,
    ) -> HairGroom | None:
        """Make a head's hair.

        Args:
            rgb: (H, W, 3) uint8 sRGB, the photo.
            segmentation: What its pixels show.
            camera: Of the photo.
            pose: Of the head.
            vertices: (V, 3) of the head, head frame, meters.
            product: What is wanted, one of HAIR_PRODUCTS.
            further: Other photos of the person.
            facial: What is wanted of brows and beard; None for nothing.

        Returns:
            The hair; None if none is wanted, or the photo shows neither hair nor headwear and no brows are
            wanted.
        """
        clock = Clock()
        if product == "none" and facial is None:
            return None
        skin = Skin(vertices, self.topology)
        groom = None
        if product != "none":
            groom = self._groom(
                FacePhoto(rgb, segmentation, camera, pose, vertices), skin, product, further, clock
            )
        if facial is None:
            return groom
        photo = FacePhoto(rgb, segmentation, camera, pose, facial.vertices)
        hair = build_facial_hair(photo, skin, self.topology, self._regions, self.settings)
        clock.lap("facial hair")
        if groom is None:
            groom = HairGroom(None, None, None, None, None, 0.0, product)
        return replace(groom, facial=hair, facial_product=facial.product, timings=clock.seconds)

    def _groom(
        self, photo: FacePhoto, skin: Skin, product: str, further: Sequence[HairPhoto], clock: Clock
    ) -> HairGroom | None:
        """Hair and what covers it."""
        triangles = self.topology.triangles  # with the eyes, which hide what is behind them, too

        view = HairView.of(
            photo.rgb, photo.segmentation, photo.camera, photo.pose, skin.vertices, triangles, self._face
        )
        hair, headwear = view.maps(SegmentClass.HAIR), view.maps(SegmentClass.HEADWEAR)
        covered = _is_cover(hair, headwear)
        if not covered and headwear.mask.any():
            hair = view.maps(SegmentClass.HAIR, SegmentClass.HEADWEAR)
        clock.lap("maps")
        cover = None
        if covered:
            # A scarf beside more hair than it covers goes no further than it is seen.
            cover = self._cover(headwear, skin, beside=headwear.hair_cm2 < hair.hair_cm2)
            clock.lap("cover")
        groom = None
        if hair.hair_cm2 >= LEAST_HAIR_CM2 and not _is_shaven(hair):
            others = [] if covered else further_maps(hair, further, skin, triangles)
            hidden = covered and headwear.hair_cm2 > hair.hair_cm2
            scalp = measure_scalp(hair, skin, self._regions, self._completion, hidden, others)
            # The network knows nothing of hair under headwear, and has seen single photos only.
            network = None if covered or others else self.network
            with ThreadPoolExecutor(1) as beside:
                coloring = beside.submit(lambda: [HairPicture.of(photo) for photo in (hair, *others)])
                shape = build_shape(hair, skin, scalp, self.settings, network, others)
                if shape is not None:
                    groom = self._hair(shape, coloring.result(), skin, scalp, beside, clock)
            if covered and groom is not None and groom.style is not None:
                groom = replace(groom, style=replace(groom.style, hairline="hidden"))
        if groom is None and cover is None:
            return None
        groom = groom or HairGroom(None, None, None, None, None, 0.0)
        visible = _visible_fraction([part for part in (groom.shell, cover) if part is not None])
        return replace(groom, cover=cover, seen_fraction=visible, product=product, timings=clock.seconds)

    def _cover(self, headwear: HairMaps, skin: Skin, beside: bool) -> HairShell | None:
        """What covers the head; `beside` more hair than it covers, or over all of it."""
        scalp = measure_scalp(headwear, skin, self._regions, self._completion, beside)
        shape = build_shape(headwear, skin, scalp, self.settings, soft=False)
        if shape is None:
            return None
        picture = HairPicture.of(headwear, pigmented=False)
        colors = HairColors.of(picture, shape.mesh)
        samples = ShellSamples.of(shape.mesh, colors, self.settings.texture_size)
        return texture_shell(samples, picture, None, self.settings.seed)

    def _hair(
        self,
        shape: HairShape,
        pictures: Sequence[HairPicture],
        skin: Skin,
        scalp: Scalp,
        beside: ThreadPoolExecutor,
        clock: Clock,
    ) -> HairGroom:
        """Shell, cards, strands and style of hair of a shape; colors are found by the thread `beside`."""
        volume, mesh, settings = shape.volume, shape.mesh, self.settings
        if mesh.rim is not None:
            mesh = replace(mesh, rim=mesh.rim.with_roots(skin, scalp))
        picture, *others = pictures
        hair = picture.maps
        flow = build_flow(
            hair,
            volume,
            mesh.vertices,
            mesh.normals,
            _visible(hair, mesh),
            shape.prediction,
            [(other.maps, _visible(other.maps, mesh)) for other in others],
        )
        outside = mesh.vertices[~mesh.inner]
        height, _ = skin.distance(outside)
        lying = lying_thickness(outside, height)
        growing = GrowingHair(volume, flow, skin, scalp, lying)
        clock.lap("shell")
        coloring = beside.submit(HairColors.of, picture, mesh, others)
        sampling = beside.submit(lambda: ShellSamples.of(mesh, coloring.result(), settings.texture_size))
        guides = grow(growing, settings.strands, settings.strand_points, settings.seed)
        bare = bare_fraction(scalp, skin, self._regions)
        style = describe(guides, flow, picture.typical, outside, height, bare)
        clock.lap("guides")
        curls = tangle(flow, style)
        strand_look = StrandLook(curls, style.length_m if lying else np.inf)
        texturing = beside.submit(
            lambda: texture_shell(sampling.result(), picture, flow, settings.seed, skin, strand_look)
        )
        if style.curl in CURL_SHAPES:
            guides = curled(guides, CURL_SHAPES[style.curl], settings.seed)
        colors = coloring.result()
        strands = _strands(guides, volume, skin, colors) if len(guides.length) else None
        look = CardLook(colors, mesh, style.curl == "curly" or curls > TANGLED)
        cards = build_cards(growing, look, settings)
        clock.lap("cards")
        shell = texturing.result()
        clock.lap("texture")
        hairline = None
        if mesh.rim is not None:
            hairline = hairline_strokes(shell, mesh.rim, skin, flow, colors, style.length_m, settings.seed)
        clock.lap("hairline")
        return HairGroom(shell, cards, strands, style, None, 0.0, hairline=hairline)


def _face_triangles(topology: HeadTopology, regions: Regions) -> np.ndarray:
    """(T,) bool: triangles of the face, eyes and mouth, before which no hair is made up."""
    face = np.maximum(regions.plain, regions.features)
    skin = np.zeros(len(face), bool)
    skin[topology.vertices_of(SKIN)] = True
    return np.asarray(np.where(skin, face, 1)[topology.triangles].min(1) > 0.5)


def _is_cover(hair: HairMaps, headwear: HairMaps) -> bool:
    """Whether headwear is some: more of it than of hair, or of another hue."""
    if headwear.hair_cm2 < LEAST_COVER_CM2:
        return False
    if headwear.hair_cm2 > hair.hair_cm2 or not hair.mask.any():
        return True
    # Gray strands are much lighter than the black ones beside them, but of the same hue.
    difference = headwear.typical_light - hair.typical_light
    return float(np.abs(difference - difference.mean()).mean()) > SAME_HUE


def _is_shaven(maps: HairMaps) -> bool:
    """Whether what is taken for hair is the shade of a shaven scalp: no line, and nothing beside the head."""
    step = maps.hairline_step()
    skin_colored = maps.hair_cm2 < SKIN_COLORED_CM2 and step < SKIN_COLORED_STEP
    return skin_colored or (maps.overhang < LEAST_OVERHANG and step < LEAST_STEP)


def _visible_fraction(shells: list[HairShell]) -> float:
    """Of the outside of shells, by area, what the photo shows."""
    visible = total = 0.0
    for shell in shells:
        outer, area = outside_of(shell.vertices, shell.triangles, shell.inner)
        visible += float((area * shell.visibility[outer].mean(1)).sum())
        total += float(area.sum())
    return visible / max(total, 1e-9)


def _visible(maps: HairMaps, mesh: ShellMesh) -> np.ndarray:
    """(N,) 0..1: how far the lines of the photo are those of each vertex."""
    pixels, _ = maps.pixels_of(mesh.vertices)
    inside = sample_image(maps.outline, pixels) > 0
    facing_camera = ramp(facing(maps, mesh.vertices, mesh.normals), *FACING)
    return np.asarray(inside * facing_camera * ~mesh.inner)


def _strands(guides: Guides, volume: HairVolume, skin: Skin, colors: HairColors) -> HairStrands:
    points = guides.points.reshape(-1, 3).astype(np.float64)
    reach = np.where(at_ears(points), NEAR_EARS, NEAR_SKIN)
    near = np.flatnonzero(volume.grid.sample(volume.skin, points) < reach)
    points[near] = out_of_skin(points[near], skin, 0.0)
    points = points.reshape(guides.points.shape)
    points[:, 0] = guides.points[:, 0]
    ends = []
    for end in (0, -1):
        # Toward the camera, so that only what hides a strand makes its color a completed one.
        toward = colors.maps.pose.camera_to_head(np.zeros(3)) - points[:, end]
        toward /= np.linalg.norm(toward, axis=1, keepdims=True)
        ends.append(colors.at(points[:, end], colors.visibility(points[:, end], toward)))
    return HairStrands(
        points=points.astype(np.float32),
        root_vertices=guides.root_vertices,
        root_barycentric=guides.root_barycentric,
        root_uv=guides.root_uv,
        colors=np.clip(np.round(np.stack(ends, 1)), 0, 255).astype(np.uint8),
    )
