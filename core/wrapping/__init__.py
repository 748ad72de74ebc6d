"""The template wrapped onto the surface: the animation-ready head."""
