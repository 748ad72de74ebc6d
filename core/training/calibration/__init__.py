"""Fitting the quality report to true errors."""
