"""The options of a batch: command line, configuration file, record of an earlier run. No bpy."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ..blender.entry_point import FAILED, CommandLineParser
from ..errors import BatchError, PresetError, printable
from ..heads.bone_names import NAMINGS
from ..heads.presets import load_preset
from .config import as_arguments, is_inside, read_config
from .console import VERDICTS
from .corrections import read_corrections
from .plan import AUTO_RENDERER, RENDERERS
from .record import FILE_NAME, BatchRecord
from .record_seal import is_sealed

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
#: Options of the result: these alone are kept in the record, and taken from it by --resume. A record may come
#: from anybody, so it names no programs, logs or addresses, nor how long something may take.
OF_THE_RESULT = (
    *("surface", "head", "texture", "keep_light", "no_beard", "no_maps", "uv", "no_rig", "hair"),
    *("facial_hair", "retopo", "lods", "export", "preset", "bone_names"),
    *("no_preview", "preview_size", "render", "picture_size", "turntable", "turntable_size", "video", "fps"),
    *("renderer", "no_page", "focal_mm", "max_faces", "fail_below"),
    *("asset_library", "author", "licence", "tags", "description", "catalogue"),
)


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


def parse(arguments: Sequence[str], about: str, epilog: str) -> argparse.Namespace:
    """All options, from weak to strong: defaults, with --resume the record, --config, the command line.

    Leaves the program if they make no sense.

    Args:
        arguments: Of the command line.
        about: What the help says first.
        epilog: What it says last.
    """
    parser = make_parser(about, epilog)
    given = parser.parse_intermixed_args(list(arguments))
    weaker: list[str] = []
    photos: list[str] = []
    sources, recorded = _sources(parser, given)
    for path, values in sources:
        parser.source = path
        try:
            tokens, named = as_arguments(parser, values, path)
        except BatchError as error:
            parser.error(str(error))
        parser.parse_intermixed_args(tokens)  # so that an error names the file
        weaker += tokens
        photos = named or photos
    parser.source = None
    options = parser.parse_intermixed_args([*weaker, *arguments])
    options.photos = options.photos or photos or recorded
    _check(parser, options)
    if options.asset_library:
        options.asset_library = str(Path.cwd() / Path(options.asset_library).expanduser())
    return options


def _sources(
    parser: BatchParser, given: argparse.Namespace
) -> tuple[list[tuple[Path, dict[str, Any]]], list[str]]:
    """The files that are to be followed, the weaker one first, with what they say; and a record's photos."""
    sources = []
    recorded: list[str] = []
    config: dict[str, Any] = {}
    if given.config:
        try:
            config = read_config(Path(given.config))
        except BatchError as error:
            parser.error(str(error))
    out = given.out or config.get("out")
    if given.resume and isinstance(out, str):
        folder = Path(out) if given.out else Path(given.config).parent / out
        record = BatchRecord.load(folder)
        if not record.options and not given.photos and "photos" not in config:
            parser.error(f"there is no record of an earlier run in {folder}: name the photos, too.")
        recorded = _own_inputs(parser, folder, record, bool(given.photos or config.get("photos")))
        named = given.asset_library or config.get("asset_library")
        sources.append((folder / FILE_NAME, _recorded(parser, folder, record, bool(named))))
    if given.config:
        sources.append((Path(given.config), config))
    return sources, recorded


def _own_inputs(parser: BatchParser, folder: Path, record: BatchRecord, are_named: bool) -> list[str]:
    """The photos that a record names, if this user has named them; leaves if they are needed and are not."""
    if is_sealed(record.inputs, record.inputs_seal):
        return record.inputs
    if record.inputs and not are_named:
        parser.error(
            f"the record in {folder} was not made by you on this computer, so its photos are not read: name "
            f"them again, too ({', '.join(record.inputs)})"
        )
    return []


def _recorded(parser: BatchParser, folder: Path, record: BatchRecord, has_library: bool) -> dict[str, Any]:
    """The options of the result that a record has, without its photos.

    An asset library outside of the output folder has to be named again (`has_library`): files would be
    written there.
    """
    values = {
        name: value
        for name, value in record.options.items()
        if name in OF_THE_RESULT and value not in (None, False, [])
    }
    library = values.pop("asset_library", None)
    if library is None or has_library:
        return values
    path = folder / str(library)
    if not is_inside(folder, path):
        parser.error(
            f"the earlier run put assets into {library}, outside of {folder}: to go on with that, name the "
            "folder again with --asset-library"
        )
    return {**values, "asset_library": path.resolve().relative_to(folder.resolve()).as_posix()}


def _check(parser: BatchParser, options: argparse.Namespace) -> None:
    if not options.photos:
        parser.error(
            "the following arguments are required: photos (or --resume, to go on with an earlier run)"
        )
    if not options.out:
        parser.error("the following arguments are required: --out")
    for name, low, high in (
        ("max_faces", 1, 100),
        ("preview_size", 32, 4096),
        ("picture_size", 32, 8192),
        ("turntable_size", 32, 4096),
        ("turntable", 2, 1000),
        ("fps", 1, 240),
        ("retopo", 100, 1_000_000),
        ("jobs", 1, 256),
    ):
        value = getattr(options, name)
        if value is not None and not low <= value <= high:
            parser.error(f"--{name.replace('_', '-')} must be from {low} to {high}")
    if options.fresh and options.retry_failed:
        parser.error("--fresh makes everything anew, failed photos too: leave out --retry-failed")
    if not options.asset_library:
        for name in ("author", "licence", "tags", "description", "catalogue"):
            if getattr(options, name):
                parser.error(f"--{name} is about assets: name the folder for them with --asset-library")


def make_parser(about: str, epilog: str) -> BatchParser:
    """The command line."""
    parser = BatchParser(
        program_name(), description=about, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    # fmt: off
    add = parser.add_argument
    add("photos", nargs="*", help="photos, or folders: all photos in them, and in the folders in them")
    add("--out", metavar="FOLDER", help="where the heads go; made if need be")
    add("--config", metavar="FILE",
        help="TOML or JSON file with these options by their names, and photos; the command line wins over "
        "it. Paths in it are relative to its folder")

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
        help="brows and, where the photo shows one, beard and mustache as cards or strands, with skin below "
        "them in the texture (default: none: they are in the texture)")
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

    add = parser.add_argument_group("asset library").add_argument
    add("--asset-library", metavar="FOLDER",
        help="put each head, as an asset in a .blend of its own, into this folder of Blender's")
    add("--author", metavar="TEXT", help="who made the assets")
    add("--license", "--licence", dest="licence", metavar="TEXT", help="their license")
    add("--tags", type=_texts, default=(), metavar="LIST", help="their tags, separated by commas")
    add("--description", metavar="TEXT", help="what Blender says of them")
    add("--catalog", "--catalogue", dest="catalogue", metavar="NAME",
        help="their catalog; with / for one inside another")

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
    return parser


def for_record(options: argparse.Namespace) -> dict[str, Any]:
    """The options as batch.json keeps them."""
    kept = {name: value for name, value in vars(options).items() if name in OF_THE_RESULT}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in kept.items()}


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
