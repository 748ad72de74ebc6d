"""Training of Photobust's networks: made pictures of made heads, losses, loops and evaluation."""
