"""The step "retopo": the surface in quads, with vertex colors, UVs and a texture. Needs bpy."""

from pathlib import Path
from typing import Any

import bpy

from ...blender.exporters import formats as possible
from ...blender.images import save_png
from ...blender.temporary_data import temporary_blocks
from ...errors import StepError
from ...heads.surface_import import import_surface
from ...mesh import files as mesh_files
from ...mesh.retopology import retopologize
from ..result import StepResult

#: Name of the files written, without their suffixes.
STEM = "retopo"
#: The file in the head's folder that is retopologized.
SURFACE = "surface.ply"
TEXTURE = f"{STEM}.png"
#: A surface has about 1.5 mm between its vertices: 1024 texels a side are 0.5 mm each.
TEXTURE_SIZE = 1024
KINDS = {
    ".glb": "the surface in quads, textured, as glTF (which has triangles; y up, the face looks along +z)",
    ".fbx": "the surface in quads, textured, for other 3D programs (y up, the face looks along +z)",
    ".obj": "the surface in quads, textured (y up, the face looks along +z); with retopo.mtl",
    ".mtl": "materials of retopo.obj",
    ".usdc": "the surface in quads, textured, as USD (z up, the face looks along -y)",
}


def run(folder: Path, options: dict[str, Any]) -> StepResult:
    """Write retopo.ply and retopo.png, and retopo.glb and so on.

    Options: quads (about how many), formats (beside PLY; of glb, fbx, obj, usd), texture (its size, 1024).
    """
    quads, wanted = int(options["quads"]), list(options.get("formats") or ())
    missing = sorted(set(wanted) - set(possible()))
    if missing:
        raise StepError(f"This Blender cannot write {', '.join(missing)}: leave it out.")
    if not (folder / SURFACE).is_file():
        raise StepError(f"There is no {SURFACE} in {folder}: nothing to retopologize.")
    with temporary_blocks():
        surface = bpy.data.objects.new(STEM, import_surface(folder / SURFACE, STEM))
        new, report = retopologize(bpy.context, surface, quads, int(options.get("texture") or TEXTURE_SIZE))
        files = {f"{STEM}.ply": f"the surface in {report.quads} quads, vertex colors, texture coordinates"}
        if report.picture is not None:
            save_png(folder / TEXTURE, report.picture)
            files[TEXTURE] = "texture of the retopologized surface: its vertex colors"
        mesh_files.write_quads(folder / f"{STEM}.ply", new.data, None if report.picture is None else TEXTURE)
        if wanted:
            image = None if report.picture is None else _textured(new.data, folder)
            bpy.context.scene.collection.objects.link(new)
            for path in mesh_files.export(bpy.context, new, folder, STEM, wanted, image):
                files[path.name] = KINDS[path.suffix]
    return StepResult(files, report.facts())


def _textured(mesh: bpy.types.Mesh, folder: Path) -> bpy.types.Image:
    """Give the mesh the picture's material, and take its vertex colors: they would color it twice."""
    image = bpy.data.images.load(str((folder / TEXTURE).absolute()))
    mesh.materials.clear()
    mesh.materials.append(mesh_files.textured_material(STEM, image))
    while mesh.color_attributes:
        mesh.color_attributes.remove(mesh.color_attributes[0])
    return image
