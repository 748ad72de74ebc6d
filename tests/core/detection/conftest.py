"""What the detector's tests share."""

import pytest

from core.detection.landmarks import FaceLandmarks


@pytest.fixture(scope="session")
def face(detector, astronaut) -> FaceLandmarks:
    """The astronaut's face, from one view."""
    return detector.detect(astronaut, thorough=False)[0]
