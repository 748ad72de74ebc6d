"""Stills of a head to show to people. Needs bpy."""

from pathlib import Path
from typing import Any

from ...errors import StepError
from ...render import renderers, stills, subjects
from ..result import StepResult

DESCRIPTIONS = {
    "front": "the {} from the front",
    "threequarter": "the {}, three-quarter, from the side that the photo saw better",
    "side": "the {} from the side that the photo saw better",
    "back": "the {} from behind",
}


def run(folder: Path, options: dict[str, Any]) -> StepResult:
    """Write render_front.png and so on: the textured head as photographed if there is one, else the surface.

    Options: views (of `stills.TURNS`; front, threequarter, side), size (1024, pixels), renderer ("auto"),
    samples (the renderer's).
    """
    views = list(dict.fromkeys(options.get("views") or stills.VIEWS))
    unknown = [view for view in views if view not in stills.TURNS]
    if unknown:
        raise StepError(f"There is no view {unknown[0]!r}: choose from {', '.join(stills.TURNS)}.")
    size = stills.checked_size(options.get("size") or 1024)
    renderer = renderers.named(options.get("renderer") or "auto")
    subject = subjects.of_folder(folder, renderer=renderer)
    names = {view: f"render_{view}.png" for view in views}
    stills.render(
        subject.build,
        {folder / names[view]: subject.observed_side * stills.TURNS[view] for view in views},
        renderer,
        size,
        samples=options.get("samples"),
    )
    files = {names[view]: DESCRIPTIONS[view].format(subject.kind) for view in views}
    return StepResult(files, {"shows": subject.kind, "size": size, "renderer": renderer})
