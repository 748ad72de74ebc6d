"""The texture with a segmentation: only skin is observed, all else is completed by the albedo model."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from core.image.color import LUMINANCE, linear_of_bytes_float32, linear_to_bytes
from core.image.sampling import sample_image
from core.segmentation.segmenter import Segmenter
from core.segmentation.segments import SEGMENT_SIZE, Segmentation, SegmentClass, segment_frame
from core.template.regions import Regions
from core.template.topology import MAKEHUMAN_UV, SKIN
from core.texture import blocks, skin_compositor
from core.texture.albedo_model import AlbedoModel
from core.texture.atlas import Atlas, texel_coordinates
from core.texture.delighting import without_sheen
from core.texture.detail import TILE, DetailLayer
from core.texture.painter import COMPLETED, EMPTY, MIRRORED, OBSERVED, PAINTED, AlbedoPainter
from core.texture.settings import PaintOptions, TextureSettings
from core.texture.skin_compositor import Box
from core.texture.skin_mask import skin_weights
from core.texture.skin_painter import SkinPainter, beside_hair
from core.texture.skin_sampler import SkinSampler, SkinView
from core.texture.skin_tone import LUMINANCE_RANGE, tone_correction
from core.texture.skin_views import ShownSkin
from core.texture.surface_maps import SurfaceMapper
from core.texture.tone_correction import ToneCorrection
from tests.core.head_samples import MODELS, oil_painting, sample_of, with_hat


@pytest.fixture(scope="module")
def model():
    return AlbedoModel.load(MODELS)


@pytest.fixture(scope="module")
def painter(topology, model):
    return AlbedoPainter(topology, 1024, model=model)


@pytest.fixture(scope="module")
def sample(astronaut, detector, topology):
    return sample_of(astronaut, detector.detect(astronaut, max_faces=1)[0], topology)


@pytest.fixture(scope="module")
def segmentation(sample):
    """Skin inside the detected face's outline, hair around it."""
    frame = segment_frame(sample.lifted.frame.camera, sample.lifted.pose)
    outline = cv2.convexHull(frame.photo_to_crop(sample.face.points[:, :2]).astype(np.float32))
    face = np.zeros((SEGMENT_SIZE, SEGMENT_SIZE), np.uint8)
    cv2.fillConvexPoly(face, outline.astype(np.int32), (1,))
    probabilities = np.zeros((len(SegmentClass), SEGMENT_SIZE, SEGMENT_SIZE), np.float32)
    probabilities[SegmentClass.SKIN] = face
    probabilities[SegmentClass.HAIR] = 1 - face
    return Segmentation(probabilities, frame)


def paint(painter, sample, segmentation, rgb=None, **options):
    one = sample
    photo = one.rgb if rgb is None else rgb
    return painter.paint(
        photo,
        one.lifted.frame,
        one.lifted.pose,
        one.head,
        one.face.points,
        segmentation=segmentation,
        **options,
    )


@pytest.fixture(scope="module")
def painted(painter, sample, segmentation):
    return paint(painter, sample, segmentation)


def skin_colors(topology, albedo, vertices):
    """(n, 3) linear colors of a texture at one of each vertex' places on the skin."""
    corner = np.zeros(len(topology.vertices), np.int64)
    faces = topology.faces_of(SKIN)
    corner[topology.quads[faces]] = topology.quad_uv[faces]
    places = texel_coordinates(topology.uv[corner[vertices]], albedo.image.shape[0])
    linear = linear_of_bytes_float32()[cv2.blur(albedo.image[..., :3], (5, 5))]
    return sample_image(linear, places.astype(np.float32))


def tone(topology, albedo):
    """(3,) the linear color of the plain skin of the face."""
    return np.median(skin_colors(topology, albedo, np.flatnonzero(Regions.of(topology).plain > 0.9)), 0)


def test_the_scalp_is_skin(topology, painted):
    regions = Regions.of(topology)
    scalp = skin_colors(topology, painted, np.flatnonzero(regions.scalp > 0.9))
    difference = np.abs(np.log(scalp / tone(topology, painted)))
    assert np.median(difference) < 0.25 and np.quantile(difference, 0.99) < 0.7
    corner = texel_coordinates(topology.uv[topology.quad_uv[topology.faces_of(SKIN)]].mean(1), 1024)
    high = regions.scalp[topology.quads[topology.faces_of(SKIN)]].min(1) > 0.9
    kinds = painted.mask[tuple(np.round(corner[high]).astype(int).T[::-1])]
    assert set(np.unique(kinds)) <= {COMPLETED, MIRRORED}


def test_every_texel_is_accounted_for(painted):
    assert set(np.unique(painted.mask)) <= {EMPTY, PAINTED, COMPLETED, MIRRORED, OBSERVED}
    assert painted.fractions["face_observed"] > 0.35
    for prefix in ("", "face_"):
        total = sum(painted.fractions[prefix + name] for name in ("observed", "mirrored", "filled"))
        assert total == pytest.approx(1)
    covered = (painted.mask > 0).astype(np.uint8)
    away = cv2.distanceTransform(1 - covered, cv2.DIST_L2, 5)
    assert not painted.image[away > 18].any()
    assert (painted.image[(away > 0) & (away < 15), :3].sum(1) > 0).mean() > 0.99


def test_what_covers_the_skin_does_not_get_into_it(painter, topology, sample, segmentation, painted):
    """A green thing before a cheek, segmented as such."""
    cheek = sample.face.points[50, :2]
    rgb = cv2.circle(sample.rgb.copy(), tuple(np.round(cheek).astype(int).tolist()), 14, (0, 200, 0), -1)
    covered = segmentation.probabilities.copy()
    center = np.round(segmentation.frame.photo_to_crop(cheek[None])[0]).astype(int).tolist()
    scale = float(np.sqrt(abs(np.linalg.det(segmentation.frame.matrix[:, :2]))))
    hand = cv2.circle(np.zeros(covered.shape[1:], np.uint8), tuple(center), round(15 * scale) + 1, (1,), -1)
    covered[:, hand > 0] = 0
    covered[SegmentClass.OCCLUDER, hand > 0] = 1
    result = paint(painter, sample, Segmentation(covered, segmentation.frame), rgb)
    colors = result.image[result.mask >= COMPLETED][:, :3].astype(int)
    assert ((colors[:, 1] > colors[:, 0] + 20).mean()) < 1e-4
    vertices = np.flatnonzero(Regions.of(topology).plain > 0.9)
    ratio = np.log(skin_colors(topology, result, vertices) / skin_colors(topology, painted, vertices))
    assert np.quantile(np.abs(ratio), 0.98) < 0.35
    assert result.fractions["face_observed"] < painted.fractions["face_observed"]


def test_painting_is_repeatable(painter, painted, sample, segmentation):
    again = paint(painter, sample, segmentation)
    assert np.array_equal(again.image, painted.image) and np.array_equal(again.mask, painted.mask)


def test_no_seams_where_the_texture_was_cut(topology, painted):
    corners = {}
    faces = topology.faces_of(SKIN)
    for vertex, corner in zip(topology.quads[faces].ravel(), topology.quad_uv[faces].ravel(), strict=True):
        corners.setdefault(int(vertex), set()).add(int(corner))
    cut = [sorted(c) for c in corners.values() if len(c) > 1]
    assert len(cut) > 15
    smooth = cv2.GaussianBlur(painted.image[..., :3], (0, 0), 3).astype(np.float32)
    one, two = (
        sample_image(smooth, texel_coordinates(topology.uv[[c[k] for c in cut]], 1024).astype(np.float32))
        for k in (0, 1)
    )
    assert np.abs(one - two).max() < 12


def test_without_a_segmentation_colors_alone_decide(painter, sample):
    one = sample
    plain = painter.paint(one.rgb, one.lifted.frame, one.lifted.pose, one.head, one.face.points)
    same = AlbedoPainter(painter.topology, 1024).paint(
        one.rgb, one.lifted.frame, one.lifted.pose, one.head, one.face.points
    )
    assert np.array_equal(plain.image, same.image)


def test_makehumans_map_can_be_painted_for(topology, model, sample, segmentation, painted):
    other = topology.painted_for(MAKEHUMAN_UV)
    result = paint(AlbedoPainter(other, 1024, model=model), sample, segmentation)
    vertices = np.flatnonzero(Regions.of(topology).plain > 0.9)
    ratio = np.log(skin_colors(other, result, vertices) / skin_colors(topology, painted, vertices))
    # Its face is small: what is blurred away there has more of the face in it.
    assert np.median(np.abs(ratio)) < 0.06


def test_the_model_finds_a_person_it_can_describe(model):
    rng = np.random.default_rng(0)
    coefficients = rng.normal(size=len(model.components)).astype(np.float32)
    own = np.log([0.3, 0.15, 0.1])
    logs = model.mean + own + np.tensordot(coefficients, model.components, 1)
    weight = np.zeros(len(logs), np.float32)
    weight[::2] = 1
    logs[:40:2] = 0.0  # no skin
    fit = model.fit(logs, weight)
    assert np.abs(fit.tone - own).max() < 0.1
    assert np.sqrt((fit.logs - logs)[41:] ** 2).mean() < 0.05


def test_nothing_seen_is_the_mean_person(model):
    fit = model.fit(np.zeros_like(model.mean), np.zeros(len(model.mean)))
    np.testing.assert_allclose(fit.tone, model.tone_mean)
    assert not fit.coefficients.any()


def test_an_old_folder_of_models_has_no_albedo_model(tmp_path):
    assert AlbedoModel.load(tmp_path) is None


@pytest.mark.parametrize("exposure", [0.02, 1.0, 30.0])
@pytest.mark.parametrize("tint", [(1.0, 1.0, 1.0), (0.6, 1.0, 1.8)])
def test_tones_are_brought_into_the_range_of_skin(model, astronaut, exposure, tint):
    own = np.log(np.array([0.35, 0.2, 0.14]) * exposure * np.array(tint))
    color = np.exp(own + tone_correction(model, own, astronaut).of(own))
    assert LUMINANCE_RANGE[0] * 0.99 <= color @ LUMINANCE <= LUMINANCE_RANGE[1] * 1.01
    assert color[0] > color[1] > color[2]


def test_an_underexposed_photo_gives_about_the_same_skin(painter, topology, sample, segmentation, painted):
    dark = linear_to_bytes(0.35 * linear_of_bytes_float32()[sample.rgb])
    untouched = paint(painter, sample, segmentation, dark, options=PaintOptions(delight=False))
    corrected = paint(painter, sample, segmentation, dark)
    right = np.log(tone(topology, painted) @ LUMINANCE)
    off = abs(np.log(tone(topology, untouched) @ LUMINANCE) - right)
    assert abs(np.log(tone(topology, corrected) @ LUMINANCE) - right) < 0.5 * off


def test_the_shine_of_an_orange_shirt_is_light(painter, topology, sample, segmentation, painted):
    chin, mouth = sample.face.points[[152, 17], 1]
    below = np.clip((np.arange(sample.rgb.shape[0]) - mouth) / (chin - mouth), 0, 1)[:, None, None]
    shine = np.array([1.6, 0.8, 0.25]) ** below
    rgb = linear_to_bytes(np.clip(linear_of_bytes_float32()[sample.rgb] * shine, 0, 1))
    result = paint(painter, sample, segmentation, rgb)
    vertices = topology.landmark[[152, 148, 377, 176, 400, 199, 200, 175, 171, 396]]
    shone, plain = (skin_colors(topology, one, vertices) for one in (result, painted))
    redder = np.log(shone[:, 0] / shone[:, 2]) - np.log(plain[:, 0] / plain[:, 2])
    assert redder.mean() < 0.18 * np.log(1.6 / 0.25)


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter.from_pretrained(MODELS)


def segmented(segmenter, sample, rgb):
    return segmenter.segment(rgb, sample.lifted.frame.camera, sample.lifted.pose)


def test_a_hat_is_nowhere_on_the_skin(painter, topology, sample, segmenter):
    rgb = with_hat(sample.rgb, sample.face.points)
    found = segmented(segmenter, sample, rgb)
    forehead = found.probabilities_at(sample.face.points[[10, 109, 338], :2]).argmax(-1)
    assert (forehead == SegmentClass.HEADWEAR).all()
    hatted, bare = (
        paint(painter, sample, segmented(segmenter, sample, photo), photo) for photo in (rgb, sample.rgb)
    )
    assert hatted.fractions["face_observed"] < bare.fractions["face_observed"] - 0.02
    colors = hatted.image[hatted.mask >= COMPLETED][:, :3].astype(int)
    assert ((colors[:, 2] > colors[:, 0]).mean()) < 1e-4, "the hat's blue"
    covered = np.flatnonzero(Regions.of(topology).scalp > 0.9)
    ratio = np.log(skin_colors(topology, hatted, covered) / tone(topology, hatted))
    assert np.quantile(np.abs(ratio), 0.99) < 0.7


def test_an_oil_painting_gives_plausible_skin(painter, topology, sample, segmenter, model):
    rgb = oil_painting(sample.rgb)
    painting = paint(painter, sample, segmented(segmenter, sample, rgb), rgb)
    photo = paint(painter, sample, segmented(segmenter, sample, sample.rgb))
    assert painting.fractions["face_observed"] > 0.7 * photo.fractions["face_observed"]
    logs = np.log(tone(topology, painting))
    assert np.abs(logs - np.log(tone(topology, photo))).max() < 0.35
    off = (logs - model.tone_mean) / np.sqrt(np.diag(model.tone_covariance))
    assert np.abs(off).max() < 2


def test_a_photo_without_colors_gives_skin_with_lips(painter, topology, sample, segmentation, painted):
    gray = np.repeat(cv2.cvtColor(sample.rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    result = paint(painter, sample, segmentation, gray)
    assert np.abs(np.log(tone(topology, result) / tone(topology, painted))).max() < 0.35
    lips = topology.landmark[[17, 84, 314]]
    redness = [
        np.log(colors[:, 0] / colors[:, 1]).mean()
        for colors in (skin_colors(topology, result, lips), tone(topology, result)[None])
    ]
    assert redness[0] > redness[1] + 0.1
    kept = paint(painter, sample, segmentation, gray, options=PaintOptions(delight=False))
    assert np.ptp(kept.image[kept.mask == OBSERVED][:, :3].astype(int), axis=1).mean() < 12


def test_facial_hair_is_kept_unless_it_is_to_go(segmentation):
    size = SEGMENT_SIZE
    probabilities = np.zeros((len(SegmentClass), size, size), np.float32)
    probabilities[SegmentClass.FACIAL_HAIR, :, : size // 2] = 1
    probabilities[SegmentClass.CLOTHES, :, size // 2 :] = 1
    one = Segmentation(probabilities, segmentation.frame)
    inverse = cv2.invertAffineTransform(segmentation.frame.matrix)
    points = np.array([[60.0, 128], [60, 128], [200, 128]]) @ inverse[:, :2].T + inverse[:, 2]
    beard = np.array([1.0, 0.0, 0.0])
    np.testing.assert_allclose(skin_weights(one, points, beard), [1, 1, 0], atol=1e-6)
    np.testing.assert_allclose(skin_weights(one, points, beard, keep_beard=False), [0, 1, 0], atol=1e-6)


DEEP_SKIN = np.array([0.12, 0.06, 0.035])


@pytest.mark.parametrize("light", [0.7, 1.0, 1.6])
def test_sheen_on_deep_skin_goes_and_skin_stays(light):
    skin = np.tile(DEEP_SKIN, (50, 1))
    plain = light * skin
    np.testing.assert_allclose(without_sheen(plain, skin), plain, rtol=1e-5)
    shiny = plain + np.linspace(0.05, 0.3, 50)[:, None]
    matte = without_sheen(shiny, skin)
    # The hue is the skin's again, and nothing is darker than the skin.
    hue = np.log(matte / skin)
    assert np.abs(hue - hue.mean(1, keepdims=True)).max() < 0.1
    assert (matte @ LUMINANCE > 0.99 * (skin @ LUMINANCE)).all()
    assert (matte @ LUMINANCE < 0.8 * (shiny @ LUMINANCE)).all()


def test_redder_darker_and_paler_skin_is_no_sheen():
    skin = np.tile(DEEP_SKIN, (3, 1))
    colors = skin * np.array([[1.4, 1.0, 0.9], [0.5, 0.5, 0.5], [0.8, 0.9, 1.0]])
    np.testing.assert_allclose(without_sheen(colors, skin), colors, rtol=1e-5)


def test_necklaces_are_no_skin_and_white_beards_are_no_highlights(topology, model):
    skin = SkinPainter(topology, 512, TextureSettings(), model)
    regions, sampler = Regions.of(topology), skin.sampler
    logs = np.tile(np.log(DEEP_SKIN), (len(topology.vertices), 1)).astype(np.float32)
    neck, beard, features = sampler.at_texels(
        np.column_stack([regions.neck, regions.beard, regions.features])
    ).T
    colors = np.exp(sampler.at_texels(logs))
    none = np.zeros(len(colors), np.float32)
    view = SkinView(colors, none, np.zeros((len(colors), 2), np.float32), *[none] * 5)
    assert skin.plain_texels(colors, view, logs).min() == 1
    on_neck, on_cheeks = (np.flatnonzero(one)[::97] for one in (neck == 1, (neck + beard + features) == 0))
    for factor in (0.6, 1.5):
        odd = colors.copy()
        odd[on_neck] *= factor
        assert skin.plain_texels(odd, view, logs)[on_neck].max() < 0.05
    odd[on_cheeks] *= 1.1
    assert skin.plain_texels(odd, view, logs)[on_cheeks].min() > 0.95
    white = colors.copy()
    bearded = (beard == 1) & (features == 0) & (np.abs(sampler.at_texels(topology.vertices)[:, 0]) < 0.04)
    white[bearded] = 0.4
    assert skin.plain_texels(white, view, logs)[bearded].max() == 0
    ear = sampler.at_texels(regions.ear[:, None])[:, 0]
    beside_ear = (ear > 0.01) & (ear < 0.1)  # where the photo's ear may be
    assert np.median(skin.plain_texels(0.6 * colors, view, logs)[beside_ear]) < 0.15
    grown = replace(view, facial_hair=np.ones_like(none))
    assert skin.plain_texels(white, grown, logs)[bearded].min() == 1


def test_what_is_dark_or_gray_near_hair_is_its_shade(topology, model):
    skin = SkinPainter(topology, 512, TextureSettings(), model)
    vertices, plain = len(topology.vertices), skin.regions.plain == 1
    near, far = (beside_hair(np.full(vertices, distance, np.float32)) for distance in (0.008, 0.06))
    for change, shade in (((-0.4,) * 3, 1), ((-0.3, 0, 0.3), 1), ((0.4,) * 3, 0), ((0.03, -0.05, 0), 0)):
        difference = np.tile(np.array(change, np.float32), (vertices, 1))
        assert np.median(skin._in_shade(near, difference)[plain]) == pytest.approx(shade, abs=0.01)
        assert skin._in_shade(far, difference)[plain].max() == 0


def test_shade_on_the_neck_is_light_and_freckles_are_not(topology, model):
    skin = SkinPainter(topology, 512, TextureSettings(), model)
    texels, regions = len(skin.sampler.texel), skin.regions
    none = np.zeros(texels, np.float32)
    view = SkinView(np.ones((texels, 3), np.float32), none, np.zeros((texels, 2), np.float32), *[none] * 5)
    shown = ShownSkin(np.zeros((4, 4, 3), np.uint8), view, np.ones((len(topology.vertices), 1)), none)
    tone = np.log(DEEP_SKIN)
    shade = -0.4 * regions.neck[:, None] * np.ones(3)
    freckles = np.random.default_rng(0).choice([-0.2, 0.2], (len(topology.vertices), 1)) * np.ones(3)
    (light,), logs = skin._evened([shown], tone + shade + freckles, tone)
    neck, face = (np.flatnonzero(one > 0.99) for one in (regions.neck, regions.plain))
    assert -0.15 < (logs - tone)[neck].mean() < -0.02
    assert np.abs(np.median((logs - tone - freckles)[face], 0)).max() < 0.02
    assert (logs - tone)[face].std() > 0.85 * 0.2
    # What was photographed is divided by as much as the albedo is lighter.
    assert np.allclose(np.log(light.shading), tone + shade + freckles - logs, atol=1e-5)


def test_patches_of_light_do_not_end_with_what_the_photo_shows(topology, model):
    """What is completed goes on from them: beyond the box of what is shown they were left, with an edge."""
    skin = SkinPainter(topology, 512, TextureSettings(), model)
    texels, vertices = len(skin.sampler.texel), len(topology.vertices)
    none = np.zeros(texels, np.float32)
    view = SkinView(np.ones((texels, 3), np.float32), none, np.zeros((texels, 2), np.float32), *[none] * 5)
    weight = np.zeros(texels, np.float32)
    places = skin.sampler.at_texels(topology.vertices)
    weight[np.linalg.norm(places[:, [0, 2]] - [0.0, 0.03], axis=1) < 0.015] = 1.0
    box = skin.compositor._box(weight, 2)
    shown = ShownSkin(np.full((4, 4, 3), 120, np.uint8), view, np.ones((vertices, 1)), weight)
    logs = np.tile(np.log(DEEP_SKIN), (vertices, 1)).astype(np.float32)
    logs[topology.vertices[:, 2] > 0.0] -= 0.6  # the shade of a hat, which the albedo model goes on with
    with_light, evened = (
        skin.compositor.compose([shown.source()], logs, ToneCorrection.none(), delight).image
        for delight in (False, True)
    )
    table = linear_of_bytes_float32()
    light = np.log((table[with_light] @ LUMINANCE) / (table[evened] @ LUMINANCE))
    top = box.rows.start
    inside, outside = (np.median(light[row, box.columns]) for row in (top, top - 1))
    assert inside < -0.2
    assert outside == pytest.approx(inside, abs=0.03)


def test_doubtful_skin_is_completed_however_much_of_it_is_seen(topology, model):
    skin = SkinPainter(topology, 512, TextureSettings(), model)
    fit = skin.model.fit(np.zeros((len(topology.vertices), 3)), np.zeros(len(topology.vertices)))
    doubtful = skin.sampler.at_texels(topology.vertices)[:, 0] > 0
    colors = np.exp(skin.sampler.at_texels(fit.logs)) * np.where(doubtful, 0.5, 1.0)[:, None]
    cheek = (skin.regions.plain == 1) & (topology.vertices[:, 0] > 0.02)
    dark = {}
    for trust in (1.0, 0.05):
        weight = np.where(doubtful, trust, 1.0).astype(np.float32)
        dark[trust] = float((skin._completed(colors, weight, fit) - fit.logs)[cheek].mean())
    assert dark[1.0] < 0.9 * np.log(0.5) < 0.5 * np.log(0.5) < dark[0.05]


def test_detail_is_as_strong_as_the_persons_own():
    size = 1024
    lightness = 0.02 * np.random.default_rng(1).standard_normal((size, size)).astype(np.float32)
    everywhere = np.ones((size, size), np.float32)
    layer = DetailLayer(size)
    tile = layer.synthesize(np.repeat(lightness[..., None], 3, 2), everywhere, everywhere)
    detail = layer.repeated(tile)
    for sigma in (0.4, 0.8):
        own, made = (one - cv2.GaussianBlur(one, (0, 0), sigma) for one in (lightness, detail))
        assert 0.5 < made.std() / own.std() < 2
    # It goes on where it is repeated.
    jump = np.abs(np.diff(detail, axis=1))
    assert jump[:, TILE - 1].mean() < 1.3 * jump.mean()


@pytest.fixture(scope="module")
def mapper(topology):
    names = [name for name in topology.part_names if name != SKIN]
    return SurfaceMapper(topology, 1024, Atlas.of(topology, 1024, names), SkinSampler(topology, 512))


def test_skin_does_not_depend_on_the_blocks_that_it_is_put_together_in(
    painter, sample, segmentation, painted, monkeypatch
):
    monkeypatch.setattr(blocks, "BLOCK_ROWS", painter.size)  # one
    other = paint(painter, sample, segmentation)
    np.testing.assert_array_equal(painted.image, other.image)
    np.testing.assert_array_equal(painted.mask, other.mask)


def test_photos_without_more_pixels_are_put_together_at_half_the_resolution(
    painter, sample, segmentation, monkeypatch
):
    smooth = cv2.GaussianBlur(sample.rgb, (0, 0), 6.0)
    pictures = []
    for spacing in (0.0, 100.0):
        monkeypatch.setattr(skin_compositor, "HALF_SPACING", spacing)
        pictures.append(paint(painter, sample, segmentation, smooth, options=PaintOptions(maps=True)))
    full, half = pictures
    difference = np.abs(full.image.astype(int) - half.image)
    assert difference.mean() < 0.1
    assert np.quantile(difference, 0.999) <= 4
    assert np.mean(full.mask != half.mask) < 0.01
    assert np.abs(full.maps.normal.astype(int) - half.maps.normal).mean() < 0.3


def test_maps_do_not_depend_on_the_blocks_that_they_are_made_in(mapper, monkeypatch):
    detail = np.random.default_rng(0).normal(0, 0.05, (1024, 1024)).astype(np.float32)
    parts = mapper.maps(detail)
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 1024)
    whole = mapper.maps(detail)
    for name in ("normal", "roughness", "occlusion", "thickness"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    assert not parts.thickness.flags.writeable  # the next head has it, too


def test_a_part_of_the_skin_is_enlarged_as_all_of_it(topology, model):
    skin = SkinPainter(topology, 512, TextureSettings(), model).compositor
    values = skin.sampler.at_texels(topology.vertices)
    half = np.stack([skin._coarse(values[:, k]) for k in range(3)], -1)
    full = cv2.resize(half, (512, 512), interpolation=cv2.INTER_LINEAR)
    for part in (
        (slice(0, 128), slice(64, 300)),
        (slice(130, 512), slice(100, 512)),
        (slice(128, 256), slice(0, 512)),
    ):
        np.testing.assert_allclose(skin._in_box(values, Box(*part, 2)), full[part], atol=1e-8)
    part = slice(30, 256), slice(20, 120)
    np.testing.assert_array_equal(skin._in_box(values, Box(*part, 1)), half[part])


@pytest.mark.parametrize("scale", [1, 2])
def test_the_part_that_a_photo_shows_is_named_in_numbers_of_python_s_own(topology, model, scale):
    """numpy 2, as the add-on's engine has it, makes float64 of float32 less one of numpy's."""
    skin = SkinPainter(topology, 512, TextureSettings(), model).compositor
    weight = np.zeros(len(skin.sampler.texel), np.float32)
    assert skin._box(weight, scale) == Box(slice(0, scale), slice(0, scale), scale)
    weight[100] = 1.0
    box = skin._box(weight, scale)
    assert all(type(end) is int for part in box.part for end in (part.start, part.stop))
    assert all(0 <= part.start < part.stop <= 256 * scale for part in box.part)
    assert all(at.dtype == np.float32 for at in skin._mirror_maps(box))


def test_a_dark_crease_is_a_groove_and_light_leaves_no_trace(mapper):
    size = 1024
    row, column = 300, 512  # the forehead's middle
    detail = np.zeros((size, size), np.float32)
    detail += np.linspace(-0.5, 0.5, size, dtype=np.float32)  # light from the side
    flat = mapper.maps(detail)
    detail[row - 1 : row + 2] -= 0.2
    creased = mapper.maps(detail)
    assert np.abs(flat.normal[200:400, 300:700].astype(int) - [128, 128, 255]).max() <= 2
    normals = creased.normal[:, column].astype(float) / 127.5 - 1
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=0.02)
    # Above the groove the surface falls toward it, down in the texture; below it, it rises again.
    assert normals[row - 3, 1] < -0.02 and normals[row + 3, 1] > 0.02
    assert creased.roughness[row, column] > flat.roughness[row, column]
    assert creased.occlusion[row, column] < flat.occlusion[row, column]


def test_maps_know_the_parts(mapper, topology):
    maps = mapper.maps(np.zeros((1024, 1024), np.float32))

    def at(values, part):
        texels = texel_coordinates(topology.uv[topology.quad_uv[topology.faces_of(part)]].mean(1), 1024)
        return values[tuple(np.round(texels).astype(int).T[::-1])]

    assert at(maps.roughness, "eye_left").max() < 30 < at(maps.roughness, SKIN).min()
    assert at(maps.occlusion, "inner").mean() < 128 < 200 < np.median(at(maps.occlusion, SKIN))
    faces = topology.faces_of(SKIN)
    ears = Regions.of(topology).ear[topology.quads[faces]].min(1) > 0.9
    assert at(maps.thickness, SKIN)[ears].mean() < 220 < at(maps.thickness, SKIN)[~ears].mean()


def test_maps_come_if_they_are_asked_for(painter, sample, segmentation, painted):
    assert painted.maps is None
    maps = paint(painter, sample, segmentation, options=PaintOptions(maps=True)).maps
    assert maps.normal.shape == (1024, 1024, 3) and maps.thickness.shape == maps.roughness.shape
    assert maps.normal[..., 2].min() > 128
