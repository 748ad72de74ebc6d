"""Writes a surface as binary glTF 2.0: one mesh with vertex colors and the confidence as an attribute."""

import numpy as np

from ..image.color import linear_of_bytes
from ..surface.isosurface import Surface
from .gltf import ELEMENT_ARRAY_BUFFER, UNSIGNED_ONE, GlbWriter, to_gltf_frame, unsigned_shorts


def glb_bytes(surface: Surface, generator: str) -> bytes:
    """The surface as a .glb file, in glTF's frame (y up, the face looks along +z), meters.

    Args:
        surface: The surface.
        generator: What the file says has made it.

    Returns:
        The file.
    """
    # 16 bits: in eight, linear colors show bands in the dark.
    color = np.full((len(surface.vertices), 4), UNSIGNED_ONE, np.uint16)
    color[:, :3] = unsigned_shorts(linear_of_bytes()[surface.colors])
    writer = GlbWriter()
    attributes = {
        "POSITION": writer.add_array(to_gltf_frame(surface.vertices), bounds=True),
        "COLOR_0": writer.add_array(color, normalized=True),
        "_CONFIDENCE": writer.add_array(surface.confidence.astype(np.float32)),
    }
    indices = writer.add_array(surface.faces.astype(np.uint32).ravel(), ELEMENT_ARRAY_BUFFER)
    material = {"name": "skin", "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.7}}
    primitive = {"attributes": attributes, "indices": indices, "material": 0}
    document = {
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "head"}],
        "meshes": [{"name": "head", "primitives": [primitive]}],
        "materials": [material],
    }
    return writer.finish(document, generator)
