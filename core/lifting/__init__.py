"""From landmarks and picture to the head prior: shape, expression and pose."""
