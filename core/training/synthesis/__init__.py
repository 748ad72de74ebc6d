"""Synthetic training pictures."""
