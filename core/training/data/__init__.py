"""Training samples on disk and in memory."""
