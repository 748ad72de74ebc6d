"""Smooth light in spherical harmonics."""

import numpy as np

#: Scale of Cauchy's weights, in medians of the absolute residuals, and the least one, linear brightness.
RESIDUAL_SCALE = 1.5
SMALLEST_SCALE = 1e-5


def sh_basis(normals: np.ndarray) -> np.ndarray:
    """Real spherical harmonics up to the second order.

    They hold 99 % of what diffuse light does (Ramamoorthi and Hanrahan, An Efficient Representation for
    Irradiance Environment Maps, SIGGRAPH 2001).

    Args:
        normals: (..., 3) unit vectors.

    Returns:
        (..., 9), in the normals' precision.
    """
    x, y, z = np.moveaxis(np.asarray(normals), -1, 0)
    return np.stack(
        [
            np.full_like(x, 0.282095),
            0.488603 * y,
            0.488603 * z,
            0.488603 * x,
            1.092548 * x * y,
            1.092548 * y * z,
            0.315392 * (3 * z * z - 1),
            1.092548 * x * z,
            0.546274 * (x * x - y * y),
        ],
        -1,
    )


def sh_gradient(normals: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """How the brightness in smooth light changes with the normals.

    Args:
        normals: (N, 3) unit vectors.
        coefficients: (9,) of `sh_basis`.

    Returns:
        (N, 3), of the polynomials that `sh_basis` evaluates, not yet along the sphere.
    """
    x, y, z = normals.T
    c = coefficients
    linear = 0.488603 * np.array([c[3], c[1], c[2]])
    quadratic = np.stack(
        [
            1.092548 * (c[4] * y + c[7] * z) + 1.092548 * c[8] * x,
            1.092548 * (c[4] * x + c[5] * z) - 1.092548 * c[8] * y,
            1.092548 * (c[5] * y + c[7] * x) + 1.892352 * c[6] * z,
        ],
        -1,
    )
    return np.asarray(linear + quadratic)


def fit_lighting(
    basis: np.ndarray, brightness: np.ndarray, weight: np.ndarray, regularization: np.ndarray, rounds: int
) -> np.ndarray:
    """Find the smooth light that explains a brightness, by iteratively reweighted least squares.

    Residuals count less the greater they are (Cauchy's weights, scaled by their median), so that brows, beard
    and moles are no shade.

    Args:
        basis: (N, 9) float64, `sh_basis` of the normals.
        brightness: (N,) float64, linear.
        weight: (N,) float64, how much each point counts.
        regularization: (9,) resistance of each coefficient, as a fraction of the total weight.
        rounds: How often the weights are found anew.

    Returns:
        (9,) float64 coefficients.
    """
    current = weight.copy()
    coefficients = np.zeros(basis.shape[1])
    for _ in range(rounds):
        weighted = basis * current[:, None]
        matrix = weighted.T @ basis + np.diag(regularization * current.sum())
        coefficients = np.linalg.solve(matrix, weighted.T @ brightness)
        residual = brightness - basis @ coefficients
        scale = RESIDUAL_SCALE * np.median(np.abs(residual)) + SMALLEST_SCALE
        current = weight / (1 + (residual / scale) ** 2)
    return coefficients
