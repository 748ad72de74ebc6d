"""Write the animation-ready head for other programs. Needs bpy."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, StringProperty
from bpy_extras.io_utils import ExportHelper

from ..errors import AddonError
from ..heads import photographed
from ..heads.bone_names import LABELS
from ..heads.export import SUFFIXES, ExportOptions, export_head
from ..heads.lookup import require_head
from . import polls
from .reporting import report_message, reports_errors

FORMATS = [
    ("glb", "GLB", "glTF: for the web and game engines"),
    ("fbx", "FBX", "For game engines and other 3D programs"),
    ("obj", "OBJ", "For everything; without shapes"),
    ("usd", "USD", "For pipelines; not in every Blender"),
]


@polls.requires(polls.object_mode, polls.head, polls.local_head, polls.animation_ready)
class PHOTOBUST_OT_export_head(bpy.types.Operator, ExportHelper):
    """Write the head with its texture and blendshapes for other programs"""

    bl_idname = "photobust.export_head"
    bl_label = "Export Head"
    bl_options = {"PRESET"}

    filename_ext = ".glb"
    # The file's ending follows from the formats, which may be several.
    check_extension = None

    filter_glob: StringProperty(default="*.glb;*.fbx;*.obj;*.usdc", options={"HIDDEN"})
    directory: StringProperty(
        name="Folder",
        description="Where the files go, under the head's name, if no file is given",
        subtype="DIR_PATH",
        options={"SKIP_SAVE", "HIDDEN"},
    )
    formats: EnumProperty(
        name="Formats", description="What to write", items=FORMATS, options={"ENUM_FLAG"}, default={"glb"}
    )
    scale: FloatProperty(
        name="Scale",
        description="Units in the file for a meter: 1 for meters, 100 for centimeters",
        default=1.0,
        min=0.001,
        max=1000.0,
        soft_max=100.0,
    )
    pivot: EnumProperty(
        name="Origin",
        description="Where the file has its origin",
        items=[
            ("eyes", "Eyes", "Between the eyes' outer corners"),
            ("neck", "Neck", "In the middle of the neck's base, for heads that stand or join a body"),
        ],
        default="eyes",
    )
    shapes: BoolProperty(
        name="Blendshapes",
        description="Write the neutral head with its 52 blendshapes (not OBJ); else the head as it stands",
        default=True,
    )
    apply_modifiers: BoolProperty(
        name="Apply Modifiers",
        description="Write the head with its modifiers; only without blendshapes, which would be lost",
        default=True,
    )
    textures: BoolProperty(
        name="Texture",
        description="Write the texture: into GLB and FBX files, beside OBJ and USD files",
        default=True,
    )
    animation: BoolProperty(
        name="Animation",
        description="Write the animation over the scene's frame range, into GLB and FBX files",
        default=False,
    )
    bones: EnumProperty(
        name="Bone Names",
        description="Whose names the bones get in the file",
        items=[(name, label, f"As {label} names them") for name, label in LABELS.items()],
        default="blender",
    )

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column()
        column.label(text="Formats")
        column.prop(self, "formats")
        column.separator()
        column.prop(self, "scale")
        column.prop(self, "pivot")
        column.prop(self, "shapes")
        row = column.row()
        row.enabled = not self.shapes or "obj" in self.formats
        row.prop(self, "apply_modifiers")
        column.prop(self, "textures")
        column.prop(self, "animation")
        column.prop(self, "bones")

    @reports_errors
    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        head = require_head(context)
        folder = Path(bpy.path.abspath(self.directory or head.photobust.folder))
        if not folder.is_dir():
            folder = Path(bpy.path.abspath("//")) if bpy.data.filepath else Path.home()
        self.filepath = str(folder / f"{bpy.path.clean_name(head.name)}{self._suffix()}")
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def check(self, context: bpy.types.Context) -> bool:
        """Let the file's ending follow the formats that are chosen."""
        path = Path(self.filepath)
        if path.suffix.lower() not in SUFFIXES.values() or not path.stem:
            return False
        wanted = str(path.with_suffix(self._suffix()))
        changed = wanted != self.filepath
        self.filepath = wanted
        return changed

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        if not self.formats:
            raise AddonError("Choose at least one format.")
        head = require_head(context)
        # Amid a correction, too, files have the head's own pose, and no shape of a further photo.
        photographed.restore_all()
        folder, stem = self._target(head)
        options = ExportOptions(
            self.scale,
            self.shapes,
            self.apply_modifiers,
            self.textures,
            bones=self.bones,
            animation=self.animation,
            pivot=self.pivot,
        )
        written: list[Path] = []
        for name, *_ in FORMATS:
            if name in self.formats:
                # Textures bear the head's name: other heads may be exported into the same folder.
                written += export_head(context, head, folder, name, stem, f"{stem}_albedo.png", options)
        names = ", ".join(dict.fromkeys(path.name for path in written))
        report_message(self, "INFO", f"Wrote {names} to {folder}")
        return {"FINISHED"}

    def _target(self, head: bpy.types.Object) -> tuple[Path, str]:
        """The folder, and the name of the files without endings."""
        if self.filepath:
            path = Path(bpy.path.abspath(self.filepath))
            stem = path.stem if path.suffix.lower() in SUFFIXES.values() else path.name
            return path.parent, stem
        folder = Path(bpy.path.abspath(self.directory or head.photobust.folder))
        return folder, bpy.path.clean_name(head.name)

    def _suffix(self) -> str:
        return next((SUFFIXES[name] for name, *_ in FORMATS if name in self.formats), ".glb")
