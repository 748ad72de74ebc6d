"""A process beside the engine that has bpy: renders and exports what the engine has made. No bpy.

`python -m blender_addon.blender_worker`, or `blender -b --python start.py`, speaks the engine's
protocol. A renderer that hangs or takes its process down costs one try there, and not the batch.
"""
