"""Faces in motion: recordings, poses, groups of shapes, where eyes look."""
