"""Fitting and training of the models, and their export."""
