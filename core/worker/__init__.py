"""The engine as a process: JSON lines in, JSON lines out."""
