"""A camera that sees a head just as the photo does, with the photo behind it. Needs bpy."""

import math

import bpy
from mathutils import Matrix, Vector

from ..heads.face_document import PhotoCamera
from ..heads.lookup import collection_of

#: Diagonal of 35 mm film, mm: with a sensor of that diagonal, Blender shows the focal length as EXIF has it.
FILM_DIAGONAL_MM = 43.27
#: OpenCV's camera axes (y down, z forward) -> Blender's (y up, z backward).
CV_TO_BLENDER = Matrix(((1, 0, 0), (0, -1, 0), (0, 0, -1)))
#: Nearest and farthest that the camera sees, in distances of the head.
CLIP_RANGE = (0.05, 100.0)
#: The custom property of a camera that says through which of the head's photos it looks.
VIEW = "photobust_view"


def camera_matrix(head_world: Matrix, camera: PhotoCamera) -> Matrix:
    """World matrix of the camera that took the photo.

    Args:
        head_world: The head's world matrix: moved, turned, and scaled alike in all directions.
        camera: The photo's camera, in the head frame.

    Returns:
        The matrix, of a camera in Blender's axes: it looks along its -z, y is up.
    """
    rotation = Matrix(camera.rotation.tolist())
    # camera = rotation @ head + translation, solved for the camera's own place and axes in the head frame.
    center = rotation.transposed() @ -Vector(camera.translation.tolist())
    axes = rotation.transposed() @ CV_TO_BLENDER
    world = head_world.to_quaternion().to_matrix() @ axes
    return Matrix.Translation(head_world @ center) @ world.to_4x4()


def set_lens(data: bpy.types.Camera, camera: PhotoCamera) -> None:
    """Focal length and principal point; the sensor is laid out for a picture of the photo's shape."""
    data.type = "PERSP"
    data.sensor_fit = "HORIZONTAL"
    data.sensor_width = FILM_DIAGONAL_MM * camera.width / math.hypot(camera.width, camera.height)
    data.lens_unit = "MILLIMETERS"
    data.lens = camera.focal_px * data.sensor_width / camera.width
    # Shifts are in widths of the sensor. Pixel centers are at whole numbers, so the picture's middle is at
    # (size - 1) / 2; the lens is shifted toward where the principal point is not.
    data.shift_x = ((camera.width - 1) / 2 - camera.cx) / camera.width
    data.shift_y = (camera.cy - (camera.height - 1) / 2) / camera.width


def set_resolution(scene: bpy.types.Scene, camera: PhotoCamera) -> None:
    """Render pictures of the photo's size."""
    render = scene.render
    render.resolution_x, render.resolution_y = camera.width, camera.height
    render.resolution_percentage = 100
    render.pixel_aspect_x = render.pixel_aspect_y = 1.0


def set_background(data: bpy.types.Camera, image: bpy.types.Image, depth: str, alpha: float) -> None:
    """Lay the photo behind the view (`depth` BACK), or over it (FRONT)."""
    data.show_background_images = True
    data.background_images.clear()
    background = data.background_images.new()
    background.image = image
    background.display_depth = depth
    background.alpha = alpha
    # The render has the photo's shape: this leaves no rounding to Blender.
    background.frame_method = "STRETCH"


def photo_behind(head: bpy.types.Object) -> None:
    """Lay the photo behind the view through a head's camera, if it lay over it."""
    owner = head.photobust.camera
    for background in owner.data.background_images if owner is not None and owner.type == "CAMERA" else ():
        background.display_depth, background.alpha = "BACK", 1.0


def shown_view(head: bpy.types.Object) -> int:
    """Through which of its photos a head's camera looks: as Match Camera counts them, 0 for the main one."""
    owner = head.photobust.camera
    return int(owner.get(VIEW, 0)) if owner is not None else 0


def match_camera(
    scene: bpy.types.Scene, head: bpy.types.Object, camera: PhotoCamera, image: bpy.types.Image
) -> bpy.types.Object:
    """Give a head its photo's camera, and let the scene use it. The head stays where it is.

    Args:
        scene: Its camera and its resolution are set.
        head: The head; a camera of its own that it has already is set anew.
        camera: The photo's camera.
        image: The photo, which is laid behind the view.

    Returns:
        The camera's object.
    """
    owner, name = head.photobust.camera, f"{head.name} camera"
    if owner is None or owner.type != "CAMERA" or (owner.name != name and _is_of_another(owner, head)):
        owner = bpy.data.objects.new(name, bpy.data.cameras.new(name))
        head.photobust.camera = owner
    if owner.name not in scene.objects:
        collection_of(head, scene).objects.link(owner)
    set_lens(owner.data, camera)
    owner.matrix_world = camera_matrix(head.matrix_world, camera)
    distance = Vector(camera.translation.tolist()).length * head.matrix_world.median_scale
    owner.data.clip_start, owner.data.clip_end = (distance * factor for factor in CLIP_RANGE)
    owner.data.display_size = 0.1 * distance
    set_background(owner.data, image, "BACK", 1.0)
    set_resolution(scene, camera)
    scene.camera = owner
    return owner


def _is_of_another(owner: bpy.types.Object, head: bpy.types.Object) -> bool:
    """Whether another head has the same camera: one that this was duplicated from."""
    heads = [ob for ob in bpy.data.objects if ob != head and ob.users_collection]
    return any(ob.photobust.camera == owner for ob in heads)
