"""Cards of hair have holes in GLB files of Blender's, the same as in the engine's."""

import json
import struct

from blender_addon.blender.glb_document import ALPHA_CUTOFF, document_of, with_cut_out
from core.io import hair_glb

MATERIALS = [{"name": "lashes", "alphaMode": "BLEND"}, {"name": "cards", "alphaMode": "BLEND"}]


def glb(document):
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<4sIIII", b"glTF", 2, 20 + len(text), len(text), 0x4E4F534A) + text


def test_cards_have_the_engines_holes():
    lashes, cards = document_of(with_cut_out(glb({"materials": MATERIALS}), {"cards", "brows"}))["materials"]
    assert cards == {"name": "cards", "alphaMode": "MASK", "alphaCutoff": hair_glb.ALPHA_CUTOFF}
    assert lashes == MATERIALS[0] and ALPHA_CUTOFF == hair_glb.ALPHA_CUTOFF


def test_files_without_cards_stay_as_they_are():
    for document in ({}, {"materials": MATERIALS[:1]}):
        data = glb(document)
        assert with_cut_out(data, {"cards"}) is data
