"""The light model of a head that the page of a batch shows, from what the engine has made. numpy, no bpy.

A head.glb has five megabytes, of which a page of five hundred heads needs a tenth to look right: the shape as
photographed without the other shapes, and a smaller texture.
"""

import base64
import json

import numpy as np

from ..heads.head_npz import HeadData
from ..heads.ply import SurfaceMesh
from .preview_glb import Part, Picture, write_glb

#: What view.js calls with the model; the page defines it before it loads one.
CALLBACK = "photobustView"
#: As in head_material.py, but for the skin, which a page's plain light would make greasy.
ROUGHNESS = {"skin": 0.75, "eyes": 0.15, "mouth": 0.35, "lashes": 0.8}
LASHES = "lashes"
SURFACE_ROUGHNESS = 0.9


def view_script(glb: bytes) -> bytes:
    """view.js: a script that hands a GLB to the page that loads it.

    A script, since browsers let a page that was opened from disk load those, and no other files with data.
    """
    model = base64.b64encode(glb).decode("ascii")
    return f"{CALLBACK}({json.dumps({'version': 1, 'model': model})});\n".encode("ascii")


def lash_window(data: HeadData, side: int) -> tuple[int, int, int, int] | None:
    """Part of a texture of `side`² pixels that the lashes use: left, top, right, bottom; None without any."""
    faces = _faces_of(data, LASHES)
    if not len(faces):
        return None
    uv = data.uv[data.quad_uv[faces]].reshape(-1, 2)
    low, high = uv.min(0) * side, uv.max(0) * side
    left, right = int(low[0]) - 1, int(np.ceil(high[0])) + 1
    top, bottom = int(side - high[1]) - 1, int(np.ceil(side - low[1])) + 1
    return max(left, 0), max(top, 0), min(right, side), min(bottom, side)


def head_model(
    data: HeadData,
    texture: Picture | None,
    lashes: Picture | None = None,
    window: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0),
) -> bytes:
    """GLB of the head as photographed.

    `lashes` is the part `window` (left, top, right, bottom, in 0..1 of the texture, v down) of the texture,
    with its alpha; without it the lashes are left out.
    """
    points = _turned(data.photo)
    normals = vertex_normals(points, _triangulated(data.quads))
    pictures = [picture for picture in (texture, lashes) if picture]
    parts = []
    for name in data.material_names:
        faces = _faces_of(data, name)
        if not len(faces) or (name == LASHES and not lashes):
            continue
        # A vertex on a seam is there once for each of its texture coordinates.
        corners = np.stack([_triangulated(data.quads[faces]), _triangulated(data.quad_uv[faces])], -1)
        pairs, index = np.unique(corners.reshape(-1, 2), axis=0, return_inverse=True)
        uv = data.uv[pairs[:, 1]] * (1, -1) + (0, 1)
        if name == LASHES:
            uv = (uv - window[:2]) / (np.array(window[2:]) - window[:2])
        parts.append(
            Part(
                positions=points[pairs[:, 0]],
                normals=normals[pairs[:, 0]],
                triangles=index.reshape(-1, 3),
                uv=uv,
                picture=pictures.index(lashes) if lashes and name == LASHES else 0 if texture else None,
                roughness=ROUGHNESS.get(name, 0.7),
                see_through=name == LASHES,
            )
        )
    return write_glb(parts, pictures)


def surface_model(surface: SurfaceMesh) -> bytes:
    """GLB of a surface with its colours; the caller has made it small."""
    points = _turned(surface.vertices)
    part = Part(
        positions=points,
        normals=vertex_normals(points, surface.faces),
        triangles=surface.faces,
        colors=None if surface.colors is None else _linear(surface.colors),
        roughness=SURFACE_ROUGHNESS,
    )
    return write_glb([part], name="surface")


def vertex_normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(N, 3) float unit normals of (N, 3) points: those of the triangles (M, 3) around, by their areas."""
    a, b, c = (points[triangles[:, k]].astype(float) for k in range(3))
    across = np.cross(b - a, c - a)
    normals = np.stack(
        [
            np.bincount(triangles.ravel(), np.repeat(across[:, axis], 3), minlength=len(points))
            for axis in range(3)
        ],
        1,
    )
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.divide(normals, lengths, out=np.tile([0.0, 0.0, 1.0], (len(points), 1)), where=lengths > 0)


def _faces_of(data: HeadData, material: str) -> np.ndarray:
    if material not in data.material_names:
        return np.empty(0, int)
    return np.flatnonzero(data.face_material == data.material_names.index(material))


def _triangulated(quads: np.ndarray) -> np.ndarray:
    """(F, 4) -> (2 F, 3), cut from the first corner to the third."""
    return quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)


def _turned(points: np.ndarray) -> np.ndarray:
    """(N, 3), head frame -> glTF's axes: y up, the face looks along +z."""
    return points[:, [0, 2, 1]] * np.array([1.0, 1.0, -1.0])


def _linear(srgb: np.ndarray) -> np.ndarray:
    """Bytes of sRGB -> linear light in 0..1 (IEC 61966-2-1)."""
    values = srgb.astype(np.float32) / 255.0
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
