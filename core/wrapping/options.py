"""What can be chosen of an animation-ready head."""

from dataclasses import dataclass

#: Sides, texels, that a texture may have.
TEXTURE_SIZES = (1024, 2048, 4096)


@dataclass(frozen=True)
class HeadOptions:
    """texture: side of the head's texture, texels, one of TEXTURE_SIZES or 0 for none. delight: whether to
    take the photo's light out of it.
    """

    texture: int = 2048
    delight: bool = True
