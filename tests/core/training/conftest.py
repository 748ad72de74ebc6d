"""Training heads for tests: the face model and, once a session, the template registered to it."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
MODELS = ROOT / "models"


@pytest.fixture(scope="session")
def face_model():
    """ICT-FaceKit; tests that need it are skipped without its file."""
    path = Path(os.environ.get("PHOTOBUST_DATA", ROOT.parent / "shared")) / "face_model" / "ict_facekit.npz"
    if not path.is_file():
        pytest.skip(f"no face model at {path}: set PHOTOBUST_DATA to the folder of the training data")
    from core.training.face_models.ict_facekit import FaceModel

    return FaceModel(path)


@pytest.fixture(scope="session")
def registered(face_model, training_run):
    """(registration of the template to the face model, figures of its fit)."""
    from core.training.face_models.registration.correspondence import Registration

    log = (training_run.folder / "stamps" / "registration.log").read_text()
    return Registration.load(training_run.paths.registration), json.loads(log.splitlines()[-1])


@pytest.fixture(scope="session")
def heads(face_model, training_run):
    """Both families of training heads."""
    from core.training.face_models.heads import HeadSource

    return HeadSource(face_model, MODELS, training_run.paths.registration)


@pytest.fixture(scope="session")
def lifter(heads):
    """The trained lifter."""
    from core.lifting.lifter import LandmarkLifter

    return LandmarkLifter.from_pretrained(MODELS, heads.template)


def projected_sample(heads, source: str, seed: int, noise: float = 1.0):
    """A sample with a gray picture, its landmarks the true ones plus noise, px."""
    from core.training.synthesis.cameras import PICTURE_SIZE, sample_scene
    from core.training.synthesis.sample import Sample

    rng = np.random.default_rng(seed)
    identity, expression = (v.astype(np.float16).astype(np.float32) for v in heads.sample(rng, source))
    vertices = heads.vertices(source, identity, expression)
    scene = sample_scene(rng, max_yaw=60)
    points = scene.pose.head_to_camera(heads.template.landmarks(heads.template_vertices(source, vertices)))
    depth = (points[:, 2] - points[:, 2].mean()) * scene.camera.focal_px / points[:, 2].mean()
    landmarks = np.column_stack([scene.camera.project(points), depth]) + rng.normal(0, noise, (478, 3))
    picture = np.full((PICTURE_SIZE, PICTURE_SIZE, 3), 128, np.uint8)
    return Sample(picture, landmarks.astype(np.float32), source, identity, expression, scene)
