"""Files that Blender writes get the tangents that the engine writes."""

import numpy as np
import pytest

from blender_addon.blender.glb_file import accessor_values, glb_bytes, glb_chunks
from blender_addon.blender.glb_tangents import with_tangents
from core.io.head_glb import GlbMaps, head_glb_bytes
from core.io.image_bytes import jpeg_bytes
from core.template.topology import HeadTopology
from tests.core.head_samples import MODELS, plain_head


@pytest.fixture(scope="module")
def engines():
    jpeg = jpeg_bytes(np.full((64, 64, 3), 128, np.uint8))
    return head_glb_bytes(plain_head(HeadTopology.load(MODELS)), jpeg, "test", maps=GlbMaps(jpeg, jpeg))


def without_tangents(data, uv=True):
    """The file of an exporter that writes no tangents, and perhaps no texture coordinates."""
    document, binary = glb_chunks(data)
    for primitive in document["meshes"][0]["primitives"]:
        primitive["attributes"].pop("TANGENT", None)
        if not uv:
            del primitive["attributes"]["TEXCOORD_0"]
    return glb_bytes(document, binary)


def tangents_of(data):
    document, binary = glb_chunks(data)
    found = [primitive["attributes"].get("TANGENT") for primitive in document["meshes"][0]["primitives"]]
    return [
        None if number is None else accessor_values(document, binary, document["accessors"][number])
        for number in found
    ]


def test_the_tangents_are_the_engines(engines):
    wanted, *others = tangents_of(engines)
    found, *none = tangents_of(with_tangents(without_tangents(engines)))
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert others == none == [None] * 5, "only the skin has a normal map"


def test_what_has_them_or_cannot_have_them_stays(engines):
    assert with_tangents(engines) == engines
    bare = without_tangents(engines, uv=False)
    assert with_tangents(bare) == bare


def test_a_damaged_file_is_told(engines):
    document, binary = glb_chunks(without_tangents(engines))
    document["meshes"][0]["primitives"][0]["indices"] = 10_000
    with pytest.raises(ValueError, match="damaged"):
        with_tangents(glb_bytes(document, binary))
