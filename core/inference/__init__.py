"""Which program runs the networks."""
