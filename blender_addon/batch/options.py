"""The options of a batch: command line, configuration file, record of an earlier run. No bpy."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import BatchError
from .argument_parser import BatchParser, make_parser
from .config import as_arguments, is_inside, read_config
from .record import FILE_NAME, BatchRecord
from .record_seal import is_sealed

#: Options of the result: these alone are kept in the record, and taken from it by --resume. A record may come
#: from anybody, so it names no programs, logs or addresses, nor how long something may take.
OF_THE_RESULT = (
    *("surface", "head", "texture", "keep_light", "no_beard", "no_maps", "uv", "no_rig", "hair"),
    *("facial_hair", "retopo", "lods", "export", "preset", "bone_names"),
    *("no_preview", "preview_size", "render", "picture_size", "turntable", "turntable_size", "video", "fps"),
    *("renderer", "no_page", "focal_mm", "max_faces", "fail_below"),
    *("asset_library", "author", "licence", "tags", "description", "catalogue"),
)


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
        try:
            record = BatchRecord.load(folder)
        except BatchError as error:
            parser.error(str(error))
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


def for_record(options: argparse.Namespace) -> dict[str, Any]:
    """The options as batch.json keeps them."""
    kept = {name: value for name, value in vars(options).items() if name in OF_THE_RESULT}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in kept.items()}
