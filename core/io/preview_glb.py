"""The small model of a head that a batch's page shows: a quantized GLB inside of view.js.

A head.glb has four megabytes, of which a page of five hundred heads needs a tenth to look right: the head as
photographed without morph targets, and a smaller texture. Positions take 16 bits an axis, normals 8, texture
coordinates and colors 16 (glTF's KHR_mesh_quantization): on a head that is a step of 5 micrometers.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..geometry.decimation import cluster_vertices
from ..geometry.mesh import shading_normals
from ..image.color import linear_of_bytes
from ..surface.isosurface import Surface
from ..template.topology import HeadTopology
from .gltf import QUANTIZATION, GlbWriter, signed_bytes, to_gltf_frame, unsigned_shorts
from .head_glb import INDEX_OF_REFRACTION, textured_corners
from .head_npz import MATERIALS

if TYPE_CHECKING:
    from ..hair.groom import HairGroom, HairShell
    from ..texture.painter import Albedo
    from ..wrapping.head import Head

FILE_NAME = "view.js"
DESCRIPTIONS = {FILE_NAME: "small model of the head or the surface, which the batch's index.html shows"}
#: What view.js calls with the model; the page defines it before it loads one.
CALLBACK = "photobustView"
#: Triangles that a surface is reduced to; a head has its own 20,000.
SURFACE_TRIANGLES = 30_000
#: Confidence up to which a surface's vertices are merged over longer distances: there is no detail.
COARSE_CONFIDENCE = 0.1
#: Side, pixels, of a head's texture.
TEXTURE_SIDE = 1024
#: The same of its hair's.
SHELL_SIDE = 512
#: Of 100.
JPEG_QUALITY = 90
#: Roughness of the materials; the skin's is greater than in head.glb, as the page's light makes it greasy.
ROUGHNESS = {"skin": 0.75, "eyes": 0.15, "mouth": 0.35, "lashes": 0.8}
SURFACE_ROUGHNESS = 0.9
LASHES = "lashes"


@dataclass(frozen=True)
class EncodedImage:
    """An image file to be put inside of a GLB.

    Attributes:
        data: The file's content.
        mime_type: Such as "image/jpeg".
    """

    data: bytes
    mime_type: str


@dataclass(frozen=True)
class PreviewPrimitive:
    """Triangles of one material.

    Attributes:
        positions: (N, 3) float, meters, glTF's frame (y up, the face looks along +z).
        normals: (N, 3) float unit vectors.
        triangles: (M, 3) int.
        uv: (N, 2) float in 0..1, v down, or None.
        colors: (N, 3) float linear, 0..1, or None.
        image: Index into the images, or None.
        roughness: Of the material, 0..1.
        transparent: The image's alpha counts, and both sides are drawn.
    """

    positions: np.ndarray
    normals: np.ndarray
    triangles: np.ndarray
    uv: np.ndarray | None = None
    colors: np.ndarray | None = None
    image: int | None = None
    roughness: float = 0.7
    transparent: bool = False


def head_preview(
    head: "Head", albedo: "Albedo | None", generator: str, hair: "HairGroom | None" = None
) -> bytes:
    """The small model of a head.

    Args:
        head: The head; it is shown as photographed.
        albedo: Its texture, or None, which leaves out the lashes too, as their shape is in the alpha.
        generator: What the file says has made it.
        hair: What stands on the head: its shells are shown.

    Returns:
        view.js.
    """
    topology = head.topology
    if albedo is None:
        return preview_script(head_preview_glb(head.vertices, topology, generator, hair=hair))
    size = len(albedo.image)
    window = lash_window(topology, size)
    left, top, right, bottom = window
    texture = jpeg_image(block_means(albedo.image, TEXTURE_SIDE)[..., :3])
    lashes = png_image(albedo.image[top:bottom, left:right])
    return preview_script(
        head_preview_glb(head.vertices, topology, generator, texture, lashes, np.array(window) / size, hair)
    )


def surface_preview(surface: Surface, generator: str, triangles: int = SURFACE_TRIANGLES) -> bytes:
    """The small model of a surface.

    Args:
        surface: The surface, which is reduced.
        generator: What the file says has made it.
        triangles: About how many are left.

    Returns:
        view.js.
    """
    return preview_script(surface_preview_glb(decimated_surface(surface, triangles), generator))


def preview_script(glb: bytes) -> bytes:
    """view.js: a script that hands a GLB to the page that loads it.

    A script, since browsers let a page that was opened from disk load those, and no other files with data.
    """
    model = base64.b64encode(glb).decode("ascii")
    return f"{CALLBACK}({json.dumps({'version': 1, 'model': model})});\n".encode("ascii")


def decimated_surface(surface: Surface, triangles: int) -> Surface:
    """A surface of about so many triangles, denser where the photo saw it; as it is if it has no more."""
    if len(surface.faces) <= triangles:
        return surface
    vertices = surface.vertices.astype(np.float64)
    coarse = surface.confidence <= COARSE_CONFIDENCE
    clusters = cluster_vertices(vertices, surface.faces, triangles, coarse)
    return Surface(
        clusters.mean(vertices).astype(np.float32),
        clusters.faces,
        np.rint(clusters.mean(surface.colors)).astype(np.uint8),
        clusters.mean(surface.confidence)[:, 0].astype(np.float32),
    )


def surface_preview_glb(surface: Surface, generator: str) -> bytes:
    """GLB of a small surface with its colors."""
    primitive = PreviewPrimitive(
        positions=to_gltf_frame(surface.vertices.astype(np.float64)),
        normals=to_gltf_frame(shading_normals(surface.vertices, surface.faces)),
        triangles=surface.faces,
        colors=linear_of_bytes()[surface.colors],
        roughness=SURFACE_ROUGHNESS,
    )
    return preview_glb([primitive], (), generator, "surface")


def head_preview_glb(
    vertices: np.ndarray,
    topology: HeadTopology,
    generator: str,
    texture: EncodedImage | None = None,
    lashes: EncodedImage | None = None,
    window: Sequence[float] | np.ndarray = (0.0, 0.0, 1.0, 1.0),
    hair: "HairGroom | None" = None,
) -> bytes:
    """GLB of a head.

    Args:
        vertices: (V, 3) float32, head frame, meters.
        topology: The head's.
        generator: What the file says has made it.
        texture: The texture's colors.
        lashes: The part of the texture that shows the lashes, with its alpha; None leaves them out.
        window: Left, top, right, bottom of that part, 0..1 of the texture, v down.
        hair: What stands on the head, or None.

    Returns:
        The file.
    """
    points = to_gltf_frame(vertices.astype(np.float64))
    normals = to_gltf_frame(shading_normals(vertices, topology.triangles))
    images = [image for image in (texture, lashes) if image]
    primitives = []
    for name, parts in MATERIALS.items():
        if name in INDEX_OF_REFRACTION or (name == LASHES and lashes is None):
            continue
        triangles, index, uv, _ = textured_corners(topology, topology.faces_of(*parts))
        uv = uv.astype(np.float64) * (1, -1) + (0, 1)
        image = 0 if texture else None
        if name == LASHES:
            uv = (uv - window[:2]) / (np.array(window[2:]) - window[:2])
            image = len(images) - 1
        primitives.append(
            PreviewPrimitive(
                positions=points[index],
                normals=normals[index],
                triangles=triangles,
                uv=uv,
                image=image,
                roughness=ROUGHNESS[name],
                transparent=name == LASHES,
            )
        )
    for shell in (hair.shell, hair.cover) if hair else ():
        if shell is not None:
            primitives.append(_shell(shell, len(images)))
            images.append(jpeg_image(block_means(shell.texture, SHELL_SIDE)))
    return preview_glb(primitives, images, generator)


def _shell(shell: "HairShell", image: int) -> PreviewPrimitive:
    return PreviewPrimitive(
        positions=to_gltf_frame(shell.vertices.astype(np.float64)),
        normals=to_gltf_frame(shell.normals),
        triangles=shell.triangles,
        uv=shell.uv * (1, -1) + (0, 1),
        image=image,
        roughness=SURFACE_ROUGHNESS,
    )


def lash_window(topology: HeadTopology, side: int) -> tuple[int, int, int, int]:
    """Part of a texture of `side`² pixels that the lashes use: left, top, right, bottom."""
    uv = topology.uv[topology.quad_uv[topology.faces_of(*MATERIALS[LASHES])]].reshape(-1, 2)
    low, high = uv.min(0) * side, uv.max(0) * side
    left, right = int(low[0]) - 1, int(np.ceil(high[0])) + 1
    top, bottom = int(side - high[1]) - 1, int(np.ceil(side - low[1])) + 1
    return max(left, 0), max(top, 0), min(right, side), min(bottom, side)


def block_means(image: np.ndarray, side: int) -> np.ndarray:
    """Shrink a picture by the means of blocks of whole pixels.

    Args:
        image: (S, S, C) uint8.
        side: Aimed at, pixels: the result has at least that and less than twice that, or S where the picture
            is smaller.

    Returns:
        (n, n, C) uint8.
    """
    import cv2

    step = max(image.shape[0] // side, 1)
    size = image.shape[0] // step
    cut = np.ascontiguousarray(image[: size * step, : size * step])
    return cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA)


def jpeg_image(rgb: np.ndarray) -> EncodedImage:
    """Encode a picture as a JPEG.

    Args:
        rgb: (H, W, 3) uint8, sRGB.
    """
    import cv2

    return _encoded(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY], "image/jpeg")


def png_image(rgba: np.ndarray) -> EncodedImage:
    """Encode a picture with its alpha as a PNG.

    Args:
        rgba: (H, W, 4) uint8, sRGB.
    """
    return _encoded(".png", rgba[..., [2, 1, 0, 3]], [], "image/png")


def _encoded(suffix: str, image: np.ndarray, options: list[int], mime_type: str) -> EncodedImage:
    import cv2

    done, data = cv2.imencode(suffix, np.ascontiguousarray(image), options)
    if not done:
        raise ValueError("the image cannot be encoded")
    return EncodedImage(data.tobytes(), mime_type)


def preview_glb(
    primitives: Sequence[PreviewPrimitive],
    images: Sequence[EncodedImage],
    generator: str,
    name: str = "head",
) -> bytes:
    """A quantized GLB of one mesh.

    Args:
        primitives: The mesh's.
        images: Those that the primitives refer to by index.
        generator: What the file says has made it.
        name: Of the node and the mesh.

    Returns:
        The file.
    """
    points = np.concatenate([primitive.positions for primitive in primitives])
    low = points.min(0).astype(float)
    # One scale for all axes: normals would be skewed otherwise.
    scale = max(float((points.max(0) - low).max()), 1e-6)
    writer = GlbWriter()
    document: dict[str, Any] = {
        "extensionsUsed": [QUANTIZATION],
        "extensionsRequired": [QUANTIZATION],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": name, "mesh": 0, "translation": low.tolist(), "scale": [scale] * 3}],
        "meshes": [
            {
                "name": name,
                "primitives": [
                    {**_quantized(writer, primitive, low, scale), "material": k}
                    for k, primitive in enumerate(primitives)
                ],
            }
        ],
        "materials": [_material(primitive) for primitive in primitives],
    }
    if images:
        document["images"] = [
            {"bufferView": writer.add_file(image.data), "mimeType": image.mime_type} for image in images
        ]
        document["textures"] = [{"source": k} for k in range(len(images))]
    return writer.finish(document, generator)


def _quantized(
    writer: GlbWriter, primitive: PreviewPrimitive, low: np.ndarray, scale: float
) -> dict[str, Any]:
    positions = unsigned_shorts((primitive.positions - low) / scale)
    attributes = {
        "POSITION": writer.add_array(positions, bounds=True, normalized=True),
        "NORMAL": writer.add_array(signed_bytes(primitive.normals), normalized=True),
    }
    for key, values in (("TEXCOORD_0", primitive.uv), ("COLOR_0", primitive.colors)):
        if values is not None:
            attributes[key] = writer.add_array(unsigned_shorts(values), normalized=True)
    return {"attributes": attributes, "indices": writer.add_triangles(primitive.triangles, len(positions))}


def _material(primitive: PreviewPrimitive) -> dict[str, Any]:
    shading: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": primitive.roughness}
    if primitive.image is not None:
        shading["baseColorTexture"] = {"index": primitive.image}
    material: dict[str, Any] = {"pbrMetallicRoughness": shading}
    if primitive.transparent:
        material |= {"doubleSided": True, "alphaMode": "BLEND"}
    return material
