"""Registration of the head template to the face model."""
