"""hair.npz: a head's hair as Blender's side takes it over; numpy's format, readable without the engine.

Everything is in the head frame, meters; colors are sRGB bytes; texture coordinates have v up. The pictures
stand beside it: hair_shell.png and hair_cover.png (the textures of the two meshes, opaque: at the hairline
and at tips the first one fades to the skin's color, hair by hair), hair_cards.png (the strand atlas: RGB
white to light gray, to be multiplied by the cards' colors, and alpha), hair_cards_normal.png (its normals in
tangent space) and hair_cards_id.png (red: 0 at the root to 255 at the tip; green: a number for each painted
strand).

Always:

* `format_version` int32, 1; `product` str, what to show of the hair: "shell", "cards" or "strands";
  `seen_fraction` float32; `provenance`, a JSON text like that of head.npz; `style`, a JSON text: an object
  with `length`, `hairline`, `parting`, `curl`, `color` (words), `length_m`, `rgb` (three bytes), `melanin`
  and `melanin_redness` (0..1, for Principled Hair), or null without hair.

Where there is hair, the shell of N vertices (closed, its inner side on the skin):

* `shell_vertices`, `shell_normals` (N, 3) float32; `shell_triangles` (M, 3) int32; `shell_uv` (N, 2) float32;
  `shell_colors` (N, 3) uint8; `shell_seen` (N,) float32; `shell_inner` (N,) bool; `shell_inset` (N,) float32:
  under cards and strands the shell is the dark between them: its vertices are moved by the inset against
  their normals, and its color is darkened.

and C cards with K vertices. A card's vertices stand together, root first, left and right edge in turn:

* `card_vertices`, `card_normals` (K, 3) float32; `card_triangles` (L, 3) int32; `card_uv` (K, 2) float32;
  `card_colors` (K, 3) uint8; `card_index` (K,) int32, the card of each vertex; `card_along` (K,) float32, 0
  at the root to 1 at the tip; `card_layer` (C,) uint8, 0 the innermost; `card_lod` (C,) uint8, the coarsest
  level of detail that still has the card: level n shows the cards with `card_lod` >= n. The add-on's density
  leaves out the cards of the finest level first.

and S strands of P points each, in random order, so that the first n are an even, thinner groom:

* `strand_points` (S, P, 3) float32, the root first; `strand_root_vertices` (S, 3) int32, the vertices of
  head.npz around the root, and `strand_root_barycentric` (S, 3) float32, where in their triangle it is;
  `strand_root_uv` (S, 2) float32, in the head's `uv`; `strand_colors` (S, 2, 3) uint8, at root and tip.

Where something covers the head (hat, cap, scarf, hood), its shell, with the names of the hair's shell:

* `cover_vertices`, `cover_normals`, `cover_triangles`, `cover_uv`, `cover_colors`, `cover_seen`,
  `cover_inner`, `cover_inset`.

Always `facial_product`: "none", "cards" or "strands". Unless it is "none", `brows` and, where there is one,
`beard` have cards and strands of their own, with the names above behind `brows_` and `beard_`
(`brows_card_vertices`, `brows_strand_points`), and what each vertex of the cards moves with:

* `brows_card_bound_vertices` (K, 3) int32, vertices of head.npz, and `brows_card_bound_barycentric` (K, 3)
  float32, their weights: it moves by the weighted mean of what they move by.
"""

import dataclasses
import io
import json
from typing import Any

import numpy as np

from ..hair.groom import FacialHair, HairCards, HairGroom, HairShell, HairStrands

FILE_NAME = "hair.npz"
FORMAT_VERSION = 1


def hair_npz_bytes(groom: HairGroom, provenance: dict[str, Any]) -> bytes:
    """The groom as an .npz file; not compressed, as that would take longer than everything else.

    Args:
        groom: The hair.
        provenance: What the head was made of and by what.

    Returns:
        The file.
    """
    arrays: dict[str, np.ndarray] = {
        "format_version": np.array(FORMAT_VERSION, np.int32),
        "product": np.array(groom.product),
        "seen_fraction": np.array(groom.seen_fraction, np.float32),
        "style": np.array(json.dumps(dataclasses.asdict(groom.style) if groom.style else None)),
        "provenance": np.array(json.dumps(provenance, allow_nan=False)),
    }
    for prefix, shell in (("shell", groom.shell), ("cover", groom.cover)):
        if shell is not None:
            arrays |= _shell_arrays(prefix, shell)
    if groom.cards is not None:
        arrays |= _card_arrays("card", groom.cards)
    if groom.strands is not None:
        arrays |= _strand_arrays("strand", groom.strands)
    arrays["facial_product"] = np.array(groom.facial_product)
    for part in groom.facial:
        arrays |= _facial_arrays(part)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _card_arrays(prefix: str, cards: HairCards) -> dict[str, np.ndarray]:
    return {
        f"{prefix}_vertices": cards.vertices.astype(np.float32),
        f"{prefix}_normals": cards.normals.astype(np.float32),
        f"{prefix}_triangles": cards.triangles.astype(np.int32),
        f"{prefix}_uv": cards.uv.astype(np.float32),
        f"{prefix}_colors": cards.colors.astype(np.uint8),
        f"{prefix}_index": cards.card.astype(np.int32),
        f"{prefix}_along": cards.along.astype(np.float32),
        f"{prefix}_layer": cards.layer.astype(np.uint8),
        f"{prefix}_lod": cards.lod.astype(np.uint8),
    }


def _strand_arrays(prefix: str, strands: HairStrands) -> dict[str, np.ndarray]:
    return {
        f"{prefix}_points": strands.points.astype(np.float32),
        f"{prefix}_root_vertices": strands.root_vertices.astype(np.int32),
        f"{prefix}_root_barycentric": strands.root_barycentric.astype(np.float32),
        f"{prefix}_root_uv": strands.root_uv.astype(np.float32),
        f"{prefix}_colors": strands.colors.astype(np.uint8),
    }


def _facial_arrays(facial: FacialHair) -> dict[str, np.ndarray]:
    return {
        **_card_arrays(f"{facial.name}_card", facial.cards),
        **_strand_arrays(f"{facial.name}_strand", facial.strands),
        f"{facial.name}_card_bound_vertices": facial.bound_vertices.astype(np.int32),
        f"{facial.name}_card_bound_barycentric": facial.bound_barycentric.astype(np.float32),
    }


def _shell_arrays(prefix: str, shell: HairShell) -> dict[str, np.ndarray]:
    return {
        f"{prefix}_vertices": shell.vertices.astype(np.float32),
        f"{prefix}_normals": shell.normals.astype(np.float32),
        f"{prefix}_triangles": shell.triangles.astype(np.int32),
        f"{prefix}_uv": shell.uv.astype(np.float32),
        f"{prefix}_colors": shell.colors.astype(np.uint8),
        f"{prefix}_seen": shell.visibility.astype(np.float32),
        f"{prefix}_inner": shell.inner.astype(bool),
        f"{prefix}_inset": shell.inset.astype(np.float32),
    }
