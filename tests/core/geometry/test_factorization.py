"""Systems that are solved in an order found once, beside numpy's solution."""

import numpy as np
import trimesh
from scipy.sparse import diags

from core.geometry.factorization import SymmetricSolver
from core.geometry.mesh import cotangent_laplacian


def test_systems_of_a_pattern_are_solved():
    ball = trimesh.creation.icosphere(2)
    laplacian, area = cotangent_laplacian(ball.vertices, ball.faces)
    energy = laplacian.T @ laplacian
    solver = SymmetricSolver(energy + diags(area))
    for weight in (0.01, 3.0):
        matrix, right = energy + weight * diags(area), ball.vertices**3
        expected = np.linalg.solve(matrix.toarray(), right)
        np.testing.assert_allclose(solver.solve(matrix, right), expected, atol=1e-8)
