"""From the volume to the coloured surface."""
