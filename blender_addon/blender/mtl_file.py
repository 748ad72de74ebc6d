"""Completes the materials of OBJ files that Blender's exporter writes. No bpy."""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class MtlMaterial:
    """What a material of a file gets beside what Blender writes of it.

    Attributes:
        relief: File name of its normal map, in tangent space, green up; None for none. It becomes `norm`, the
            statement for that: `map_Bump` is for heights, and Blender's importers up to 5.0 take the numbers
            of its file, as of any, for colors.
        refraction: Index of refraction of a clear material; None for others.
        reflection: Factor of its reflection (`Ks`), which readers multiply by its coverage; Blender since 4.0
            takes half of it times what the index reflects.
    """

    relief: str | None = None
    refraction: float | None = None
    reflection: float = 0.5


def completed(data: bytes, materials: Mapping[str, MtlMaterial]) -> bytes:
    """A .mtl file with relief and refraction.

    Args:
        data: The file, as Blender writes it: each material has `Ks`, `Ni` and `illum`.
        materials: By their names in Blender; others stay as they are.

    Returns:
        The file.
    """
    named = {mtl_name(name): material for name, material in materials.items()}
    plain = MtlMaterial()
    material, lines = plain, []
    for line in data.decode("utf-8", "surrogateescape").splitlines(keepends=True):
        key, _, value = line.strip().partition(" ")
        end = line[len(line.rstrip("\r\n")) :]
        if key == "newmtl":
            material = named.get(value, plain)
        if material.refraction is not None and key == "Ni":
            line = f"Ni {material.refraction:.6f}{end}"
        if material.refraction is not None and key == "Ks":
            line = "Ks" + f" {material.reflection:.6f}" * 3 + end
        lines.append(line)
        if material.relief is not None and key == "illum":
            lines.append(f"norm {material.relief}{end}")
    return "".join(lines).encode("utf-8", "surrogateescape")


def mtl_name(name: str) -> str:
    """A material's name in files: they have no spaces."""
    return re.sub(r"[ \t\n\r\v\f]", "_", name)
