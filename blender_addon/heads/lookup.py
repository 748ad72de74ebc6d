"""Finds reconstructed heads, and what is known of them. Needs bpy."""

from functools import lru_cache

import bpy

from ..errors import AddonError
from .armature import MARK
from .face_document import FaceDocument


def active_head(context: bpy.types.Context) -> bpy.types.Object | None:
    """The head that buttons act on: the active object, or the head that it or its armature belongs to."""
    candidate = context.active_object
    while candidate is not None:
        if candidate.photobust.is_head:
            return candidate
        if candidate.type == "ARMATURE" and MARK in candidate:
            return next((child for child in candidate.children if child.photobust.is_head), None)
        candidate = candidate.parent
    return None


def require_head(context: bpy.types.Context) -> bpy.types.Object:
    """The same where there has to be one. Raises AddonError."""
    head = active_head(context)
    if head is None:
        raise AddonError("Select a head that was reconstructed from a photo.")
    return head


def collection_of(ob: bpy.types.Object, scene: bpy.types.Scene) -> bpy.types.Collection:
    """Where what belongs to an object goes: its own collection, or the scene's where that is linked."""
    own = (one for one in ob.users_collection if one.library is None and one.override_library is None)
    return next(own, scene.collection)


def document_of(head: bpy.types.Object) -> FaceDocument:
    """What the engine said of the head; empty if the object does not know."""
    return _document(head.photobust.manifest)


@lru_cache(maxsize=4)
def _document(text: str) -> FaceDocument:
    """The document of a text, which panels and tools ask for at each drawing."""
    try:
        return FaceDocument.parse(text)
    except ValueError:
        return FaceDocument({})


def is_animation_ready(head: bpy.types.Object | None) -> bool:
    """Whether a head is the one with shapes, not a surface."""
    return head is not None and head.type == "MESH" and head.data.shape_keys is not None
