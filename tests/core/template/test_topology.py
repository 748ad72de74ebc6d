"""Where the corners of triangles are in the quads that they are cut from."""

import numpy as np

from core.template.topology import triangle_corners


def test_corners_of_triangles_are_those_of_their_quads(topology):
    found = triangle_corners(topology.quads, topology.quads, topology.triangles)
    np.testing.assert_array_equal(found, topology.triangles)
    values = np.array([[10, 20, 30, 40]])
    corners = triangle_corners(values, np.array([[5, 6, 7, 8]]), np.array([[5, 6, 7], [7, 8, 5]]))
    np.testing.assert_array_equal(corners, [[10, 20, 30], [30, 40, 10]])
