"""Panels, which only show what there is. Needs bpy."""
