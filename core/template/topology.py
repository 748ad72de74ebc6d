"""What every wrapped head shares: MakeHuman's quads, two UV maps, parts, blendshapes, symmetry.

Read from `models/head_template.npz`; `scripts/build/head_template.py` documents its arrays.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..geometry.mesh import neighbor_mean
from .eye_surfaces import with_eye_surfaces
from .template import read_template

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

#: Parts in the file's order; the skin's own vertices end where those that only other parts have begin.
SKIN = "skin"
INNER = "inner"
EYE_LEFT = "eye_left"
EYE_RIGHT = "eye_right"
TEETH_UPPER = "teeth_upper"
TEETH_LOWER = "teeth_lower"
TONGUE = "tongue"
LASHES = "lashes"
CORNEA_LEFT = "cornea_left"
CORNEA_RIGHT = "cornea_right"
TEARS_LEFT = "tears_left"
TEARS_RIGHT = "tears_right"
#: Parts that are not skin, by what they are together.
EYES = (EYE_LEFT, EYE_RIGHT)
TEETH_AND_TONGUE = (TEETH_UPPER, TEETH_LOWER, TONGUE)
CORNEAS = (CORNEA_LEFT, CORNEA_RIGHT)
TEARS = (TEARS_LEFT, TEARS_RIGHT)
#: Parts that are clear: they have no texture and hide nothing.
CLEAR = (*CORNEAS, *TEARS)
#: Names of the UV maps: the template's own, and MakeHuman's, which skins made for MakeHuman fit.
OWN_UV = "UVMap"
MAKEHUMAN_UV = "MakeHuman"


@dataclass(frozen=True, eq=False)  # the same only if it is the same object: it can be a key
class HeadTopology:
    """The topology of all heads, and the average head's shape models.

    Attributes:
        vertices: (V, 3) float32, the average head, head frame, meters.
        quads: (F, 4) int32 into the vertices, counterclockwise from outside.
        uv: (U, 2) float32, v up: the map that the head's textures are painted for.
        quad_uv: (F, 4) int32 into uv.
        second_uv: (W, 2) float32, v up: the other map.
        second_quad_uv: (F, 4) int32 into second_uv.
        uv_names: Names of the two maps, OWN_UV and MAKEHUMAN_UV.
        face_part: (F,) int8 into part_names.
        part_names: Names of the parts.
        mirror: (V,) int32, each vertex's counterpart on the other side.
        blendshape_names: 52, Apple's.
        blendshapes: (52, V, 3) float32 offsets of the average head, meters.
        identity: (K, V, 3) float32 meters: a random MakeHuman head is vertices + sum of c_k identity[k] with
            c ~ N(0, 1).
        landmark: (478,) int32, the vertex nearest to each of MediaPipe's landmarks.
        ibug68: (68,) int32, iBUG's landmarks.
        lid_left: (28,) int32, a loop at which the skin ends.
        lid_right: (28,) int32, the same.
        lips: (38,) int32, the same.
        neck: (42,) int32, the same.
        openness: (V,) float32, 0 (enclosed) to 1 (open): ambient occlusion of the average head.
        thickness: (V,) float32, meters behind the skin of the average head, at most 0.02.
        origin: (V,) int32, the vertex of the template that each one is, or is like: the template's own come
            first (`eye_surfaces` adds the others).
        template_corners: (C,) int32, what each corner 4 q + c of the template's quads is here.
    """

    vertices: np.ndarray
    quads: np.ndarray
    uv: np.ndarray
    quad_uv: np.ndarray
    second_uv: np.ndarray
    second_quad_uv: np.ndarray
    uv_names: tuple[str, str]
    face_part: np.ndarray
    part_names: tuple[str, ...]
    mirror: np.ndarray
    blendshape_names: tuple[str, ...]
    blendshapes: np.ndarray
    identity: np.ndarray
    landmark: np.ndarray
    ibug68: np.ndarray
    lid_left: np.ndarray
    lid_right: np.ndarray
    lips: np.ndarray
    neck: np.ndarray
    openness: np.ndarray
    thickness: np.ndarray
    origin: np.ndarray
    template_corners: np.ndarray

    @classmethod
    def load(cls, models_dir: Path) -> "HeadTopology":
        """Read `head_template.npz` from the folder of the models, and add the eyes' surfaces."""
        return with_eye_surfaces(cls.of(read_template(models_dir)))

    @classmethod
    def template(cls, models_dir: Path) -> "HeadTopology":
        """Read `head_template.npz` as it is: what models are built for, without the eyes' surfaces."""
        return cls.of(read_template(models_dir))

    @classmethod
    def of(cls, data: Mapping[str, np.ndarray]) -> "HeadTopology":
        """From the arrays of `head_template.npz`: the template alone, without the eyes' surfaces."""
        return cls(
            vertices=data["vertices"],
            quads=data["quads"],
            uv=data["uv"],
            quad_uv=data["quad_uv"],
            second_uv=data["makehuman_uv"],
            second_quad_uv=data["makehuman_quad_uv"],
            uv_names=(OWN_UV, MAKEHUMAN_UV),
            face_part=data["face_part"],
            part_names=tuple(str(name) for name in data["part_names"]),
            mirror=data["mirror"],
            blendshape_names=tuple(str(name) for name in data["unit_names"]),
            blendshapes=data["units"].astype(np.float32),
            identity=data["identity"].astype(np.float32) * data["identity_scale"][:, None, None],
            landmark=data["landmarks478"],
            ibug68=data["ibug68"],
            lid_left=data["lid_left"],
            lid_right=data["lid_right"],
            lips=data["lips"],
            neck=data["neck"],
            openness=data["openness"].astype(np.float32),
            thickness=data["thickness"].astype(np.float32),
            origin=np.arange(len(data["vertices"]), dtype=np.int32),
            template_corners=np.arange(data["quads"].size, dtype=np.int32),
        )

    def painted_for(self, name: str) -> "HeadTopology":
        """The same with another of its UV maps first: the one that textures are painted for.

        Args:
            name: One of `uv_names`.

        Returns:
            The topology, itself if that map is first already.

        Raises:
            ValueError: There is no map of that name.
        """
        if name == self.uv_names[0]:
            return self
        if name != self.uv_names[1]:
            raise ValueError(f"a head has the UV maps {' and '.join(self.uv_names)}, not {name}")
        return replace(
            self,
            uv=self.second_uv,
            quad_uv=self.second_quad_uv,
            second_uv=self.uv,
            second_quad_uv=self.quad_uv,
            uv_names=self.uv_names[::-1],
        )

    def faces_of(self, *parts: str) -> np.ndarray:
        """(n,) indices of the quads of these parts."""
        return np.flatnonzero(np.isin(self.face_part, [self.part_names.index(part) for part in parts]))

    def vertices_of(self, *parts: str) -> np.ndarray:
        """(n,) indices of the vertices of these parts' quads; skin and inner share the loops between them."""
        return np.unique(self.quads[self.faces_of(*parts)])

    @cached_property
    def opaque(self) -> np.ndarray:
        """(F,) bool, quads that hide what is behind them: lashes and clear parts do not."""
        clear = [k for k, name in enumerate(self.part_names) if name in (LASHES, *CLEAR)]
        return ~np.isin(self.face_part, clear)

    def blendshape_index(self, name: str) -> int:
        """Index of a blendshape by Apple's name."""
        return self.blendshape_names.index(name)

    @cached_property
    def triangles(self) -> np.ndarray:
        """(2 F, 3) int32: quad k is triangles 2 k and 2 k + 1, split alike on both sides of the face."""
        a, b, c, d = self.quads.T
        first = np.linalg.norm(self.vertices[a] - self.vertices[c], axis=1)
        second = np.linalg.norm(self.vertices[b] - self.vertices[d], axis=1)
        # Rounded, so that a quad and its mirror image fall on the same side despite rounding errors.
        along = (np.round(first, 7) <= np.round(second, 7))[:, None]
        one = np.where(along, np.stack([a, b, c], 1), np.stack([a, b, d], 1))
        two = np.where(along, np.stack([a, c, d], 1), np.stack([b, c, d], 1))
        return np.stack([one, two], 1).reshape(-1, 3)

    @cached_property
    def neighbor_mean(self) -> "csr_matrix":
        """(V, V) sparse: means over the neighbors of each vertex."""
        return neighbor_mean(self.triangles, len(self.vertices))


def rim_halves(vertices: np.ndarray, loop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split a loop of vertices around an eye or the mouth in its upper and its lower half.

    Args:
        vertices: (V, 3) of the average head, head frame, meters.
        loop: (L,) int, in order around the opening.

    Returns:
        The vertices of the upper and of the lower half, without the two corners.
    """
    points = vertices[loop]
    order = np.roll(np.arange(len(loop)), -int(points[:, 0].argmax()))
    turn = int(points[order][:, 0].argmin())
    halves = sorted((order[1:turn], order[turn + 1 :]), key=lambda half: -points[half][:, 2].mean())
    return loop[halves[0]], loop[halves[1]]


def triangle_corners(values: np.ndarray, quads: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """What belongs to the corners of quads, for the corners of the triangles that they are cut into.

    Args:
        values: (F, 4), of the quads' corners.
        quads: (F, 4) int, vertices.
        triangles: (2F, 3) int, vertices; two of each quad, one after the other.

    Returns:
        (2F, 3).
    """
    pairs = triangles.reshape(-1, 2, 3)
    corner = (quads[:, None, :, None] == pairs[:, :, None, :]).argmax(2)
    return np.take_along_axis(values[:, None, :].repeat(2, 1), corner, 2).reshape(-1, 3)
