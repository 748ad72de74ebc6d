"""Hair: from the photo and the wrapped head to a groom with three products, a shell, cards and strands."""
