"""Over which of its photos a head is corrected. Needs bpy."""

import bpy

from ..heads.correctable_photos import CorrectablePhoto, correctable_photos
from . import session


def chosen_photo(head: bpy.types.Object) -> CorrectablePhoto:
    """The photo over which a head is corrected: the main one unless another was chosen."""
    number = session.current().corrected_photos.get(head.name, 0)
    photos = correctable_photos(head)
    return next((photo for photo in photos if photo.number == number), photos[0])
