"""The two families of training heads, ICT-FaceKit's and MakeHuman's, behind one interface."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ...errors import PhotobustError
from ...template.template import HeadTemplate, read_template
from ..paths import DataPaths
from .atlas import EYE_TILE_RADIUS, TILE_HALF, TILES, atlas_uv, corner_uv, unwrap
from .ict_facekit import OUTER_EYE_CORNERS, FaceModel
from .registration.correspondence import Registration

#: The families of heads.
ICT = "ict"
MAKEHUMAN = "makehuman"
#: Parts of the template that are drawn, and the atlas tile of each that is not skin.
RENDERED_PARTS = {
    "skin": None,
    "inner": "mouth_socket",
    "eye_left": "eyeball_left",
    "eye_right": "eyeball_right",
    "teeth_upper": "teeth",
    "teeth_lower": "teeth",
    "tongue": "gums_and_tongue",
}


@dataclass(frozen=True)
class RenderMesh:
    """triangles (T, 3) int32, corner_uv (T, 3, 2) float32 atlas, part (T,) int8: what the renderer needs."""

    triangles: np.ndarray
    corner_uv: np.ndarray
    part: np.ndarray


class HeadSource:
    """Heads of both models: random ones, and those of a sample's coefficients.

    Args:
        model: ICT-FaceKit.
        models_dir: folder with the template.
        registration: file of the template's registration to the face model.
    """

    @classmethod
    def from_paths(cls, paths: DataPaths) -> "HeadSource":
        """The heads of the files in their usual folders.

        Raises:
            PhotobustError: the face model or the registration is missing; says what makes it.
        """
        if not paths.registration.is_file():
            raise PhotobustError(
                f"There is no registration at {paths.registration}. Make it with "
                "scripts/training/register_template.py first."
            )
        return cls(FaceModel(paths.face_model), paths.models, paths.registration)

    def __init__(self, model: FaceModel, models_dir: Path, registration: Path) -> None:
        self.model = model
        self.template = HeadTemplate.load(models_dir)
        self._registration = Registration.load(registration)
        data = read_template(models_dir)
        self._identity = data["identity"].astype(np.float32) * data["identity_scale"][:, None, None]
        self._blendshapes = data["units"].astype(np.float32)
        self.blendshape_names = [str(n) for n in data["unit_names"]]
        quads, quad_part = data["quads"], data["face_part"]
        part_names = [str(n) for n in data["part_names"]]
        self._skin = np.unique(quads[quad_part == part_names.index("skin")])
        self._corners = self.template.ibug68[list(OUTER_EYE_CORNERS)]
        self.drawn = {
            ICT: RenderMesh(
                model.triangles, corner_uv(atlas_uv(model), model.triangles), model.triangle_part
            ),
            MAKEHUMAN: self._drawn_template(quads, quad_part, part_names),
        }

    def _drawn_template(self, quads: np.ndarray, quad_part: np.ndarray, part_names: list[str]) -> RenderMesh:
        fitted = self.to_template(self.model.mean)
        uv = unwrap(fitted).astype(np.float32)
        keep = np.isin(quad_part, [part_names.index(n) for n in RENDERED_PARTS])
        for name, tile in RENDERED_PARTS.items():
            if tile is None:
                continue
            used = np.setdiff1d(np.unique(quads[quad_part == part_names.index(name)]), self._skin)
            points = fitted[used][:, [0, 2]].astype(np.float64)
            low, high = points.min(0), points.max(0)
            half = np.full(2, EYE_TILE_RADIUS) if name.startswith("eye") else (high - low) / 2
            offset = np.clip((points - (low + high) / 2) / half, -1, 1) * [1, -1]
            uv[used] = np.array(TILES[tile]) + offset * TILE_HALF
        quads, quad_part = quads[keep], quad_part[keep]
        triangles = np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]]).astype(np.int32)
        # Parts are numbered as the face model's: 0 and 1 skin, others by what they show.
        numbers = np.array(
            [
                0 if (tile := RENDERED_PARTS.get(name)) is None else self.model.part_names.index(tile)
                for name in part_names
            ]
        )
        return RenderMesh(triangles, corner_uv(uv, triangles), np.tile(numbers[quad_part], 2).astype(np.int8))

    def to_template(self, vertices: np.ndarray) -> np.ndarray:
        """The template in the shape of a head of the face model.

        Args:
            vertices: (V_model, 3) vertices of a head of the face model, head frame, meters.

        Returns:
            (V, 3) float32 vertices of the template, head frame, meters.
        """
        return self._registration.to_template(vertices[None], self.model.triangles)[0].astype(np.float32)

    def sample(self, rng: np.random.Generator, source: str) -> tuple[np.ndarray, np.ndarray]:
        """Random coefficients of a head.

        Args:
            rng: random numbers.
            source: `ICT` or `MAKEHUMAN`.

        Returns:
            Identity (100,) and expression (57,) coefficients; MakeHuman uses the first 60 and 52.
        """
        if source == ICT:
            identity = rng.normal(size=len(self.model.identity)) * rng.choice([0.7, 1.0, 1.15])
            return identity, self.model.sample_expression(rng)
        identity, expression = np.zeros(len(self.model.identity)), np.zeros(len(self.model.expression_names))
        # At 1 the modifiers of MakeHuman combine to caricatures.
        identity[: len(self._identity)] = 0.75 * rng.normal(size=len(self._identity))
        weights = self.model.sample_expression(rng)
        for name, weight in zip(self.model.expression_names, weights, strict=True):
            apple = name.replace("_L", "Left").replace("_R", "Right")
            apple = apple if apple in self.blendshape_names else name[:-2]
            if apple in self.blendshape_names:
                index = self.blendshape_names.index(apple)
                expression[index] = max(expression[index], weight)
        return identity, expression

    def vertices(self, source: str, identity: np.ndarray, expression: np.ndarray) -> np.ndarray:
        """The vertices of a head in its own model's numbering.

        Args:
            source: `ICT` or `MAKEHUMAN`.
            identity: (100,) coefficients.
            expression: (57,) coefficients.

        Returns:
            (V, 3) float32, head frame, meters, at the average head's size.
        """
        if source == ICT:
            return self.model.head(identity, expression).vertices
        mean = self.template.vertices
        neutral = mean + np.tensordot(identity[: len(self._identity)].astype(np.float32), self._identity, 1)
        a, b = neutral[self._skin] - neutral[self._skin].mean(0), mean[self._skin] - mean[self._skin].mean(0)
        size = np.float32((a * b).sum() / (a * a).sum())
        active = np.flatnonzero(expression[: len(self._blendshapes)])
        weights = expression[active].astype(np.float32)
        vertices = (neutral + np.tensordot(weights, self._blendshapes[active], 1)) * size
        return (vertices - neutral[self._corners].mean(0) * size).astype(np.float32)

    def solid(self, source: str, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The closed head: what is voxelized.

        Args:
            source: `ICT` or `MAKEHUMAN`.
            vertices: (N, 3) of a head in its own model's numbering, any frame and unit.

        Returns:
            Vertices (N', 3), in the same frame, and triangles (S, 3) int32, outward.
        """
        if source == ICT:
            return vertices, self.model.solid
        return self.template.solid(vertices), self.template.solid_triangles

    def template_vertices(self, source: str, vertices: np.ndarray) -> np.ndarray:
        """The template in the shape of a head.

        Args:
            source: `ICT` or `MAKEHUMAN`.
            vertices: (N, 3) float32 of the head in its own model's numbering, head frame, meters.

        Returns:
            (V, 3) float32 vertices of the template, head frame, meters.
        """
        return self.to_template(vertices) if source == ICT else vertices

    @cached_property
    def _template_basis(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Carrying is affine: its constant (V, 3), and what it makes of the face model's mean and of its
        moves.
        """
        constant = self.to_template(np.zeros_like(self.model.mean))
        moves = np.concatenate([self.model.identity, self.model.expression])
        return (
            constant,
            self.to_template(self.model.mean) - constant,
            np.stack([self.to_template(m) - constant for m in moves]),
        )

    def template_of(self, source: str, identity: np.ndarray, expression: np.ndarray) -> np.ndarray:
        """`template_vertices` of `vertices`, ten times faster, for the many heads of the lifter's fit.

        Args:
            source: `ICT` or `MAKEHUMAN`.
            identity: (100,) coefficients.
            expression: (57,) coefficients.

        Returns:
            (V, 3) float32 vertices of the template, head frame, meters.
        """
        if source != ICT:
            return self.vertices(source, identity, expression)
        constant, mean, moves = self._template_basis
        weights = np.concatenate([identity, expression]).astype(np.float32)
        corners = self.model.mean[self.model.corners].mean(0)
        corners = corners + np.tensordot(
            identity.astype(np.float32), self.model.identity[:, self.model.corners], 1
        ).mean(0)
        shape = (mean + np.tensordot(weights, moves, 1) - corners) * self.model.size(identity)
        return (shape + constant).astype(np.float32)
