"""Lifting: from detected landmarks and the picture to the head that they most probably show."""
