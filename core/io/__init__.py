"""Files that a reconstruction leaves: PLY, GLB, npz, manifest."""
