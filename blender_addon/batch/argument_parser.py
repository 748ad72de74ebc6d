"""The command line of a batch. No bpy."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from ..blender.entry_point import FAILED, CommandLineParser
from ..errors import PresetError, printable
from ..heads.bone_names import NAMINGS
from ..heads.presets import load_preset
from .console import VERDICTS
from .corrections import read_corrections
from .plan import AUTO_RENDERER, RENDERERS

#: Formats that heads can be exported in.
FORMATS = ("glb", "fbx", "obj", "usd")
#: Views that pictures can be rendered from.
VIEWS = ("front", "threequarter", "side", "back")
#: Sides that a head's texture can have, texels.
TEXTURES = (1024, 2048, 4096)
#: UV maps that textures can be painted for.
UV_MAPS = ("photobust", "makehuman")
#: What hair can be shown as.
HAIR_PRODUCTS = ("none", "shell", "cards", "strands")
#: What brows and beard can be shown as.
FACIAL_HAIR_PRODUCTS = ("none", "cards", "strands")
#: Frames of a turntable if no number is given.
FRAMES = 36


def program_name() -> str:
    """What messages call the program: as it was started, inside Blender and in a plain Python."""
    return "photobust" if Path(sys.argv[0]).stem == "photobust" else "batch.py"


class BatchParser(CommandLineParser):
    """A parser of arguments that may come from a file.

    Attributes:
        source: The file; None for the command line.
    """

    source: Path | None = None

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, in which file, and leave."""
        if self.source is None:
            super().error(message)
        self.exit(FAILED, printable(f"{self.prog}: {self.source}: {message}") + "\n")


def make_parser(about: str, epilog: str) -> BatchParser:
    """The command line.

    Args:
        about: What the help says first.
        epilog: What it says last.
    """
    parser = BatchParser(
        program_name(), description=about, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for add_options in (
        _add_files,
        _add_products,
        _add_pictures,
        _add_assets,
        _add_photos,
        _add_running,
        _add_programs,
    ):
        add_options(parser)
    return parser


# fmt: off
def _add_files(parser: BatchParser) -> None:
    """Photos, output folder, configuration."""
    add = parser.add_argument
    add("photos", nargs="*", help="photos, or folders: all photos in them, and in the folders in them")
    add("--out", metavar="FOLDER", help="where the heads go; made if need be")
    add("--config", metavar="FILE",
        help="TOML or JSON file with these options by their names, and photos; the command line wins over "
        "it. Paths in it are relative to its folder")


def _add_products(parser: BatchParser) -> None:
    """What is made of a photo."""
    add = parser.add_argument_group("what to make (default: surface, head, preview, page)").add_argument
    add("--surface", action="store_true", help="the surface; alone: without a head")
    add("--head", action="store_true",
        help="the animation-ready head: quads, texture, 52 blendshapes; head.npz and head.glb")
    add("--texture", type=int, choices=TEXTURES, default=2048, metavar="PX",
        help="side of the head's texture: 1024, 2048 or 4096 (default: 2048)")
    add("--keep-light", action="store_true",
        help="leave the photo's light, exposure and white balance in the head's texture")
    add("--no-beard", action="store_true", help="no beard in the texture; the skin below it is a guess")
    add("--no-maps", action="store_true", help="no maps of normals, roughness, occlusion and thickness")
    add("--uv", choices=UV_MAPS, default=UV_MAPS[0],
        help="the UV map that the texture is painted for: the project's own, with a large face (default), or "
        "MakeHuman's; a head has both")
    add("--no-rig", action="store_true", help="a head without bones")
    add("--hair", choices=HAIR_PRODUCTS, default="cards",
        help="the head's hair: none, a closed shell, cards on it, or strands too (default: cards)")
    add("--facial-hair", choices=FACIAL_HAIR_PRODUCTS, default="none",
        help="brows and, where the photo shows one, beard and mustache as cards or strands, on those of the "
        "texture; with --no-beard on bare skin (default: none: they are in the texture alone)")
    add("--retopo", type=int, metavar="N", help="the surface in about N quads, with its colors as a texture")
    add("--lods", type=_ratios, default=(), metavar="LIST",
        help="coarser versions with these fractions of the faces, such as 1.0,0.5,0.25")
    add("--export", type=_names(FORMATS), default=(), metavar="LIST",
        help="write glb, fbx, obj or usd, or several of them, such as fbx,usd: the head, and what --retopo "
        "and --lods make (these: glb if nothing is said)")

    add("--preset", type=_presets, default=(), metavar="LIST",
        help="write the head as programs want it: unity, unreal, metahuman, web, vrm, blender, or presets of "
        "your own, several with commas; docs/handoff.md says what is in them")
    add("--bone-names", choices=tuple(NAMINGS), default="blender",
        help="whose names the bones get in what --export writes (default: blender)")


def _add_pictures(parser: BatchParser) -> None:
    """What is rendered."""
    add = parser.add_argument_group("pictures").add_argument
    add("--no-preview", action="store_true", help="leave out preview.png")
    add("--preview-size", type=int, default=512, metavar="PX", help="height of preview.png (default: 512)")
    add("--render", type=_names(VIEWS), default=(), metavar="LIST",
        help="pictures from the front, threequarter, side or back, or several of them, such as front,side")
    add("--picture-size", type=int, default=1024, metavar="PX",
        help="side of the pictures of --render (default: 1024)")
    add("--turntable", type=_frames, nargs="?", const=FRAMES, metavar="N",
        help=f"N pictures once around the head, and a film of them (default: {FRAMES})")
    add("--turntable-size", type=int, default=512, metavar="PX", help="their side (default: 512)")
    add("--video", choices=("auto", "ffmpeg", "blender", "none"), default="auto",
        help="what makes the film (default: what is there)")
    add("--fps", type=int, default=24, metavar="N", help="pictures a second of the film (default: 24)")
    add("--renderer", choices=(AUTO_RENDERER, *RENDERERS), default=AUTO_RENDERER,
        help="workbench is quicker but needs OpenGL (default: what works)")
    add("--no-page", action="store_true", help="leave out index.html, the page to look through the heads")


def _add_assets(parser: BatchParser) -> None:
    """What a library of assets says."""
    add = parser.add_argument_group("asset library").add_argument
    add("--asset-library", metavar="FOLDER",
        help="put each head, as an asset in a .blend of its own, into this folder of Blender's")
    add("--author", metavar="TEXT", help="who made the assets")
    add("--license", "--licence", dest="licence", metavar="TEXT", help="their license")
    add("--tags", type=_texts, default=(), metavar="LIST", help="their tags, separated by commas")
    add("--description", metavar="TEXT", help="what Blender says of them")
    add("--catalog", "--catalogue", dest="catalogue", metavar="NAME",
        help="their catalog; with / for one inside another")


def _add_photos(parser: BatchParser) -> None:
    """How photos are read."""
    add = parser.add_argument_group("photos").add_argument
    add("--person", action="store_true",
        help="each folder that is named holds photos of one person, of which one head is made")
    add("--person-per-folder", action="store_true",
        help="the same of each folder with photos inside those that are named")
    add("--same-person", action="store_true",
        help="all photos of a person certainly show that person: use each of them, for the texture, too")
    add("--focal-mm", type=_positive, metavar="MM",
        help="35 mm equivalent focal length of all photos (default: from EXIF, else 50)")
    add("--pins", type=read_corrections, default=(), metavar="FILE",
        help="repeat what was corrected of heads by hand: what Save Corrections wrote, or a head's face.json")
    add("--max-faces", type=int, default=10, metavar="N",
        help="faces taken from one photo, largest first (default: 10)")


def _add_running(parser: BatchParser) -> None:
    """How the batch runs."""
    add = parser.add_argument_group("running").add_argument
    add("--jobs", type=int, default=1, metavar="N",
        help="photos in work at the same time, each with an engine and a Blender (default: 1)")
    add("--scheduler", metavar="ADDRESS",
        help="have the workers of a Dask cluster do the photos, such as tcp://HOST:8786; docs/batch.md says "
        "how to set one up")
    add("--resume", action="store_true",
        help="go on with the run that OUT/batch.json records: its photos and what it made of them, unless "
        "others are named")
    add("--verify", action="store_true",
        help="compare photos and results with what is recorded of them by their hashes, not only by size and "
        "time")
    add("--fresh", action="store_true", help="make everything anew, also what is there already")
    add("--retry-failed", action="store_true", help="try photos again that failed in an earlier run")
    add("--fail-below", choices=VERDICTS[1:],
        help="end with code 2 if a head's verdict is below this")
    add("--timeout", type=_positive, default=300.0, metavar="S",
        help="seconds the engine may take for a photo (default: 300)")
    add("--blender-timeout", "--studio-timeout", type=_positive, default=600.0, metavar="S",
        help="seconds Blender may take for a step of a head (default: 600)")


def _add_programs(parser: BatchParser) -> None:
    """Which programs do the work."""
    add = parser.add_argument_group("programs").add_argument
    add("--engine-python", metavar="PATH",
        help="Python that has the engine's packages (default: $PHOTOBUST_PYTHON, else the Python that runs "
        "this, else .venv beside the project)")
    add("--blender", metavar="PATH",
        help="Blender, or a Python with the bpy module, for pictures and exports (default: what runs this, "
        "else .venv beside the project, else blender)")
    add("--engine-log", metavar="FILE", help="keep the engine's log")
    add("--blender-log", "--studio-log", metavar="FILE", help="keep Blender's log")


# fmt: on


def _names(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    def parse_names(text: str) -> tuple[str, ...]:
        names = tuple(name.lower() for name in _texts(text))
        if not names or not set(names) <= set(known):
            raise argparse.ArgumentTypeError(f"choose from {', '.join(known)}, separated by commas")
        return names

    return parse_names


def _presets(text: str) -> tuple[str, ...]:
    names = _texts(text)
    for name in names:
        try:
            load_preset(name)
        except PresetError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
    return names


def _texts(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _ratios(text: str) -> tuple[float, ...]:
    try:
        ratios = tuple(float(part) for part in _texts(text))
    except ValueError:
        ratios = ()
    if not ratios or not all(0 < ratio <= 1 for ratio in ratios):
        raise argparse.ArgumentTypeError(
            "name fractions above 0 and up to 1, separated by commas: 1.0,0.5,0.25"
        )
    return ratios


def _frames(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of pictures: write --turntable {FRAMES}, or the photos before it"
        ) from None


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be greater than 0")
    return value
