"""face.json, the list of what is in a head's folder: adds what is made on Blender's side. No bpy."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

FILE_NAME = "face.json"


def add_file(folder: Path, name: str, description: str) -> None:
    """List the file `name`, which is in `folder`, in the folder's face.json, under the others' licence."""
    path = folder / FILE_NAME
    document = json.loads(path.read_text("utf-8"))
    files = document.setdefault("files", {})
    licences = [file["licence"] for file in files.values() if "licence" in file]
    data = (folder / name).read_bytes()
    files[name] = {
        "description": description,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        **({"licence": licences[0]} if licences else {}),
    }
    partial = path.with_name(FILE_NAME + ".part")
    partial.write_text(_readable(document) + "\n", "utf-8")
    os.replace(partial, path)


def _readable(document: dict[str, Any]) -> str:
    """JSON as the engine writes it: the outer two levels spread over lines, long arrays on one."""

    def inner(value: Any) -> str:
        if not isinstance(value, dict) or not value:
            return json.dumps(value, ensure_ascii=False)
        items = (f"  {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in value.items())
        return "{\n" + ",\n".join(items) + "\n }"

    return "{\n" + ",\n".join(f" {json.dumps(k)}: {inner(v)}" for k, v in document.items()) + "\n}"
