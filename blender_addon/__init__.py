"""What runs inside Blender: the client of the engine process, import of its results, pictures of them.

Nothing here imports torch or mediapipe: those live in the engine, another process (`python -m core.worker`).
Modules that need `bpy` say so in their first line; the others run in any Python.
"""
