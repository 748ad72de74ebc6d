"""What can be chosen of an animation-ready head."""

from dataclasses import dataclass

#: Sides, texels, that a texture may have.
TEXTURE_SIZES = (1024, 2048, 4096)
#: UV maps that textures can be painted for, as users name them, and their names in the template.
UV_MAPS = {"photobust": "UVMap", "makehuman": "MakeHuman"}
#: What hair can be shown as; each is made with those before it.
HAIR_PRODUCTS = ("none", "shell", "cards", "strands")
#: What brows and beard can be besides a part of the texture.
FACIAL_HAIR_PRODUCTS = ("none", "cards", "strands")


@dataclass(frozen=True)
class HeadOptions:
    """How a head is made.

    Attributes:
        texture: Side of the texture, texels, one of TEXTURE_SIZES or 0 for none.
        delight: Whether to take the photo's light out of it.
        rig: Whether the head gets bones.
        uv: The UV map that textures are painted for, one of UV_MAPS.
        hair: What the hair is shown as, one of HAIR_PRODUCTS.
        beard: Whether a beard stays in the texture.
        facial_hair: What brows and beard are shown as, one of FACIAL_HAIR_PRODUCTS; unless "none", the
            texture has skin below them.
        maps: Whether the texture comes with maps of normals, roughness, occlusion and thickness.
    """

    texture: int = 2048
    delight: bool = True
    rig: bool = True
    uv: str = "photobust"
    hair: str = "cards"
    beard: bool = True
    maps: bool = True
    facial_hair: str = "none"

    @property
    def wants_hair(self) -> bool:
        """Whether anything is to stand on the skin."""
        return self.hair != "none" or self.facial_hair != "none"
