"""Frames, cameras, poses, meshes and rasterising: nothing here knows faces or networks."""
