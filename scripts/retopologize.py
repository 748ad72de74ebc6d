"""Rebuild any mesh object of a .blend from even quads, with its colors, UVs and weights.

    blender -b file.blend -P scripts/retopologize.py -- --object Face --quads 5000
    python scripts/retopologize.py file.blend --object Face --quads 5000       with the bpy module

The new object lies beside the original, which is hidden, in a copy of the file: file_quads.blend, which is
written over if it is there. --in-place saves to the file itself (Blender keeps the previous one as .blend1).
--out names another .blend, or a .glb, .fbx, .obj, .usdc or .ply, which gets the new object alone.
Exit codes: 0 done, 1 not.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from blender_addon.blender.entry_point import DONE, CommandLineParser, run, with_blender

if TYPE_CHECKING:
    import bpy

SUFFIXES = (".blend", ".glb", ".fbx", ".obj", ".usdc", ".ply")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line as options."""
    about, _, rest = (__doc__ or "").partition("\n\n")
    parser = CommandLineParser(
        "retopologize.py",
        description=about,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    # fmt: off
    add("file", nargs="?", help="the .blend (default: the one that Blender has open)")
    add("--object", metavar="NAME", help="which object (default: the active one, or the only mesh)")
    add("--quads", type=int, default=5000, metavar="N", help="about how many quads (default: 5000)")
    add("--texture", type=int, choices=(0, 1024, 2048, 4096), default=0, metavar="PX",
        help="bake vertex colors into a texture of 1024, 2048 or 4096 pixels, if there are no UVs yet")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--out", type=Path, metavar="FILE",
        help="what to write (default: file_quads.blend beside the file)")
    where.add_argument("--in-place", action="store_true", help="save to the file itself")
    # fmt: on
    options = parser.parse_args(arguments)
    if options.out and options.out.suffix.lower() not in SUFFIXES:
        parser.error(f"--out must end in {', '.join(SUFFIXES)}")
    return options


def main(arguments: Sequence[str]) -> int:
    """Retopologize; returns the exit code."""
    return with_blender("retopologize.py", partial(_retopologize, parse(arguments)))


def _retopologize(options: argparse.Namespace) -> int:
    import bpy

    from blender_addon.blender.blend_file import find_mesh, open_blend
    from blender_addon.errors import StepError
    from blender_addon.mesh import retopology

    context = open_blend(options.file)
    original = find_mesh(context, options.object)
    opened = Path(bpy.data.filepath)
    if not bpy.data.filepath and (options.in_place or not options.out):
        raise StepError("This scene was never saved: say with --out where the result goes.")
    out = options.out or (opened if options.in_place else opened.with_name(f"{opened.stem}_quads.blend"))
    new, report = retopology.retopologize(context, original, options.quads, options.texture)
    retopology.put_beside(context, original, new)
    if report.picture is not None:
        retopology.show_picture(new, report.picture)
    out = out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    _write(context, new, out)
    print(f"{original.name}: {report.quads} quads, in {new.name}")
    for remark in report.remarks():
        print(remark)
    print(out)
    return DONE


def _write(context: "bpy.types.Context", new: "bpy.types.Object", out: Path) -> None:
    """Write the file that is open now, or the new object alone."""
    import bpy

    from blender_addon.errors import ExportError
    from blender_addon.mesh import files as mesh_files

    suffix = out.suffix.lower()
    if suffix == ".ply":
        mesh_files.write_quads(out, new.data)
    elif suffix == ".blend":
        try:
            # Blender writes it under another name first.
            bpy.ops.wm.save_as_mainfile(filepath=str(out), check_existing=False, copy=True)
        except RuntimeError as error:
            raise ExportError(f"{out} cannot be written ({error}): choose another with --out.") from error
    else:
        mesh_files.export_to(context, new, out)


if __name__ == "__main__":
    run(main)
