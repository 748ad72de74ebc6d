"""Hair to measure with: styles whose volume and strands are known."""
