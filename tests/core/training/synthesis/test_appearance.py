"""The look of training heads, on a ball with a made-up texture library; real data where it is at hand."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from core.errors import PhotobustError
from core.geometry.frames import FRONTAL, Camera, HeadPose
from core.geometry.spherical_harmonics import sh_basis
from core.image.color import linear_to_srgb, srgb_to_linear
from core.training.face_models.atlas import ATLAS_SIZE, SKIN_HEIGHT, UNWRAP_CENTER, corner_uv, unwrap, wrap
from core.training.synthesis import accessories
from core.training.synthesis.appearance import Appearance, DressedHead
from core.training.synthesis.degradations import degrade_picture
from core.training.synthesis.lighting import LightLibrary, SceneLight, rotate_harmonics
from core.training.synthesis.render import draw
from core.training.synthesis.shading import shade
from core.training.synthesis.texture_extraction import push_pull
from core.training.synthesis.texture_library import TextureLibrary, encode_srgb, sample_texture

DATA = Path(os.environ.get("PHOTOBUST_DATA", Path(__file__).resolve().parents[5] / "shared"))
SIZE = 96


def ball(rows: int = 24, columns: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """A closed ball the size of a head, around where a head's middle is: vertices (V, 3), triangles (T, 3)
    outward.
    """
    theta = np.linspace(0.01, np.pi - 0.01, rows)[:, None]
    phi = (np.arange(columns) / columns * 2 * np.pi)[None]
    x, y = np.sin(theta) * np.sin(phi), -np.sin(theta) * np.cos(phi)
    v = np.stack([x, y, np.broadcast_to(np.cos(theta), x.shape)], -1).reshape(-1, 3) * 0.1 + [0, 0.065, -0.01]
    i, j = (a.ravel() for a in np.meshgrid(np.arange(rows - 1), np.arange(columns), indexing="ij"))
    a, b = i * columns + j, i * columns + (j + 1) % columns
    triangles = np.concatenate([np.stack([a, a + columns, b], 1), np.stack([b, a + columns, b + columns], 1)])
    return v.astype(np.float32), triangles.astype(np.int32)


@pytest.fixture(scope="module")
def appearance() -> Appearance:
    rng = np.random.default_rng(1)
    people = np.array([[200, 150, 120], [90, 60, 40], [10, 200, 10]], np.uint8)
    textures = np.broadcast_to(people[:, None, None], (3, ATLAS_SIZE, ATLAS_SIZE, 3)).copy()
    mask = np.zeros((ATLAS_SIZE, ATLAS_SIZE), np.uint8)
    mask[100:300, 150:360] = 255
    names = ("face", "scalp", "ears", "lips", "brows", "beard", "lids")
    noise = tuple(rng.normal(size=(2 * ATLAS_SIZE, 2 * ATLAS_SIZE)).astype(np.float32) for _ in range(4))
    library = TextureLibrary(
        textures,
        np.ascontiguousarray(textures[:, ::8, ::8]),
        np.array([False, False, True]),
        dict.fromkeys(names, mask),
        noise,
        np.ascontiguousarray(textures[:, :64, :64]),
    )
    panoramas = rng.uniform(0.1, 1.0, (18, 8, 16, 3)).astype(np.float32)
    coefficients = np.zeros((18, 9, 3))
    coefficients[:, 0] = 1.0
    lights = LightLibrary(
        panoramas, coefficients, np.tile([0.0, -1.0, 0.0], (18, 1)), np.full((18, 3), 0.5), ("x",) * 18
    )
    return Appearance(library, lights, accessories.Patterns.make(rng, 3))


@pytest.fixture(scope="module")
def scene():
    vertices, triangles = ball()
    uv = corner_uv(unwrap(vertices).astype(np.float32), triangles)
    part = np.zeros(len(triangles), np.int8)
    camera = Camera(SIZE * 2.0, (SIZE - 1) / 2, (SIZE - 1) / 2)
    pose = HeadPose(FRONTAL, np.array([0.0, 0.0, 0.7]))
    buffers = draw(pose.head_to_camera(vertices), triangles, uv, part, camera, SIZE)
    return vertices, triangles, uv, part, camera, pose, buffers


def test_clay_hides_the_skin(appearance, scene):
    """Whatever the texture is, in the same light."""
    camera, buffers = scene[4], scene[6]
    black = np.zeros_like(appearance.textures.textures)
    other = replace(appearance, textures=replace(appearance.textures, textures=black))
    for clay in (True, False):
        one, two = (
            a.picture(np.random.default_rng(7), buffers, camera, flawed=False, clay=clay)
            for a in (appearance, other)
        )
        inside = buffers.mask
        assert (np.abs(one[inside].astype(int) - two[inside]).max() == 0) == clay
        assert one[inside].mean() > 20


def test_unwrapping_and_wrapping_agree():
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(500, 3))
    directions[:, 2] = np.abs(directions[:, 2]) - 0.3
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    uv = unwrap(UNWRAP_CENTER + 0.1 * directions)
    inside = (uv[:, 1] > 0.01) & (uv[:, 1] < SKIN_HEIGHT - 0.01)
    assert inside.mean() > 0.8
    np.testing.assert_allclose(wrap(uv[inside, 0], uv[inside, 1]), directions[inside], atol=1e-9)
    mirrored = unwrap(UNWRAP_CENTER + 0.1 * directions * [-1, 1, 1])
    np.testing.assert_allclose(mirrored, np.stack([1 - uv[:, 0], uv[:, 1]], 1), atol=1e-9)


def test_triangles_across_the_seam_stay_small(scene):
    vertices, triangles, uv = scene[:3]
    beside = (
        np.abs(vertices[triangles, 2] + 0.01).max(1) < 0.08
    )  # not at the poles, where all longitudes meet
    assert np.ptp(uv[beside, :, 0], axis=1).max() < 0.1
    assert (uv[beside, :, 0] > 1).any()


def test_harmonics_turn_exactly():
    rng = np.random.default_rng(3)
    coefficients = rng.normal(size=(9, 3))
    rotation = Rotation.random(random_state=4).as_matrix()
    directions = rng.normal(size=(50, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    turned = sh_basis(directions) @ rotate_harmonics(coefficients, rotation)
    np.testing.assert_allclose(turned, sh_basis(directions @ rotation) @ coefficients, atol=1e-9)


def test_colors_survive_linear_light_and_back():
    srgb = np.linspace(0, 1, 256)
    np.testing.assert_allclose(linear_to_srgb(srgb_to_linear(srgb)), srgb, atol=1e-5)
    picture = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    again = encode_srgb(srgb_to_linear(picture / 255))
    dark = picture < 200  # brighter ones are rolled off on purpose
    assert np.abs(again.astype(int) - picture)[dark].max() <= 1


def test_fetch_interpolates_across_the_seam_and_leaves_the_rest_alone():
    texture = np.zeros((8, 8, 3), np.uint8)
    texture[:, 0] = 255
    uv = np.array([[[1.0, 0.5], [0.5, 0.5]]], np.float32)  # between the last and the first column; far away
    color = sample_texture(texture, uv, np.array([[True, True]]))
    np.testing.assert_allclose(color[0, :, 0], [0.5, 0.0], atol=1e-6)
    assert sample_texture(texture, uv, np.array([[False, True]]))[0, 0].max() == 0


def test_push_pull_keeps_what_is_known_and_spreads_it():
    image = np.zeros((64, 64, 3), np.float32)
    image[20:30, 20:30] = [0.2, 0.4, 0.6]
    weight = (image[..., 0] > 0).astype(np.float32)
    filled = push_pull(image, weight)
    np.testing.assert_allclose(filled[20:30, 20:30], image[20:30, 20:30], atol=1e-6)
    np.testing.assert_allclose(filled[60, 60], [0.2, 0.4, 0.6], atol=0.02)


def test_key_light_lights_its_side_and_casts_shadows(scene):
    *_, camera, _, buffers = scene
    light = SceneLight(
        np.zeros((9, 3), np.float32),
        np.array([1.0, 0.0, 0.0], np.float32),
        np.ones(3, np.float32),
        np.eye(3, dtype=np.float32),
        -1,
    )
    albedo = np.full((SIZE, SIZE, 3), 0.5, np.float32)
    center = (camera.cx, camera.cy)

    def lit(depth: np.ndarray) -> np.ndarray:
        return shade(albedo, buffers.normals, depth, light, np.random.default_rng(0), camera.focal_px, center)

    picture = lit(buffers.depth)
    assert picture[~buffers.mask].max() == 0
    assert picture[48, 60].mean() > 4 * picture[48, 36].mean()
    # A wall to the right of the ball, reaching toward the camera, takes the light away.
    walled = buffers.depth.copy()
    walled[:, 74:78] = buffers.depth[48, 60] - 0.02
    assert lit(walled)[48, 64].mean() < 0.7 * picture[48, 64].mean()


def test_pictures_are_reproducible_and_leave_the_truth_alone(appearance, scene):
    vertices, triangles, uv, part, camera, pose, buffers = scene
    before = {name: getattr(buffers, name).copy() for name in ("mask", "depth", "normals", "uv")}
    skin = appearance.skin(triangles, uv, part)
    pictures = []
    for seed in (*range(12), 0):
        dressed = DressedHead(vertices, pose, skin)
        rng = np.random.default_rng(seed)
        pictures.append(appearance.picture(rng, buffers, camera, (7, 8), "train", dressed))
        assert pictures[-1].shape == (SIZE, SIZE, 3) and pictures[-1].dtype == np.uint8
        assert pictures[-1].std() > 2
    np.testing.assert_array_equal(pictures[0], pictures[-1])
    assert len({p.tobytes() for p in pictures}) == 12
    for name, value in before.items():
        np.testing.assert_array_equal(getattr(buffers, name), value)


def test_splits_share_no_people_and_no_panoramas(appearance):
    library = appearance.textures
    assert set(library.people("train")) == {0, 1} and set(library.people("eval")) == {2}
    assert not set(appearance.lights.indices("train")) & set(appearance.lights.indices("eval"))
    for seed in range(20):
        rng = np.random.default_rng(seed)
        texture = library.sample(rng, "eval")[400, 10].astype(int)  # the third person is green
        rng = np.random.default_rng(seed)
        other = library.sample(rng, "train")[400, 10].astype(int)
        assert other[1] - other[0] < 40
        if np.random.default_rng(seed).random() > 0.06:  # else painted
            assert texture[1] - texture[0] > 40


def test_accessories_lie_outside_the_head(scene):
    vertices, triangles, uv, part, *_ = scene
    skin = accessories.SkinMesh.of(triangles, uv, part, np.zeros((ATLAS_SIZE, ATLAS_SIZE), np.uint8))
    wearer = accessories.Wearer.of(skin, vertices, accessories.Patterns.make(np.random.default_rng(0), 2))
    center = np.array([0, 0.065, -0.01])
    for seed in range(10):
        rng = np.random.default_rng(seed)
        for make in (accessories.hair, accessories.scarf):
            garment = make(rng, wearer)
            seen = np.unique(garment.triangles)
            assert len(seen) > 50
            distance = np.linalg.norm(garment.vertices[seen] - center, axis=1)
            assert distance.min() > 0.097 and distance.max() < 0.3


def test_degradations_keep_shape_input_and_seed():
    rgb = np.random.default_rng(0).integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)
    before = rgb.copy()
    seen = set()
    for seed in range(15):
        out = degrade_picture(rgb, np.random.default_rng(seed))
        assert out.shape == rgb.shape and out.dtype == np.uint8
        np.testing.assert_array_equal(out, degrade_picture(rgb, np.random.default_rng(seed)))
        seen.add(out.tobytes())
    np.testing.assert_array_equal(rgb, before)
    assert len(seen) > 12


def test_missing_files_are_named(tmp_path):
    with pytest.raises(PhotobustError, match="build_textures"):
        TextureLibrary.load(tmp_path / "none.npz")
    with pytest.raises(PhotobustError, match="--data"):
        LightLibrary.load(tmp_path / "none.npz")


@pytest.mark.skipif(not (DATA / "light").is_dir(), reason=f"no panoramas in {DATA} (set PHOTOBUST_DATA)")
def test_panoramas_give_even_exposures():
    lights = LightLibrary.load(DATA / "light" / "panoramas.npz")
    views = np.array([[0, 0, -1], [0.6, 0, -0.8], [-0.6, 0, -0.8]])
    for seed in range(30):
        light = lights.sample(np.random.default_rng(seed))
        soft = (sh_basis(views) @ light.coefficients).clip(0)
        direct = np.clip(views @ light.key_direction, 0, None)[:, None] * light.key_color
        assert 0.25 < (soft + direct).mean() < 4
        assert np.linalg.norm(light.key_direction) == pytest.approx(1, abs=1e-5)
