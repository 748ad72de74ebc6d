"""Photos in, coloured 3D heads out, unattended.

    python scripts/batch.py photos/ --out heads/                    with the bpy module
    blender -b -P scripts/batch.py -- photos/ --out heads/          with Blender 3.4 or later

Each face gets a folder with surface.ply, surface.glb, landmarks.json, face.json and preview.png; batch.json
tells what was done. Exit codes: 0 all done, 2 some photos failed (each is named with its reason), 1 nothing
could be done.
"""

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from blender_addon.batch.console import Console, summary
from blender_addon.batch.inputs import collect
from blender_addon.batch.record import FILE_NAME, Record
from blender_addon.batch.runner import Batch, Exporter, Previewer, Settings
from blender_addon.engine import find_engine
from blender_addon.errors import AddonError
from blender_addon.worker_client import START_TIMEOUT, WorkerClient

ALL_DONE, NOTHING_DONE, SOME_FAILED, INTERRUPTED = 0, 1, 2, 130
FORMATS = ("glb", "fbx", "obj", "usd")
RENDERERS = {"workbench": "BLENDER_WORKBENCH", "cycles": "CYCLES"}


class Parser(argparse.ArgumentParser):
    """argparse leaves with 2 when it is misused, which here means that some photos failed."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave."""
        self.print_usage(sys.stderr)
        self.exit(NOTHING_DONE, f"{self.prog}: {message}\n")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line as options."""
    about, _, codes = (__doc__ or "").partition("\n\n")
    parser = Parser(
        "batch.py", description=about, epilog=codes, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    # fmt: off
    add("photos", nargs="+", help="photos, or folders: all photos in them, and in the folders in them")
    add("--out", required=True, metavar="FOLDER", help="where the heads go; made if need be")
    add("--focal-mm", type=_positive, metavar="MM",
        help="35 mm equivalent focal length of all photos (default: from EXIF, else 50)")
    add("--max-faces", type=int, default=10, metavar="N",
        help="faces taken from one photo, largest first (default: 10)")
    add("--head", action="store_true",
        help="also make the animation-ready head: quads, texture, 52 face shapes; head.npz and head.glb")
    add("--texture", type=int, choices=(1024, 2048, 4096), default=2048, metavar="PX",
        help="side of the head's texture: 1024, 2048 or 4096 (default: 2048)")
    add("--keep-light", action="store_true", help="leave the photo's light in the head's texture")
    add("--export", type=_formats, default=(), metavar="LIST",
        help="write the head as glb, fbx, obj or usd, or several of them, such as fbx,usd; implies --head")
    add("--no-preview", action="store_true", help="leave out preview.png; this needs no bpy")
    add("--preview-size", type=int, default=512, metavar="PX", help="height of preview.png (default: 512)")
    add("--renderer", choices=("auto", *RENDERERS), default="auto",
        help="for the previews: workbench is quicker but needs OpenGL (default: what works)")
    add("--engine-python", metavar="PATH",
        help="Python that has the engine's packages (default: $PHOTOBUST_PYTHON, else the Python that runs "
        "this, else .venv beside the project)")
    add("--engine-log", metavar="FILE", help="keep the engine's log")
    add("--timeout", type=_positive, default=300.0, metavar="S",
        help="seconds a photo may take (default: 300)")
    # fmt: on
    options = parser.parse_args(arguments)
    if not 1 <= options.max_faces <= 100:
        parser.error("--max-faces must be from 1 to 100")
    if not 32 <= options.preview_size <= 4096:
        parser.error("--preview-size must be from 32 to 4096")
    return options


def main(arguments: Sequence[str]) -> int:
    """Run a batch; returns the exit code."""
    start = time.perf_counter()
    options = parse(arguments)
    console = Console()
    out = Path(options.out)
    try:
        _make_writable(out)
        inputs = collect(options.photos, out)
        if all(item.problem for item in inputs):
            for item in inputs:
                console.line(f"{item.shown}: {item.problem}")
            return NOTHING_DONE
        engine = find_engine(options.engine_python, current=_plain_python())
        with (
            open(options.engine_log or os.devnull, "w", encoding="utf-8") as log,
            WorkerClient(engine, lambda line: print(line, file=log, flush=True)) as client,
        ):
            hello = client.submit("hello")
            # While the engine starts, Blender does, and finds out what it can render with.
            previewer = None if options.no_preview else _previewer(options, console)
            exporter = _exporter(options)
            record = Record.load(out)
            record.engine = hello.wait(START_TIMEOUT)
            record.timings["engine start"] = time.perf_counter() - start
            record.options = {k: v for k, v in vars(options).items() if k not in ("photos", "out")}
            settings = Settings(
                out, options.focal_mm, options.max_faces, options.timeout, _head_options(options)
            )
            batch = Batch(client, settings, console, record, previewer, exporter)
            outcomes = batch.run(inputs)
    except (AddonError, OSError) as error:
        console.line(f"batch.py: {error}")
        return NOTHING_DONE
    console.line(summary(outcomes, options.out, record.timings["engine start"], time.perf_counter() - start))
    console.line(f"Record: {out / FILE_NAME}")
    if not options.engine_log and any(outcome.error_kind == "InternalError" for outcome in outcomes):
        console.line("To see the engine's log, run this again with --engine-log FILE.")
    if not any(outcome.heads for outcome in outcomes):
        return NOTHING_DONE
    return SOME_FAILED if any(outcome.error for outcome in outcomes) else ALL_DONE


def _previewer(options: argparse.Namespace, console: Console) -> Previewer:
    try:
        import bpy  # noqa: F401  (asked for by name, to say what is missing)
    except ImportError as error:
        raise AddonError(
            f"the preview pictures need the bpy module, which {sys.executable} does not have ({error}). "
            "Use .venv/bin/python after `make setup`, or run this inside Blender, or add --no-preview."
        ) from error
    from blender_addon.rendering import CYCLES, WorkbenchProbe, render_preview

    renderer = RENDERERS.get(options.renderer) or WorkbenchProbe().renderer()
    if options.renderer == "auto" and renderer == CYCLES:
        console.line("There is no OpenGL here, so Cycles renders the previews, which takes longer.")

    def preview(surface: Path, photo: Path | None, picture: Path) -> None:
        render_preview(surface, picture, photo=photo, size=options.preview_size, renderer=renderer)

    return preview


def _head_options(options: argparse.Namespace) -> dict[str, Any]:
    """What the engine is told of the animation-ready head; nothing if none is wanted."""
    if not (options.head or options.export):
        return {}
    return {"head": True, "texture": options.texture, "delight": not options.keep_light}


def _exporter(options: argparse.Namespace) -> Exporter | None:
    """What writes the formats that the engine does not: it makes the GLB itself."""
    wanted = [name for name in options.export if name != "glb"]
    if not wanted:
        return None
    try:
        import bpy
    except ImportError as error:
        raise AddonError(
            f"{', '.join(wanted)} are written by the bpy module, which {sys.executable} does not have "
            f"({error}). Use .venv/bin/python after `make setup`, or run this inside Blender."
        ) from error
    from blender_addon.head_export import export_folder, formats

    missing = sorted(set(wanted) - set(formats()))
    if missing:
        raise AddonError(f"this Blender cannot write {', '.join(missing)}: leave it out of --export.")

    def export(folder: Path) -> None:
        export_folder(bpy.context, folder, wanted)

    return export


def _formats(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))
    unknown = sorted(set(names) - set(FORMATS))
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"choose from {', '.join(FORMATS)}, separated by commas")
    return names


def _make_writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise AddonError(
            f"the output folder {out} cannot be written: {error.strerror}. Choose another with --out."
        ) from error


def _plain_python() -> str | None:
    """The running interpreter, None inside Blender, where `sys.executable` may be anything."""
    bpy = sys.modules.get("bpy")
    return None if bpy and bpy.app.binary_path else sys.executable


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be greater than 0")
    return value


def _arguments() -> list[str]:
    # Blender hands its whole command line on: what comes after "--" is for scripts.
    if _plain_python():
        return sys.argv[1:]
    return sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []


if __name__ == "__main__":
    # Inside Blender an exception would end in exit code 0, so everything ends in a code of our own.
    try:
        code = main(_arguments())
    except KeyboardInterrupt:
        print("\nStopped. What was finished is in place.")
        code = INTERRUPTED
    except Exception:
        traceback.print_exc()
        code = NOTHING_DONE
    sys.stdout.flush()
    sys.exit(code)
