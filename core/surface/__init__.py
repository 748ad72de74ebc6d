"""The surface: from the volume to a colored mesh in the head frame, with its landmarks."""
