"""The files of a head's hair: hair.npz, hair.glb and their textures."""

from concurrent.futures import Executor, Future
from typing import Any

from ..hair.groom import HairGroom, HairStyle
from ..hair.strand_atlas import load_strand_atlas
from ..runtime.weights import models_folder
from .hair_glb import hair_glb_bytes
from .hair_npz import FILE_NAME, hair_npz_bytes
from .image_bytes import texture_bytes

#: The style of heads on which the photo shows no hair, and nothing that covers it.
BALD = {"length": "bald", "length_m": 0.0}
DESCRIPTIONS = {
    FILE_NAME: "the hair for the add-on: shell, cards, strands with their roots, style",
    "hair.glb": "the hair as glTF (y up, the face looks along +z): shell and cards",
    "hair_shell.png": "the hair shell's texture, sRGB",
    "hair_cards.png": "the strand atlas of the hair cards: a factor of their colors, and alpha",
    "hair_cards_normal.png": "the strand atlas's normals, tangent space",
    "hair_cards_id.png": "the strand atlas: red from root to tip, green a number for each strand",
    "hair_cover.png": "the texture of what covers the head, sRGB",
}


def hair_assets(
    hair: HairGroom, provenance: dict[str, Any], generator: str, pool: Executor
) -> "dict[str, Future[bytes]]":
    """The files' contents, in the making.

    Args:
        hair: The hair.
        provenance: What the head was made of and by what.
        generator: What the files say has made them.
        pool: Where they are made.

    Returns:
        Name -> content.
    """
    files = {
        FILE_NAME: pool.submit(hair_npz_bytes, hair, provenance),
        "hair.glb": pool.submit(hair_glb_bytes, hair, generator),
    }
    if hair.shell is not None:
        files["hair_shell.png"] = pool.submit(texture_bytes, hair.shell.texture)
    if hair.cards is not None or hair.facial:
        atlas = load_strand_atlas(models_folder())
        files |= {f"{name}.png": pool.submit(bytes, data) for name, data in atlas.items()}
    if hair.cover is not None:
        files["hair_cover.png"] = pool.submit(texture_bytes, hair.cover.texture)
    return files


def about_hair(hair: HairGroom | None, wanted: str) -> dict[str, Any] | None:
    """What face.json says of the hair: what the photo showed, what is completed, and the style.

    Args:
        hair: The hair; None if there is none.
        wanted: The product that was asked for.

    Returns:
        The document; None if nothing was asked for.
    """
    if hair is None:
        return None if wanted == "none" else {"product": wanted, "headwear": False, "style": BALD}
    bald = BALD if wanted != "none" and hair.cover is None else None
    return {
        "product": hair.product,
        "seen_fraction": round(hair.seen_fraction, 3),
        "completed_fraction": round(1 - hair.seen_fraction, 3),
        "headwear": hair.cover is not None,
        "style": _about_style(hair.style) if hair.style else bald,
        "shell_triangles": len(hair.shell.triangles) if hair.shell else 0,
        "cards": len(hair.cards.layer) if hair.cards else 0,
        "strands": len(hair.strands.points) if hair.strands else 0,
        "facial_hair": {
            "product": hair.facial_product,
            "parts": {
                part.name: {
                    "cards": len(part.cards.layer),
                    "strands": len(part.strands.points),
                    "length_m": round(part.length_m, 4),
                }
                for part in hair.facial
            },
        },
        "timings": {step: round(seconds, 4) for step, seconds in hair.timings.items()},
    }


def _about_style(style: HairStyle) -> dict[str, Any]:
    return {
        "length": style.length,
        "length_m": style.length_m,
        "hairline": style.hairline,
        "parting": style.parting,
        "curl": style.curl,
        "color": style.color,
        "rgb": list(style.rgb),
    }
