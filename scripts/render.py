"""Pictures and a turntable of any mesh object in a .blend.

    blender -b file.blend -P scripts/render.py -- --object Face --views front,side --turntable 36 --out DIR
    python scripts/render.py file.blend --object Face --out DIR            with the bpy module

The object is shown in its own materials, as it stands in its scene, in soft light before a gray backdrop; the
file is not changed. OUT gets render_front.png and so on, turntable/000.png and so on, turntable.mp4.
Exit codes: 0 done, 1 not.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from blender_addon.blender.entry_point import DONE, CommandLineParser, run, with_blender

ALL = ("front", "threequarter", "side", "back")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line as options."""
    about, _, rest = (__doc__ or "").partition("\n\n")
    parser = CommandLineParser(
        "render.py", description=about, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    # fmt: off
    add("file", nargs="?", help="the .blend (default: the one that Blender has open)")
    add("--object", metavar="NAME", help="which object (default: the active one, or the only mesh)")
    add("--out", required=True, metavar="FOLDER", help="where the pictures go; made if need be")
    add("--views", type=_views, metavar="LIST",
        help=f"{', '.join(ALL)}, or several of them, separated by commas (default: the first three, unless "
        "there is a turntable)")
    add("--turntable", type=int, nargs="?", const=36, metavar="N",
        help="N pictures once around, and a film of them (default: 36)")
    add("--turn", type=float, default=0.0, metavar="DEGREES",
        help="turn the object first, if what looks along -y is not its front")
    add("--size", type=int, default=1024, metavar="PX", help="side of the pictures (default: 1024)")
    add("--turntable-size", type=int, default=512, metavar="PX",
        help="side of the turntable's pictures (default: 512)")
    add("--transparent", action="store_true", help="no backdrop; not for the turntable")
    add("--video", choices=("auto", "ffmpeg", "blender", "none"), default="auto",
        help="what makes the film (default: what is there)")
    add("--fps", type=int, default=18, metavar="N", help="pictures a second of the film (default: 18)")
    add("--renderer", choices=("auto", "workbench", "cycles", "eevee"), default="auto",
        help="workbench is quick but shows only textures and colors; cycles shows every material (default: "
        "workbench where it works and shows this object's materials, else cycles)")
    add("--samples", type=int, metavar="N", help="a pixel's samples, for cycles and eevee")
    # fmt: on
    options = parser.parse_args(arguments)
    if options.samples is not None and options.samples < 1:
        parser.error("--samples must be at least 1")
    if not 1 <= options.fps <= 240:
        parser.error("--fps must be from 1 to 240")
    if options.views is None:
        options.views = () if options.turntable else ALL[:3]
    return options


def main(arguments: Sequence[str]) -> int:
    """Render; returns the exit code."""
    return with_blender("render.py", partial(_render, parse(arguments)))


def _render(options: argparse.Namespace) -> int:
    from blender_addon.blender.blend_file import find_mesh, open_blend
    from blender_addon.render import renderers, stills, subjects, turntable

    size = stills.checked_size(options.size)
    turntable_size = stills.checked_size(options.turntable_size)
    if options.turntable is not None:
        turntable.checked_frames(options.turntable)
    context = open_blend(options.file)
    ob = find_mesh(context, options.object)
    subject = subjects.of_object(context, ob, options.turn)
    renderer = renderers.CYCLES
    if options.renderer != "auto" or subject.faithful:
        renderer = renderers.named(options.renderer)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    if options.views:
        turns = {
            out / f"render_{view}.png": subject.observed_side * stills.TURNS[view] for view in options.views
        }
        stills.render(
            subject.build, turns, renderer, size, samples=options.samples, transparent=options.transparent
        )
        for path in turns:
            print(path)
    if options.turntable is not None:
        pictures, film, said = turntable.render(
            subject.build,
            out,
            renderer,
            frames=options.turntable,
            size=turntable_size,
            samples=options.samples,
            way=options.video,
            fps=options.fps,
        )
        print(f"{pictures[0]} to {pictures[-1].name}")
        print(film if film else "No film." if said == "none" else f"No film: {said}")
    return DONE


def _views(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))
    if not names or set(names) - set(ALL):
        raise argparse.ArgumentTypeError(f"choose from {', '.join(ALL)}, separated by commas")
    return names


if __name__ == "__main__":
    run(main)
