"""A head turning once around, as pictures and as a video. Needs bpy."""

from pathlib import Path
from typing import Any

from ...errors import StepError
from ...render import renderers, stills, subjects, turntable, video
from ..result import StepResult


def run(folder: Path, options: dict[str, Any]) -> StepResult:
    """Write turntable/000.png and so on, and turntable.mp4.

    Options: frames (36), size (512, pixels), renderer ("auto"), samples (the renderer's), video ("auto",
    "ffmpeg", "blender", "none"), fps (18).
    """
    way, fps = str(options.get("video") or "auto"), int(options.get("fps") or turntable.FPS)
    if way not in video.WAYS:
        raise StepError(f"A video cannot be made by {way!r}: choose from {', '.join(video.WAYS)}.")
    if not 1 <= fps <= 240:
        raise StepError(f"A video can have 1 to 240 pictures a second, not {fps}.")
    size = stills.checked_size(options.get("size") or turntable.SIZE)
    frames = turntable.checked_frames(options.get("frames") or turntable.FRAMES)
    renderer = renderers.named(options.get("renderer") or "auto")
    subject = subjects.of_folder(folder, smooth=size > subjects.SMALL)
    pictures, made, said = turntable.render(
        subject.build,
        folder,
        renderer,
        frames=frames,
        size=size,
        samples=options.get("samples"),
        way=way,
        fps=fps,
    )
    files = {
        path.relative_to(folder).as_posix(): f"the {subject.kind} turned by {k * 360 / frames:g} degrees"
        for k, path in enumerate(pictures)
    }
    if made is not None:
        files[made.name] = f"the {subject.kind} turning once around, {frames} pictures, H.264"
    facts = {"shows": subject.kind, "frames": frames, "size": size, "renderer": renderer, "video": said}
    return StepResult(files, facts)
