"""The style of hair in words, for people and for catalogs."""

from dataclasses import replace
from typing import Any

import numpy as np

from ..geometry.visibility import ramp
from ..image.color import srgb_to_linear
from ..template.regions import Regions
from .flow import Flow
from .groom import HairStyle
from .scalp import Scalp
from .skin import Skin
from .strands import LYING_FACTOR, Guides

#: Lengths, meters, up to which hair is cropped, short and medium.
LENGTHS = (("cropped", 0.02), ("short", 0.10), ("medium", 0.25), ("long", np.inf))
#: How much of short hair without curls is painted as dots, by its length in words: cropped hair stands up,
#: longer hair shows as lines, however unclear they are.
DOTS = {"cropped": 0.7, "short": 0.0}
#: Hair that stands off the skin by more than this, meters, hangs or stands free.
FREE = 0.012
#: Free hair that reaches lower than this, meters, head frame, hangs: below the ears. Sideburns end above it.
HANGING_Z = -0.07
#: Hair whose thickest part is so many times as thick as most of it is gathered there, in a bun: of 12 people
#: the one with a bun has 5, others 1.3 to 2.7. The quantile of the thickest part.
GATHERED = 4.0
GATHERED_QUANTILE = 0.95
#: Hair that does not reach down to this, meters, head frame, is not long, however long it is from the crown:
#: a bob ends above the shoulders.
SHOULDER_Z = -0.2
#: Parting, x in the head frame, meters, that is still in the middle.
MIDDLE_PARTING = 0.012
#: Change of direction up to which hair is straight and wavy, and how much of it lines add that are less clear
#: than straight hair's: of 14 portraits, straight hair has at most 0.053, wavy 0.056 to 0.076, curly 0.10 on.
CURL_LIMITS = (("straight", 0.055), ("wavy", 0.095), ("curly", np.inf))
CLEAR = 0.47
UNCLEAR_CURL = 0.4
#: Coherence of the photo's lines below which their change says that hair is curly.
UNCLEAR = 0.22
#: Coherence from which to which hair may be curly; what shows clearer lines has waves or tousled strands.
CURLY_COHERENCE = (0.40, 0.32)
#: The same of short hair, whose lines are less clear even where it is straight: it is tousled.
SHORT_CURLY_COHERENCE = (0.33, 0.27)
#: Weight of the average scalp from which on hair grows on nearly everybody's.
AVERAGE_SCALP = 0.6
#: Where the hairline of the front ends, y in the head frame, meters.
FRONT_Y = 0.09
#: Vertices of it that the photo has to show.
LEAST_SHOWN = 20.0
#: Fraction of it that is skin from which on a hairline recedes: of 17 portraits, the six that do have 0.60 to
#: 0.95, others 0.12 to 0.51.
RECEDING = 0.55
#: Linear lightness up to which cropped hair that shows no lines is taken for curls, not for stubble.
DARK = 0.05
#: Linear lightness between black and white hair, for the melanin of Principled Hair.
DARKEST = 0.006
LIGHTEST = 0.55


def describe(
    guides: Guides, flow: Flow, color: np.ndarray, vertices: np.ndarray, height: np.ndarray, bare: float = 0.0
) -> HairStyle:
    """Describe hair.

    Args:
        guides: Its strands.
        flow: Its direction.
        color: (3,) typical color, sRGB 0..255.
        vertices: (N, 3) of the hair's outside, head frame, meters.
        height: (N,) meters, how far each is from the skin.
        bare: Fraction of the average scalp in front that the photo shows as skin, see `bare_fraction`.

    Returns:
        The style.
    """
    length = _length(guides, vertices, height)
    word = next(word for word, limit in LENGTHS if length < limit)
    if word == "long" and _lowest(vertices, height) > SHOULDER_Z:
        word = "medium"
    parting = "none"
    if flow.style == "parting":
        parting = "middle"
        if abs(flow.parting) > MIDDLE_PARTING:
            parting = "left" if flow.parting > 0 else "right"
    curl = next(name for name, limit in CURL_LIMITS if direction_change(flow) < limit)
    if curl == "curly" and flow.coherence >= np.mean(_curly_coherence(word)):
        curl = "wavy"
    if flow.coherence < UNCLEAR:
        curl, parting = ("curly", "unknown") if word != "cropped" else ("straight", "unknown")
    if float(srgb_to_linear(color / 255).mean()) > DARK:
        # Light hair that is short stands in all directions without being curly.
        if word == "cropped":
            curl = "straight"
        elif word == "short" and curl == "curly":
            curl = "wavy"
    return HairStyle(
        length=word,
        length_m=round(length, 3),
        hairline="receding" if bare > RECEDING else "usual",
        parting=parting,
        curl=curl,
        **_pigment(color),
    )


def with_color(style: HairStyle, color: np.ndarray) -> HairStyle:
    """The same hair in another color.

    Args:
        style: The style.
        color: (3,) typical color, sRGB 0..255.
    """
    return replace(style, **_pigment(color))


def _pigment(color: np.ndarray) -> dict[str, Any]:
    """What a style says of a typical color (3,), sRGB 0..255."""
    linear = srgb_to_linear(np.asarray(color, float) / 255)
    melanin = np.log(LIGHTEST / max(float(linear.mean()), DARKEST)) / np.log(LIGHTEST / DARKEST)
    redness = np.log(max(linear[0], 1e-3) / max(linear[2], 1e-3)) / np.log(12)
    return {
        "color": color_word(linear),
        "rgb": tuple(round(float(value)) for value in color),
        "melanin": round(float(np.clip(melanin, 0, 1)), 3),
        "melanin_redness": round(float(np.clip(redness, 0, 1)), 3),
    }


def bare_fraction(scalp: Scalp, skin: Skin, regions: Regions) -> float:
    """How much of the average scalp, in front of the ears, the photo shows as skin, 0..1.

    Args:
        scalp: The hair on the head.
        skin: Of the head.
        regions: Of the template.
    """
    shown = scalp.visibility * (regions.scalp > AVERAGE_SCALP) * (skin.vertices[:, 1] < FRONT_Y)
    total = float(shown.sum())
    return float((shown * (1 - scalp.presence)).sum()) / total if total > LEAST_SHOWN else 0.0


def direction_change(flow: Flow) -> float:
    """How much the direction of hair changes, as `CURL_LIMITS` takes it.

    Args:
        flow: The hair's direction.
    """
    return flow.curl + UNCLEAR_CURL * max(CLEAR - flow.coherence, 0.0)


def _curly_coherence(length: str) -> tuple[float, float]:
    """Coherence from which to which hair of a length, in a word, may be curly."""
    return SHORT_CURLY_COHERENCE if length in ("cropped", "short") else CURLY_COHERENCE


def tangle(flow: Flow, style: HairStyle) -> float:
    """0 (hair that shows as lines) to 1 (curls, or hair in which the photo shows no lines).

    Args:
        flow: The hair's direction.
        style: Of the hair: that of short hair is known, see `DOTS`.
    """
    length = style.length
    if length in DOTS and style.curl != "curly":
        return DOTS[length]
    if flow.coherence < UNCLEAR:
        return 1.0
    change, coherence = np.array(direction_change(flow)), np.array(flow.coherence)
    return float(
        ramp(change, CURL_LIMITS[0][1], CURL_LIMITS[1][1]) * ramp(coherence, *_curly_coherence(length))
    )


def _length(guides: Guides, vertices: np.ndarray, height: np.ndarray) -> float:
    """Typical length of a strand, meters.

    Strands follow the hair's surface from the crown to the nape, however short the hair is that lies there:
    hair that hangs nowhere is not much longer than it is thick.
    """
    length = float(np.quantile(guides.length, 0.75)) if len(guides.length) else 0.0
    if _hangs(vertices, height):
        return length
    thickness = float(np.median(height)) if len(height) else 0.0
    return min(length, LYING_FACTOR * thickness)


def lying_thickness(vertices: np.ndarray, height: np.ndarray) -> float | None:
    """How thick hair is that lies on the head and ends there.

    Args:
        vertices: (N, 3) of the hair's outside, head frame, meters.
        height: (N,) meters, how far each is from the skin.

    Returns:
        Its median, meters; None of hair that hangs down or is gathered somewhere.
    """
    if not len(height) or _hangs(vertices, height):
        return None
    thickness, most = (float(value) for value in np.quantile(height, (0.5, GATHERED_QUANTILE)))
    return thickness if most < GATHERED * thickness else None


def _hangs(vertices: np.ndarray, height: np.ndarray) -> bool:
    """Whether some hair hangs down beside the head."""
    return _lowest(vertices, height) < HANGING_Z


def _lowest(vertices: np.ndarray, height: np.ndarray) -> float:
    """Height of the lowest hair that stands off the skin, z in the head frame, meters."""
    free = vertices[height > FREE]
    return float(np.quantile(free[:, 2], 0.02)) if len(free) else np.inf


def color_word(linear: np.ndarray) -> str:
    """A word for a color of hair.

    Args:
        linear: (3,) RGB in linear light, 0..1.

    Returns:
        Such as "brown".
    """
    lightness = float(linear.mean())
    warmth = float(linear[0] / max(linear[2], 1e-3))
    if (warmth < 1.7 and lightness > 0.05) or (warmth < 1.9 and lightness > 0.15):
        return "white" if lightness > 0.35 else "gray"
    # Dark hair is black unless its hue shows: black hair has hardly any.
    if lightness < (0.01 if warmth > 4.5 else 0.018):
        return "black"
    if warmth > 4.5 and 0.015 < lightness < 0.3 and linear[0] > 3.2 * linear[1]:
        return "red"
    if lightness < 0.05:
        return "dark brown"
    return "brown" if lightness < 0.12 else "blond"
