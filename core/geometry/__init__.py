"""Frames, cameras, poses, meshes and rasterizing: nothing here knows faces or networks."""
