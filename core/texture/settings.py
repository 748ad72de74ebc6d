"""What can be set of a head's texture."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TextureSettings:
    """Settings of an AlbedoPainter.

    Attributes:
        delight_strength: Power of the shading that the colors are divided by, 0 (none) to 1 (all).
        min_shading: Least shading, relative to the face's median.
        max_shading: Greatest shading, relative to the face's median.
        uneven_lightness: Fraction of the lightness of light that is smooth over centimeters, but not as
            shading is, that is taken out; only with a segmentation.
        uneven_hue: The same of its hue.
        uneven_foreign_hue: The same where it makes skin bluer or greener.
        light_stiffness: How smooth that light is: weight of its smoothness beside the colors'.
        grain_fraction: Strength of the grain of completed texels, of that of observed ones.
        padding: Texels around each island that its colors go on for, so that filtering shows no background.
    """

    delight_strength: float = 0.75
    min_shading: float = 0.4
    max_shading: float = 1.8
    uneven_lightness: float = 0.9
    uneven_hue: float = 0.5
    uneven_foreign_hue: float = 1.0
    light_stiffness: float = 0.5
    grain_fraction: float = 0.5
    padding: int = 16


@dataclass(frozen=True)
class PaintOptions:
    """What is chosen of one head's texture.

    Attributes:
        delight: Whether to take the photo's light out, and with a segmentation exposure and white balance.
        beard: Whether a beard stays on the skin; only with a segmentation.
        maps: Whether to make the other maps, too; only with a segmentation.
        brows: Whether brows stay on the skin; only with a segmentation.
        outline: Whether the landmarks' outline tells cheeks from ears; only with a segmentation.
    """

    delight: bool = True
    beard: bool = True
    maps: bool = False
    brows: bool = True
    outline: bool = True
