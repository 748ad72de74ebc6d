"""Reconstructs many photos unattended: what to do, under which names, with which record. No bpy."""
