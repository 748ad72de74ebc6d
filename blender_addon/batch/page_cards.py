"""What the page of a batch shows of each head and of each photo that failed. No bpy.

From batch.json's record and the heads' face.json. What another version did not write, what has been removed
since, and what is of another type than it should be is left out of the page and stops nothing.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..blender.atomic_file import is_temporary
from ..blender.png_header import png_size
from ..blender.regular_file import read_regular
from ..heads.manifest import FILE_NAME
from ..heads.verdict import verdict
from . import checked_json
from .person_views import photos_left_out, photos_used
from .record import BatchRecord, HeadRecord, PhotoRecord
from .storage import is_plain_name

#: Words of a verdict, as face.json has them or had them, and the page's for it.
VERDICTS = {"good": "good", "check": "check", "fair": "check", "poor": "poor"}
#: Verdict of a head that has none.
UNRATED = "unrated"
#: Verdict of a photo of which no head came.
FAILED = "failed"
#: Files that are of no interest to people: the page's own model.
LEFT_OUT = ("view.js",)
#: Endings of models, which come first among a head's files.
MODELS = (".glb", ".gltf", ".fbx", ".obj", ".usd", ".usdc", ".blend")
#: Ending of files that are being written.
PARTIAL = ".part"
#: Larger ones are not read.
MAX_FACE_JSON_BYTES = 20_000_000


@dataclass(frozen=True)
class File:
    """A file of a head; `name` is below the head's folder, with "/"."""

    name: str
    size: int
    description: str = ""


@dataclass(frozen=True)
class Card:
    """A head, or a photo of which none came. Unknown figures are None.

    Attributes:
        title: The folder's name, or the photo's if there is no folder.
        photo: The photo's file name.
        verdict: good, check, poor, unrated or failed.
        folder: Below the output folder.
        problem: What went wrong.
        reasons: Of the verdict, a sentence each.
        remarks: Why photos of a person were not used, likewise.
        error_mm: The expected error of the shape.
        spread_mm: Its range.
        yaw: Degrees, positive if the face is turned to the right of the photo.
        pitch: Degrees, positive upward.
        face_px: Height of the face in the photo.
        figures: Further ones: (name, value) in words.
        timings: Seconds by step.
        seconds: What the photo took, all its faces together.
        files: In the folder.
        turntable: File names of the frames.
        has_view: Whether there is a model for the page's 3D view.
        panels: How many square views preview.png has side by side, the photo among them.
        asset: The .blend's name in an asset library.
        asset_path: Where that is below the output folder, with "/", if it is there.
    """

    title: str
    photo: str
    verdict: str
    folder: str | None = None
    problem: str | None = None
    reasons: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    error_mm: float | None = None
    spread_mm: tuple[float, float] | None = None
    yaw: float | None = None
    pitch: float | None = None
    face_px: float | None = None
    figures: tuple[tuple[str, str], ...] = ()
    timings: dict[str, float] = field(default_factory=dict)
    seconds: float | None = None
    files: tuple[File, ...] = ()
    turntable: tuple[str, ...] = ()
    has_view: bool = False
    panels: int = 0
    asset: str | None = None
    asset_path: str | None = None


def cards(out: Path, record: BatchRecord) -> list[Card]:
    """A card for each head and each failed photo, in the record's order."""
    found: list[Card] = []
    library = _below(out, record.options.get("asset_library"))
    for outcome in record.photos.values():
        found += [_head_card(out, outcome, head, library) for head in outcome.heads]
        if not outcome.heads:
            problem = outcome.error or "No face came of it."
            photo = _name(outcome.path)
            found.append(Card(photo, photo, FAILED, problem=problem, seconds=_number(outcome.seconds)))
    return found


def _head_card(out: Path, outcome: PhotoRecord, head: HeadRecord, library: str | None) -> Card:
    folder = out / head.folder
    document = _document(folder / FILE_NAME)
    quality = _dictionary(document.get("quality")) or _dictionary(head.quality)
    pose = _dictionary(document.get("pose"))
    files = _files(folder, _dictionary(document.get("files")))
    grade, reasons = _graded(quality)
    asset = _dictionary(_dictionary(document.get("steps")).get("asset")).get("file")
    asset = str(asset) if is_plain_name(asset) else None
    problem = outcome.error
    if not files:
        problem = problem or f"The folder {head.folder} is no longer here."
    names = {file.name for file in files}
    return Card(
        title=head.folder,
        photo=str(_dictionary(document.get("input")).get("name") or _name(outcome.path)),
        verdict=grade,
        folder=head.folder,
        problem=problem,
        reasons=reasons,
        remarks=tuple(photos_left_out(outcome.views)),
        error_mm=_number(quality.get("expected_error_mm")),
        spread_mm=_pair(quality.get("error_spread_mm")),
        yaw=_number(pose.get("yaw")),
        pitch=_number(pose.get("pitch")),
        face_px=_number(quality.get("face_height_px")),
        figures=tuple(_figures(document, quality, outcome)),
        timings={
            str(k): v for k, v in ((k, _number(v)) for k, v in outcome.timings.items()) if v is not None
        },
        seconds=_number(outcome.seconds),
        files=tuple(file for file in files if file.name not in LEFT_OUT and "turntable/" not in file.name),
        turntable=tuple(sorted(name for name in names if name.startswith("turntable/"))),
        has_view="view.js" in names,
        panels=_panels(folder / "preview.png") if "preview.png" in names else 0,
        asset=asset,
        asset_path=f"{library}/{asset}" if library and asset and (out / library / asset).is_file() else None,
    )


def _graded(quality: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The verdict in the page's word for it, and the reasons, a sentence each."""
    reasons = quality.get("reasons", quality.get("warnings"))
    texts = tuple(str(reason) for reason in reasons) if isinstance(reasons, (list, tuple)) else ()
    given = VERDICTS.get(str(quality.get("verdict")))
    if given is None:
        try:
            own = verdict(quality)
        except (TypeError, ValueError, OverflowError):
            own = None
        given = VERDICTS.get(own.grade.value, UNRATED) if own else UNRATED
    return given, texts


def _figures(
    document: dict[str, Any], quality: dict[str, Any], outcome: PhotoRecord
) -> Iterator[tuple[str, str]]:
    """Further figures in words, for who wants to know more."""
    photo = _dictionary(document.get("input"))
    yield "Photo", str(photo.get("name") or _name(outcome.path))
    if outcome.views:
        yield "Photos", photos_used(outcome.views)
    width, height = _number(photo.get("width")), _number(photo.get("height"))
    if width and height:
        yield "Size of the photo", f"{width:.0f} × {height:.0f} px"
    camera = _dictionary(document.get("camera"))
    focal = _number(camera.get("focal_length_mm35"))
    if focal:
        yield "Focal length", f"{focal:.0f} mm ({camera.get('focal_length_source', 'unknown source')})"
    roll = _number(_dictionary(document.get("pose")).get("roll"))
    if roll is not None:
        yield "Roll", f"{roll:.0f}°"
    seen = _number(quality.get("seen_share"))
    if seen is not None:
        yield "Seen in the photo", f"{100 * seen:.0f} % of the head"
    for name, part, key in (("Surface", "surface", "faces"), ("Head", "head", "quads")):
        count = _number(_dictionary(document.get(part)).get(key))
        if count:
            yield name, f"{count:,.0f} {'triangles' if key == 'faces' else key}"
    version = _dictionary(document.get("generator")).get("version")
    if version:
        yield "Made by", f"Photobust {version}"


def _is_unfinished(name: str) -> bool:
    return name.endswith(PARTIAL) or is_temporary(name)


def _files(folder: Path, described: dict[str, Any]) -> list[File]:
    """What is in the folder and in the folders in it, by name."""
    found: list[File] = []
    for prefix, parent in [("", folder), *_folders(folder)]:
        for entry in _entries(parent):
            name = prefix + entry.name
            if entry.is_file(follow_symlinks=False) and not _is_unfinished(entry.name):
                about = _dictionary(described.get(name)).get("description", "")
                found.append(File(name, entry.stat(follow_symlinks=False).st_size, str(about)))
    return sorted(found, key=lambda file: (not file.name.endswith(MODELS), file.name))


def _folders(folder: Path) -> list[tuple[str, Path]]:
    return [
        (f"{entry.name}/", Path(entry.path))
        for entry in _entries(folder)
        if entry.is_dir(follow_symlinks=False)
    ]


def _entries(folder: Path) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError:
        return []  # gone, or not to be read: the card says so


def _document(path: Path) -> dict[str, Any]:
    try:
        return _dictionary(json.loads(read_regular(path, MAX_FACE_JSON_BYTES)))
    except (OSError, ValueError, RecursionError):
        return {}


def _panels(preview: Path) -> int:
    """Squares side by side in a PNG; 0 if it is none."""
    size = png_size(preview)
    return size[0] // size[1] if size and size[0] % size[1] == 0 else 0


def _below(out: Path, folder: Any) -> str | None:
    """Where a folder is below `out`, with "/"; None if it is elsewhere, where a link would not reach it."""
    try:
        return Path(os.path.abspath(folder)).relative_to(os.path.abspath(out)).as_posix()  # noqa: PTH100 (resolve() would follow links)
    except (TypeError, ValueError, OverflowError):
        return None


def _name(path: str) -> str:
    """File name of a path of this or another system's."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2] or path


def _dictionary(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float | None:
    try:
        return checked_json.number(value)
    except ValueError:
        return None


def _pair(value: Any) -> tuple[float, float] | None:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        return None
    low, high = _number(value[0]), _number(value[1])
    return None if low is None or high is None else (low, high)
