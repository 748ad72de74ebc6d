"""A page on one's own machine on which a photo becomes a head: `photobust serve`, or `python -m web_app`.

The server hands out the page, takes photos, and has the engine's process, which it keeps warm, make heads of
them, one after the other. It knows the engine through its protocol only, and no Blender.
"""
