"""What runs inside Blender: panel, operators, the client of the engine process, import of its results.

Nothing here imports torch, mediapipe or `core`: those live in the engine, another process
(`python -m core.worker`). Modules that need `bpy` say so in their first line; the others, and this one, run
in any Python.

A room imports only from those above it:

    errors
    blender      what any part needs of Blender; compat has all differences between versions
    engine       find, set up, start and talk to the engine process
    heads        read a result's files, build objects and materials, export
    mesh         retopology, levels of detail, transfer of attributes, baking
    render       stills, turntables, videos
    assets       asset libraries
    viewport     what the 3D view shows; the photo's camera
    animation    face controls, poses, Live Link recordings
    state        session, preferences' values, properties, runs in progress
    ui           panels, preferences
    operators    what the buttons do
    registration
    batch, blender_worker   scripts/batch.py and the Blender processes that it starts; not in the zip
"""

import sys

if "bl_info" in globals():
    # Loaded once more: a legacy Blender has installed an update and reloads this module, but only this one.
    for _name in [name for name in sys.modules if name.startswith(f"{__name__}.")]:
        del sys.modules[_name]
        globals().pop(_name.rpartition(".")[2], None)  # `from . import name` would find the old one here

bl_info = {
    "name": "Photobust",
    "author": "The Photobust authors",
    "version": (0, 3, 0),
    "blender": (3, 4, 0),
    "location": "3D View > Sidebar > Photobust",
    "description": "One photo in, a colored 3D head out",
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
