"""What a batch makes of each photo, and from what: steps, their options, their fingerprints. No bpy.

A step's fingerprint is the hash of all that its files depend on: the photo, the versions, the options that it
reads, and the fingerprints of the steps it is made from. A file whose step has the same fingerprint as in an
earlier run need not be made again.
"""

import argparse
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..heads.presets import load_preset

#: The engine's steps, all made by one request; the surface is the same with and without the others. "view" is
#: the small model that the page shows.
SURFACE = "surface"
HEAD = "head"
VIEW = "view"
#: The engine's files that are there without a head, too.
SURFACE_FILES = ("surface.ply", "surface.glb", "landmarks.json", "photo.png", "face.json")
VIEW_FILES = ("view.js",)
#: What the request says of the head.
HEAD_OPTIONS = (
    *("head", "texture", "delight", "rig", "uv", "hair", "facial_hair", "beard", "maps", "adjustments"),
)
#: The engine's own choice of UV map, which requests leave out, as they do what is on unless they say no.
DEFAULT_UV = "photobust"
#: Blender's names of the renderers.
RENDERERS = {"workbench": "BLENDER_WORKBENCH", "cycles": "CYCLES"}
#: Stands for a renderer that works here; see `local_processor.RendererChoice`.
AUTO_RENDERER = "auto"
#: Fingerprints are cut to this many hexadecimal digits.
DIGITS = 16


@dataclass(frozen=True)
class StepPlan:
    """A step of the Blender worker.

    Attributes:
        name: As `blender_worker.steps` has it.
        options: As JSON can hold them.
        needs: The steps it is made from.
        late: It has to know the head's final name, and writes outside its folder, so it runs when the head
            is committed, one at a time.
    """

    name: str
    options: dict[str, Any]
    needs: tuple[str, ...]
    late: bool = False


@dataclass(frozen=True)
class BatchPlan:
    """What is made of each photo.

    Attributes:
        focal_mm: 35 mm equivalent focal length of all photos, None for what their EXIF data say.
        max_faces: How many faces are taken from a photo, largest first.
        engine: What the request says beside the photo, as `WorkerClient.reconstruct` takes it as options.
        steps: Of the Blender worker, in the order in which they run.
    """

    focal_mm: float | None = None
    max_faces: int = 10
    engine: dict[str, Any] = field(default_factory=dict)
    steps: tuple[StepPlan, ...] = ()

    @property
    def head(self) -> bool:
        """Whether the animation-ready head is wanted."""
        return bool(self.engine.get("head"))

    @property
    def engine_steps(self) -> tuple[str, ...]:
        """Which of the engine's steps are wanted."""
        wanted = {SURFACE: True, HEAD: self.head, VIEW: bool(self.engine.get("preview_model"))}
        return tuple(step for step in wanted if wanted[step])

    @property
    def names(self) -> tuple[str, ...]:
        """All steps that are wanted."""
        return (*self.engine_steps, *(step.name for step in self.steps))

    def fingerprints(
        self, photo: str | None, engine: Mapping[str, Any], blender_worker: Mapping[str, Any]
    ) -> dict[str, str]:
        """Fingerprints of all steps.

        Args:
            photo: The photo's SHA-256.
            engine: Versions, as the engine reports them.
            blender_worker: Versions, as the Blender worker reports them.

        Returns:
            Step -> fingerprint.
        """
        wanted = [SURFACE, photo, engine.get("version"), engine.get("models"), self.focal_mm, self.max_faces]
        # What people's photos alone can ask for does not change the fingerprints of single ones.
        found = {SURFACE: _digest(*wanted, *(["force"] if self.engine.get("force") else []))}
        if self.head:
            options = {name: self.engine[name] for name in HEAD_OPTIONS if name in self.engine}
            found[HEAD] = _digest(HEAD, found[SURFACE], options)
        if VIEW in self.engine_steps:
            found[VIEW] = _digest(VIEW, found[SURFACE], found.get(HEAD))
        for step in self.steps:
            versions = blender_worker.get("version"), blender_worker.get("blender")
            found[step.name] = _digest(
                step.name, versions, step.options, [found[need] for need in step.needs]
            )
        return found


def files_of(step: str, made: list[str], steps: tuple[str, ...]) -> list[str]:
    """Those of the engine's files that belong to one of the engine's steps that have run."""
    return [name for name in made if _step_of(name, steps) == step]


def _step_of(name: str, steps: tuple[str, ...]) -> str:
    if name in VIEW_FILES and VIEW in steps:
        return VIEW
    return HEAD if HEAD in steps and name not in SURFACE_FILES else SURFACE


def make_plan(options: argparse.Namespace) -> BatchPlan:
    """What the options ask for."""
    around = options.retopo or options.lods
    head = bool(options.head or not options.surface or options.preset or (options.export and not around))
    engine: dict[str, Any] = {}
    if head:
        engine = {
            "head": True,
            "texture": options.texture,
            "delight": not options.keep_light,
            "rig": not options.no_rig,
            "hair": options.hair,
        }
        if options.uv != DEFAULT_UV:
            engine["uv"] = options.uv
        if options.facial_hair != "none":
            engine["facial_hair"] = options.facial_hair
        if options.pins:
            engine["adjustments"] = options.pins
        engine |= {name: False for name in ("beard", "maps") if getattr(options, f"no_{name}")}
    if not options.no_page:
        engine["preview_model"] = True
    if options.same_person:
        engine["force"] = True
    return BatchPlan(options.focal_mm, options.max_faces, engine, tuple(_steps(options, head)))


def _steps(options: argparse.Namespace, head: bool) -> list[StepPlan]:
    renderer = options.renderer
    formats = list(options.export) or ["glb"]
    made = (SURFACE, HEAD) if head else (SURFACE,)
    steps = []
    if not options.no_preview:
        picture = {"size": options.preview_size, "renderer": renderer}
        steps.append(StepPlan("preview", picture, made))
    # The engine makes the GLB itself.
    others = [name for name in options.export if name != "glb"]
    if head and others:
        exported = {"formats": others, "bones": options.bone_names}
        steps.append(StepPlan("export", exported, (HEAD,)))
    if head and options.preset:
        presets = {name: load_preset(name).as_json() for name in options.preset}
        steps.append(StepPlan("preset", {"presets": presets}, (HEAD,)))
    if options.retopo:
        steps.append(StepPlan("retopo", {"quads": options.retopo, "formats": formats}, (SURFACE,)))
    if options.lods:
        source = "head" if head else "surface"
        lods = {"ratios": list(options.lods), "source": source, "formats": formats}
        steps.append(StepPlan("lods", lods, (source,)))
    if options.render:
        views = {"views": list(options.render), "size": options.picture_size, "renderer": renderer}
        steps.append(StepPlan("render", views, made))
    if options.turntable:
        turntable = {
            "frames": options.turntable,
            "size": options.turntable_size,
            "renderer": renderer,
            "video": options.video,
            "fps": options.fps,
        }
        steps.append(StepPlan("turntable", turntable, made))
    if options.asset_library:
        asset = {
            "library": options.asset_library,
            "author": options.author or "",
            "licence": options.licence or "",
            "tags": list(options.tags),
            "description": options.description or "",
            "catalogue": options.catalogue or "",
            "renderer": renderer,
        }
        steps.append(StepPlan("asset", asset, made, late=True))
    return steps


def _digest(*values: Any) -> str:
    text = json.dumps(values, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:DIGITS]
