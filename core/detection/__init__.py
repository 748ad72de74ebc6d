"""Faces and their landmarks in photos."""
