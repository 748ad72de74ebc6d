"""Hair out of strongly colored light, of which the skin tells."""

from dataclasses import replace

import numpy as np

from ..image.color import linear_to_srgb, srgb_to_linear
from .groom import HairGroom, HairShell
from .style import with_color

#: How many times a channel is strengthened at most: what is left of it in strongly colored light is noise.
MOST_GAIN = 6.0


def in_white_light(groom: HairGroom, light: np.ndarray) -> HairGroom:
    """Take strongly colored light out of hair and headwear.

    Brows and beards have the light of the texture below them.

    Args:
        groom: As photographed.
        light: (3,) natural logarithm of the light's color, see `Albedo.light_color`.

    Returns:
        The same in white light; as it is in usual light, whose tint is taken out with the photo's.
    """
    if not np.any(light):
        return groom
    table = _table(light)
    cards, strands, strokes, style = groom.cards, groom.strands, groom.hairline, groom.style
    if style is not None:
        style = with_color(style, _pigmented(np.array(style.rgb, np.uint8), table))
    return replace(
        groom,
        shell=_shell(groom.shell, table, pigmented=True),
        cover=_shell(groom.cover, table, pigmented=False),
        cards=None if cards is None else replace(cards, colors=_pigmented(cards.colors, table)),
        strands=None if strands is None else replace(strands, colors=_pigmented(strands.colors, table)),
        hairline=None if strokes is None else replace(strokes, colors=_pigmented(strokes.colors, table)),
        style=style,
    )


def _table(light: np.ndarray) -> np.ndarray:
    """(256, 3) uint8: what a byte of each channel is in white light."""
    linear = srgb_to_linear(np.arange(256) / 255)[:, None] * np.minimum(np.exp(-light), MOST_GAIN)
    return np.round(linear_to_srgb(np.clip(linear, 0, 1)) * 255).astype(np.uint8)


def _white(colors: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Colors (..., 3) uint8 sRGB in white light."""
    return np.stack([table[colors[..., channel], channel] for channel in range(3)], -1)


def _pigmented(colors: np.ndarray, table: np.ndarray) -> np.ndarray:
    """The same of hair, which is never bluer than it is green, nor greener than it is red (melanins)."""
    return np.asarray(np.minimum.accumulate(_white(colors, table), axis=-1))


def _shell(shell: HairShell | None, table: np.ndarray, pigmented: bool) -> HairShell | None:
    """A shell of hair, or of anything, in white light."""
    if shell is None:
        return None
    colored = _pigmented if pigmented else _white
    return replace(shell, colors=colored(shell.colors, table), texture=colored(shell.texture, table))
