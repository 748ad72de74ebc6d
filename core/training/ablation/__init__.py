"""Variants of the volume network compared at equal cost."""
