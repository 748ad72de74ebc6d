"""What a head looks like on the way, drawn over the 3D views until its objects are there. Needs bpy.

It is drawn, not made of objects: nothing of it can be selected, saved, or get into the history of undos.
"""

import bpy
from mathutils import Matrix, Vector

from ..blender import compat, redraw
from ..heads.ply import SurfaceMesh, display_colors


class StageOverlay:
    """Draws one mesh in all 3D views until it is removed."""

    def __init__(self, location: Vector) -> None:
        """Show nothing yet.

        Args:
            location: Of the head's origin, in the world.
        """
        self._matrix = Matrix.Translation(location)
        self._mesh: SurfaceMesh | None = None
        self._batch: compat.ColoredMesh | None = None
        self._handler = bpy.types.SpaceView3D.draw_handler_add(self._draw, (), "WINDOW", "POST_VIEW")

    def show(self, mesh: SurfaceMesh) -> None:
        """Show a mesh instead of the last one."""
        if mesh is self._mesh:
            return
        self._mesh, self._batch = mesh, None
        redraw.views()

    def remove(self) -> None:
        """Draw nothing any more. May be called again."""
        if self._handler is not None:
            bpy.types.SpaceView3D.draw_handler_remove(self._handler, "WINDOW")
            self._handler = None
            redraw.views()

    def _draw(self) -> None:
        if self._mesh is None:
            return
        if self._batch is None:
            self._batch = compat.ColoredMesh(
                self._mesh.vertices, self._mesh.faces, display_colors(self._mesh)
            )
        self._batch.draw(self._matrix)
