"""Hair in strongly colored light."""

import numpy as np
import pytest

from core.hair.groom import HairGroom, HairShell, HairStyle
from core.hair.white_light import MOST_GAIN, in_white_light
from core.image.color import linear_to_srgb, srgb_to_linear

BROWN = np.array([120, 84, 60])
STYLE = HairStyle("short", 0.05, "usual", "none", "straight", "brown", (120, 84, 60), 0.5, 0.3)


def shell_of(color):
    """A shell of one color."""
    bytes_of = np.round(color).astype(np.uint8)
    none = np.zeros((0, 3), np.float32)
    return HairShell(
        vertices=none,
        triangles=none.astype(np.int32),
        normals=none,
        uv=none[:, :2],
        colors=np.tile(bytes_of, (4, 1)),
        visibility=none[:, 0],
        inner=none[:, 0] > 0,
        inset=none[:, 0],
        texture=np.tile(bytes_of, (8, 8, 1)),
    )


def in_light(color, light):
    """A color (3,), sRGB, in a light (3,), natural logarithms."""
    return linear_to_srgb(srgb_to_linear(np.asarray(color) / 255) * np.exp(light)) * 255


@pytest.mark.parametrize("light", [(0.0, -1.2, -1.5), (-1.3, -1.0, 0.0), (-1.0, 0.0, -1.4)])
def test_colored_light_is_taken_out(light):
    light = np.array(light)
    shell = shell_of(in_light(BROWN, light))
    style = STYLE.__class__(**{**vars(STYLE), "rgb": tuple(int(v) for v in shell.colors[0]), "color": "red"})
    groom = in_white_light(HairGroom(shell, None, None, style, None, 0.5), light)
    assert np.abs(groom.shell.texture.reshape(-1, 3) - BROWN).max() <= 4
    assert np.abs(groom.shell.colors - BROWN).max() <= 4
    assert groom.style.color == "brown" and groom.style.length == "short"


def test_usual_light_changes_nothing():
    groom = HairGroom(shell_of(BROWN), None, None, STYLE, None, 0.5)
    assert in_white_light(groom, np.zeros(3)) is groom


def test_dark_channels_are_no_noise_and_hair_is_never_blue():
    light = np.array([-5.0, -5.0, 0.0])
    groom = HairGroom(shell_of((3, 3, 90)), None, None, None, shell_of((3, 3, 90)), 0.5)
    white = in_white_light(groom, light)
    most = linear_to_srgb(srgb_to_linear(np.array(3 / 255)) * MOST_GAIN) * 255
    assert white.shell.colors.max() <= most + 1
    assert (np.diff(white.shell.colors.astype(int), axis=1) <= 0).all()
    assert white.cover.colors[0, 2] == 90  # a blue hat stays blue
