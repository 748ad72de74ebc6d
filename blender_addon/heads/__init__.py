"""Reconstructed heads: files read, objects and materials built, exported."""
