"""A head as an asset in a library of Blender's. Needs bpy."""

from pathlib import Path
from typing import Any

from ...assets.library import CATALOG, AssetInfo, add_to_library
from ...errors import StepError
from ...render import renderers
from ..result import StepResult


def run(folder: Path, options: dict[str, Any]) -> StepResult:
    """Write a .blend into the library, and its catalog: the head if there is one, else the surface.

    Options: library (its folder, made if need be), name (the face's folder's), tags, author, `licence`,
    description, `catalogue` (a path with "/", or a UUID), renderer ("auto"), for the preview. Nothing is
    written into `folder`.
    """
    library = str(options.get("library") or "")
    if not library:
        raise StepError("Name the folder of the asset library.")
    info = AssetInfo(
        name=str(options.get("name") or folder.resolve().name),
        tags=[str(tag) for tag in options.get("tags") or ()],
        author=str(options.get("author") or ""),
        license=str(options.get("licence") or ""),
        description=str(options.get("description") or ""),
        catalog=str(options.get("catalogue") or CATALOG),
    )
    renderer = renderers.named(options.get("renderer") or "auto")
    asset = add_to_library(folder, Path(library).expanduser().absolute(), info, renderer)
    return StepResult({}, {"file": asset.path.name, "shows": asset.kind, "catalogue": asset.catalog})
