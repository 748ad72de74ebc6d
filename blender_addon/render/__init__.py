"""Pictures and videos of heads and other objects."""
