"""Stands in for the engine in tests of its client: the same protocol, no models, answers to order."""
