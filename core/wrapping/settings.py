"""What can be set of the wrap."""

from dataclasses import dataclass

#: (smoothing length, greatest distance of correspondences), meters, of the steps of the non-rigid ICP.
STEPS = ((0.016, 0.015), (0.010, 0.010), (0.006, 0.008), (0.004, 0.006), (0.003, 0.005), (0.002, 0.005))


@dataclass(frozen=True)
class WrapSettings:
    """Settings of a HeadWrapper. Lengths are meters.

    Attributes:
        surface_error: Standard deviation of the surface along its normal.
        unseen_weight: Weight of the surface where the photo does not show it and it is a guess, 0..1.
        linear_rounds: Rounds of the fit of the linear model.
        steps: (smoothing length, greatest distance of correspondences) of the steps of the non-rigid ICP.
        tolerance: Distance from the surface up to which the refinement leaves the head as it is.
        refinement_length: Smoothing length of what the refinement adds.
        refinement_rounds: Rounds of the refinement.
        extra_rounds: Most further rounds, in which what is still too far is pulled harder.
    """

    surface_error: float = 0.0010
    unseen_weight: float = 0.03
    linear_rounds: int = 3
    steps: tuple[tuple[float, float], ...] = STEPS
    tolerance: float = 0.00025
    refinement_length: float = 0.0015
    refinement_rounds: int = 4
    extra_rounds: int = 6
