"""Opens a head in Blender's window: `blender --python open_head.py -- FOLDER NAME`. Needs bpy.

FOLDER has the head's head.npz and, if there are any, its textures and its hair, which are read once. Blender
runs this file outside of any package, in a checkout and where the wheel is installed.
"""

import sys
from importlib import import_module
from pathlib import Path

import bpy

#: Name of the object of Blender's own startup file that the head would stand in.
CUBE_NAME = "Cube"
CUBE_VERTICES = 8


def open_head(folder: Path, name: str) -> bpy.types.Object:
    """Build the head in the scene, in place of the startup file's cube, and turn the 3D views to its face.

    Args:
        folder: Of the head's files.
        name: The object's.

    Returns:
        The object.

    Raises:
        AddonError: The files are damaged.
    """
    package = Path(__file__).resolve().parents[1]
    # Last, so that Blender's own numpy is found before one in the same site-packages.
    sys.path.append(str(package.parent))
    build, hair, head_npz, view3d = (
        import_module(f"{package.name}.{module}")
        for module in ("heads.build", "heads.hair", "heads.head_npz", "viewport.view3d")
    )
    texture = folder / head_npz.TEXTURE
    data = head_npz.read_head(folder / head_npz.FILE_NAME)
    head = build.build_head(data, texture if texture.is_file() else None, bpy.context.scene.collection, name)
    hair.add_hair(head, folder)
    cube = bpy.data.objects.get(CUBE_NAME)
    if cube is not None and cube.type == "MESH" and len(cube.data.vertices) == CUBE_VERTICES:
        bpy.data.objects.remove(cube)
    for ob in bpy.context.selected_objects:
        ob.select_set(False)
    head.select_set(True)
    bpy.context.view_layer.objects.active = head
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                with bpy.context.temp_override(window=window, area=area):
                    view3d.show_colors(bpy.context, head)
                    view3d.frame_from_front(bpy.context, [head], alone=False)
    return head


if __name__ == "__main__":
    given = sys.argv[sys.argv.index("--") + 1 :]
    open_head(Path(given[0]), given[1])
