"""What runs inside Blender: panel, operators, the client of the engine process, import of its results.

Nothing here imports torch, mediapipe or `core`: those live in the engine, another process
(`python -m core.worker`). Modules that need `bpy` say so in their first line; the others, and this one, run
in any Python.
"""

bl_info = {
    "name": "Photobust",
    "author": "The Photobust authors",
    "version": (0, 1, 0),
    "blender": (3, 4, 0),
    "location": "3D View > Sidebar > Photobust",
    "description": "One photo in, a coloured 3D head out",
    "category": "Import-Export",
}


def register() -> None:
    """Called by Blender when the add-on is switched on."""
    from . import registration

    registration.register()


def unregister() -> None:
    """Called by Blender when the add-on is switched off, and when Blender ends."""
    from . import registration

    registration.unregister()
