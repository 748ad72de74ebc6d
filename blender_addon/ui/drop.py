"""Photos that are dropped into a 3D view. Needs bpy."""

import bpy

from ..blender import compat

EXTENSIONS = ".jpg;.jpeg;.png;.webp;.heic;.heif;.hif;.tif;.tiff;.bmp;.gif;.jp2;.jxl;.tga;.avif;.psd;.mpo"


def handlers() -> tuple[type, ...]:
    """The class that takes them, where Blender has such a thing."""
    if compat.FILE_HANDLER is None:
        return ()

    class PHOTOBUST_FH_photo(compat.FILE_HANDLER):  # type: ignore[misc, name-defined]
        """Offers the photo's head for a picture that is dropped into a 3D view."""

        bl_idname = "PHOTOBUST_FH_photo"
        bl_label = "Photo to Head (Photobust)"
        bl_import_operator = "photobust.choose_photo"
        bl_file_extensions = EXTENSIONS

        @classmethod
        def poll_drop(cls, context: bpy.types.Context) -> bool:
            return context.area is not None and context.area.type == "VIEW_3D"

    return (PHOTOBUST_FH_photo,)
