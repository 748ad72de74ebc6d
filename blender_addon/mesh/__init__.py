"""Mesh processing: cleaning, retopology, unwrapping, baking, levels of detail."""
