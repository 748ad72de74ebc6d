import cv2
import numpy as np
import pytest

from core.geometry.frames import HeadPose
from core.geometry.mesh import shading_normals
from core.geometry.spherical_harmonics import sh_basis
from core.image.color import LUMINANCE
from core.image.sampling import sample_image
from core.template.regions import Regions
from core.template.topology import EYE_LEFT, LASHES, SKIN
from core.texture.atlas import Atlas, texel_coordinates
from core.texture.delighting import relative_shading
from core.texture.eyes import EyeballPainter, eye_colors
from core.texture.inpainting import SmoothCompletion, color_match
from core.texture.painter import COMPLETED, EMPTY, MIRRORED, OBSERVED, PAINTED, AlbedoPainter
from core.texture.photo_albedo import PhotoAlbedo
from core.texture.settings import PaintOptions, TextureSettings
from tests.core.head_samples import sample_of
from tests.core.scenes import head_pose, rotation


@pytest.fixture(scope="module")
def painter(topology):
    return AlbedoPainter(topology, 1024)


@pytest.fixture(scope="module")
def astronauts(astronaut, detector, topology):
    return sample_of(astronaut, detector.detect(astronaut, max_faces=1)[0], topology)


@pytest.fixture(scope="module")
def painted(painter, astronauts):
    one = astronauts
    return painter.paint(one.rgb, one.lifted.frame, one.lifted.pose, one.head, one.face.points)


def at_vertices(topology, picture, vertices):
    """Values of a texture picture at one of each vertex' places."""
    corner = np.zeros(len(topology.vertices), np.int64)
    corner[topology.quads] = topology.quad_uv
    places = texel_coordinates(topology.uv[corner[vertices]], picture.shape[0])
    return sample_image(picture.astype(np.float32), places.astype(np.float32))


def turned(sample_, yaw):
    """The pose of the sample's head, turned."""
    center = sample_.lifted.pose.head_to_camera(np.array([0.0, 0.065, -0.01]))
    pose: HeadPose = head_pose(rotation(yaw), center)
    return pose


def test_every_texel_is_accounted_for(painted):
    kinds = set(np.unique(painted.mask))
    assert kinds == {EMPTY, PAINTED, COMPLETED, MIRRORED, OBSERVED}
    for prefix in ("", "face_"):
        total = sum(painted.fractions[prefix + name] for name in ("observed", "mirrored", "filled"))
        assert total == pytest.approx(1)
    assert painted.fractions["face_observed"] > 0.35


def test_seen_skin_has_the_photos_colors(painter, topology, astronauts):
    one = astronauts
    flat = painter.paint(
        one.rgb,
        one.lifted.frame,
        one.lifted.pose,
        one.head,
        one.face.points,
        options=PaintOptions(delight=False),
    )
    seen = at_vertices(topology, flat.mask, np.arange(len(topology.vertices))) == OBSERVED
    cheeks = np.flatnonzero(seen & (painter.regions.plain > 0.99))
    assert len(cheeks) > 150
    places = one.lifted.frame.camera.project(
        one.lifted.pose.head_to_camera(one.head.vertices[cheeks].astype(float))
    )
    photo = sample_image(cv2.blur(one.rgb, (3, 3)).astype(np.float32), places.astype(np.float32))
    texture = at_vertices(topology, cv2.blur(flat.image[..., :3], (3, 3)), cheeks)
    assert np.median(np.abs(photo - texture)) < 4


def test_what_one_side_hides_is_mirrored(painter, astronauts):
    one = astronauts
    fractions = {}
    for yaw in (0, 30, 60):
        pose = turned(one, yaw)
        fractions[yaw] = painter.paint(one.rgb, one.lifted.frame, pose, one.head, one.face.points).fractions
    mirrored = [fractions[yaw]["face_mirrored"] for yaw in (0, 30, 60)]
    assert mirrored[0] < mirrored[1] < mirrored[2]


def test_mirrored_places_are_mirrored(topology):
    atlas = Atlas.of(topology, 512)
    place = atlas.interpolate(topology.vertices, np.arange(len(atlas.texel)))
    picture = atlas.image(place)
    skin = np.flatnonzero(atlas.part == topology.part_names.index(SKIN))
    opposite = sample_image(picture, atlas.mirror[skin], cv2.INTER_NEAREST)
    error = np.linalg.norm(opposite * [-1, 1, 1] - place[skin], axis=1)
    assert np.quantile(error, 0.95) < 0.002


def test_no_seams_where_the_texture_was_cut(topology, painted):
    """Guessed colors agree on both sides of the cuts at the head's back and the neck."""
    corners = {}
    # Not where skin meets the inside of the mouth, which has other colors.
    faces = topology.faces_of(SKIN)
    for vertex, corner in zip(topology.quads[faces].ravel(), topology.quad_uv[faces].ravel(), strict=True):
        corners.setdefault(int(vertex), set()).add(int(corner))
    cut = [sorted(c)[:2] for c in corners.values() if len(c) > 1]
    assert len(cut) > 15
    smooth = cv2.GaussianBlur(painted.image[..., :3], (0, 0), 2).astype(np.float32)
    one, two = (
        sample_image(smooth, texel_coordinates(topology.uv[[c[k] for c in cut]], 1024).astype(np.float32))
        for k in (0, 1)
    )
    assert np.median(np.abs(one - two)) < 6


def test_colors_go_on_beyond_the_islands_edges(painted):
    padding = TextureSettings().padding
    covered = (painted.mask > 0).astype(np.uint8)
    away = cv2.distanceTransform(1 - covered, cv2.DIST_L2, 5)
    near = (away > 0) & (away <= padding - 1)
    assert (painted.image[near, :3].sum(1) > 0).mean() > 0.999
    assert not painted.image[away > padding + 1].any()


def test_painting_is_repeatable(painter, painted, astronauts):
    one = astronauts
    again = painter.paint(one.rgb, one.lifted.frame, one.lifted.pose, one.head, one.face.points)
    assert np.array_equal(again.image, painted.image) and np.array_equal(again.mask, painted.mask)


def test_smooth_light_is_taken_out(topology):
    regions = Regions.of(topology)
    normals = shading_normals(topology.vertices, topology.triangles)
    light = sh_basis(normals) @ np.array([1.0, 0.1, 0.2, 0.45, 0.02, 0.0, 0.03, 0.05, 0.0])
    light = np.clip(light / np.median(light), 0.2, None)
    skin = np.array([0.4, 0.25, 0.18])
    lit = skin * light[:, None]
    dark = regions.plain * (np.abs(topology.vertices[:, 0]) < 0.004) > 0.5
    lit[dark] *= 0.2  # a mustache of sorts must not count as shade
    flat = lit / relative_shading(normals, lit, regions.plain)[:, None]
    plain = (regions.plain > 0.5) & ~dark
    before, after = (np.log(colors[plain] @ LUMINANCE).std() for colors in (lit, flat))
    assert after < 0.5 * before


def test_too_little_skin_leaves_the_light_in(topology):
    normals = shading_normals(topology.vertices, topology.triangles)
    assert (relative_shading(normals, np.ones_like(normals), np.zeros(len(normals))) == 1).all()


def test_completion_is_exact_where_known_and_between_elsewhere(topology):
    completion = SmoothCompletion(topology)
    known = np.zeros(len(topology.vertices))
    skin = topology.vertices_of(SKIN)
    known[skin[::3]] = 1
    values = topology.vertices[:, [2]].astype(np.float32) * known[:, None].astype(np.float32)
    smooth = completion.smooth(values, known, stiffness=1e-4)[:, 0]
    assert np.abs(smooth - topology.vertices[:, 2])[skin].mean() < 0.004


@pytest.mark.parametrize(
    ("color", "least", "most"),
    [
        ((0.40, 0.25, 0.18), 1, 1),  # the same
        ((0.31, 0.195, 0.14), 0.9, 1),  # in the shade
        ((0.05, 0.10, 0.40), 0, 0),  # a blue shirt
        ((0.01, 0.01, 0.01), 0, 0),  # black hair
    ],
)
def test_what_is_skin(color, least, most):
    rng = np.random.default_rng(0)
    skin = np.array([0.4, 0.25, 0.18]) * np.exp(rng.normal(0, 0.1, (100, 1)))
    assert least <= color_match(np.array([color]), skin)[0] <= most


def test_eyes_have_the_photos_color(astronauts):
    found = eye_colors(astronauts.rgb, astronauts.face.points)
    assert found.from_photo
    red, green, blue = found.iris
    assert red > green > blue  # hers are brown
    assert found.white @ LUMINANCE > 3 * (found.iris @ LUMINANCE)


def test_eyes_that_the_photo_does_not_show_are_brown(astronauts):
    points = astronauts.face.points.copy()
    points[:, :2] += 5000
    found = eye_colors(astronauts.rgb, points)
    assert not found.from_photo and (found.iris > 0).all()


def test_an_iris_is_round_and_around_the_front(astronauts):
    colors = eye_colors(astronauts.rgb, astronauts.face.points)
    angle = np.linspace(0, 2 * np.pi, 100)
    light = {}
    for r in (0.02, 0.25, 0.5):  # radians: pupil, iris, white
        ring = [np.sin(r) * np.cos(angle), np.full(100, -np.cos(r)), np.sin(r) * np.sin(angle)]
        light[r] = (EyeballPainter(np.stack(ring, 1), 0.0165).paint(colors) @ LUMINANCE).mean()
    assert light[0.02] < light[0.25] < light[0.5]


def test_only_lashes_have_holes(topology, painted):
    atlas = Atlas.of(topology, 1024)
    alpha = painted.image[..., 3].ravel()[atlas.texel]
    lashes = atlas.part == topology.part_names.index(LASHES)
    assert (alpha[~lashes] == 255).all()
    assert 0.15 < alpha[lashes].mean() / 255 < 0.8
    eye = atlas.part == topology.part_names.index(EYE_LEFT)
    assert painted.mask.ravel()[atlas.texel][eye].max() == PAINTED


def test_settings_change_what_they_name(topology, astronauts):
    one = astronauts
    normals = shading_normals(topology.vertices, topology.triangles)
    colors = 0.3 + 0.2 * normals[:, :1].repeat(3, 1)
    plain = Regions.of(topology).plain
    assert (relative_shading(normals, colors, plain, TextureSettings(delight_strength=0.0)) == 1).all()
    settings = TextureSettings(min_shading=0.9, max_shading=1.1, delight_strength=1.0)
    shading = relative_shading(normals, colors, plain, settings)
    np.testing.assert_allclose([shading.min(), shading.max()], [0.9, 1.1], rtol=1e-6)
    bare = AlbedoPainter(topology, 1024, TextureSettings(padding=0))
    image = bare.paint(one.rgb, one.lifted.frame, one.lifted.pose, one.head, one.face.points)
    assert not image.image[image.mask == 0].any()


def test_unusual_sizes_are_refused(topology):
    with pytest.raises(ValueError, match="1024, 2048, 4096"):
        AlbedoPainter(topology, 1000)


@pytest.mark.filterwarnings("error")
def test_a_head_that_the_photo_does_not_show_has_usual_skin(painter, astronauts):
    one = astronauts
    aside = HeadPose(one.lifted.pose.rotation, one.lifted.pose.translation + np.array([5.0, 0, 0]))
    unseen = painter.paint(one.rgb, one.lifted.frame, aside, one.head, one.face.points)
    assert unseen.fractions["filled"] == 1
    red, green, blue = np.median(unseen.image[unseen.mask == COMPLETED][:, :3], axis=0)
    assert 220 > red > green > blue > 60


def test_a_gray_beard_under_a_hat_does_not_make_the_neck_gray(topology):
    painter = PhotoAlbedo(topology, 1024, TextureSettings())
    regions, height = painter.regions, topology.vertices[:, 2]
    skin, gray = np.array([0.42, 0.22, 0.14]), np.array([0.26, 0.22, 0.2])
    face = np.maximum(regions.plain, regions.beard) * (height < -0.01)
    colors = skin + (gray - skin) * 0.8 * regions.beard[:, None]
    completed, kind = painter._complete(
        painter._at_skin(colors), np.clip(painter._at_skin(face[:, None])[:, 0], 0, 1)
    )
    neck = painter._at_skin((regions.neck * (height < -0.13))[:, None])[:, 0] > 0.9
    assert (kind[neck] == COMPLETED).all()
    red, _, blue = np.median(completed[neck], axis=0)
    assert red / blue > 0.95 * skin[0] / skin[2]
