import os
from pathlib import Path

import pytest
from skimage.data import astronaut as astronaut_picture

from core.detection.detector import FaceDetector
from core.template.topology import HeadTopology
from tests.core.head_samples import MODELS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder with portraits and scans; tests that need it are skipped without it."""
    folder = Path(os.environ.get("PHOTOBUST_DATA", ROOT / "../shared"))
    if not (folder / "portraits").is_dir():
        pytest.skip(f"no data in {folder}: set PHOTOBUST_DATA to the folder with portraits/ and scans/")
    return folder


@pytest.fixture(scope="session")
def detector() -> FaceDetector:
    return FaceDetector.from_pretrained()


@pytest.fixture(scope="session")
def topology() -> HeadTopology:
    """The topology of all heads."""
    return HeadTopology.load(MODELS)


@pytest.fixture(scope="session")
def astronaut():
    """(512, 512, 3) uint8: a real portrait, its face about 106 px."""
    return astronaut_picture()
