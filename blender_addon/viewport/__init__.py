"""What the 3D view shows."""
