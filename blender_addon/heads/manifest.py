"""face.json, the list of what is in a head's folder: adds what is made on Blender's side. No bpy."""

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ..blender.atomic_file import written_atomically
from ..blender.regular_file import read_regular
from ..errors import SurfaceFileError

FILE_NAME = "face.json"
MAX_FILE_BYTES = 20_000_000


def add_file(folder: Path, name: str, description: str) -> None:
    """List the file `name`, which is in `folder`, in the folder's face.json, under the others' license."""
    document = read(folder)
    _list(document, folder, name, description)
    write(folder, document)


def add_step(folder: Path, step: str, files: Mapping[str, str], facts: Mapping[str, Any]) -> None:
    """List what a step has made: `files` (name -> description), and its facts under "steps"."""
    document = read(folder)
    for name, description in files.items():
        _list(document, folder, name, description)
    if facts:
        document.setdefault("steps", {})[step] = dict(facts)
    write(folder, document)


def adopt(folder: Path, older: Mapping[str, Any], files: Collection[str], steps: Collection[str]) -> None:
    """List files and steps in the folder's face.json as `older`, an earlier face.json of it, has them."""
    document = read(folder)
    listed = document.setdefault("files", {})
    listed |= {name: about for name, about in older.get("files", {}).items() if name in files}
    facts = {name: about for name, about in older.get("steps", {}).items() if name in steps}
    if facts:
        document["steps"] = document.get("steps", {}) | facts
    write(folder, document)


def forget(folder: Path, files: Collection[str], steps: Collection[str]) -> None:
    """Take files and steps that are no longer there off the folder's face.json."""
    document = read(folder)
    for part, names in (("files", files), ("steps", steps)):
        kept = {name: about for name, about in document.get(part, {}).items() if name not in names}
        if kept or part in document:
            document[part] = kept
    write(folder, document)


def read(folder: Path) -> dict[str, Any]:
    """The folder's face.json. Raises SurfaceFileError."""
    path = folder / FILE_NAME
    try:
        document = json.loads(read_regular(path, MAX_FILE_BYTES).decode("utf-8"))
        if not isinstance(document, dict):
            raise ValueError("it is no JSON object")
        for name in ("files", "steps"):
            part = document.get(name) or {}
            if not isinstance(part, dict) or not all(isinstance(about, dict) for about in part.values()):
                raise ValueError(f"{name} is no JSON object of objects")
    except (OSError, ValueError, RecursionError) as error:
        raise SurfaceFileError(
            f"{path} is missing or damaged ({error}). Reconstruct the photo anew."
        ) from error
    return document


def _list(document: dict[str, Any], folder: Path, name: str, description: str) -> None:
    files = document.setdefault("files", {})
    licenses = [file["licence"] for file in files.values() if "licence" in file]
    data = (folder / name).read_bytes()
    files[name] = {
        "description": description,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        **({"licence": licenses[0]} if licenses else {}),
    }


def write(folder: Path, document: dict[str, Any]) -> None:
    """Write the folder's face.json, complete or not at all."""
    with written_atomically(folder / FILE_NAME) as partial:
        partial.write_text(_readable(document) + "\n", "utf-8")


def _readable(document: dict[str, Any]) -> str:
    """JSON as the engine writes it: the outer two levels spread over lines, long arrays on one."""

    def inner(value: Any) -> str:
        if not isinstance(value, dict) or not value:
            return json.dumps(value, ensure_ascii=False)
        items = (f"  {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in value.items())
        return "{\n" + ",\n".join(items) + "\n }"

    return "{\n" + ",\n".join(f" {json.dumps(k)}: {inner(v)}" for k, v in document.items()) + "\n}"
