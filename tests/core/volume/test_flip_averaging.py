"""Mirror averaging, and that the same photo gives the same bytes."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.reconstructor import Reconstructor
from core.reconstructor.inputs import as_photo, camera_of
from core.volume.flip_averaging import FlipAveragedPredictor, mirrored_guidance
from core.volume.guidance import MAPS, Guidance, build_guidance
from tests.core.stand_ins import TemplatePredictor, stand_in_reconstructor

ROOT = Path(__file__).resolve().parents[3]
#: Prints the hash of a head's surface, landmarks and colors; argument: threads.
ONCE = """
import hashlib, sys
import skimage.data
from core.reconstructor import Reconstructor
head = Reconstructor.from_pretrained(threads=int(sys.argv[1])).reconstruct(skimage.data.astronaut())[0]
surface = head.surface
parts = surface.vertices, surface.faces, surface.colors, surface.confidence, head.landmark_points
print(hashlib.sha256(b"".join(p.tobytes() for p in parts)).hexdigest())
"""


@pytest.fixture(scope="module")
def guidance() -> Guidance:
    rng = np.random.default_rng(0)
    return Guidance(
        rng.normal(size=(MAPS, 192, 192)).astype(np.float32),
        rng.normal(size=(200, 192, 192)).astype(np.float32),
    )


def test_twice_mirrored_is_itself(guidance):
    again = mirrored_guidance(mirrored_guidance(guidance))
    np.testing.assert_array_equal(again.maps, guidance.maps)
    np.testing.assert_array_equal(again.template_logits, guidance.template_logits)
    assert (mirrored_guidance(guidance).maps[0, 0, 0], mirrored_guidance(guidance).maps[1, 0, 0]) == (
        -guidance.maps[0, 0, -1],
        guidance.maps[1, 0, -1],
    )


def test_what_ignores_sides_is_left_alone(guidance):
    crop = np.zeros((192, 192, 3), np.uint8)
    once = TemplatePredictor().predict(crop, guidance)
    np.testing.assert_allclose(
        FlipAveragedPredictor(TemplatePredictor()).predict(crop, guidance), once, atol=1e-6
    )


def test_both_predictions_count_where_they_belong(guidance):
    """A predictor that answers with what it sees: the mean is symmetric where the input is."""

    class Red:
        def predict(self, crop, guidance):
            return np.repeat(crop[None, :, :, 0].astype(np.float32), 200, 0) * (guidance.maps[0] > 0)

    crop = np.random.default_rng(1).integers(0, 255, (192, 192, 3), dtype=np.uint8)
    volume = FlipAveragedPredictor(Red()).predict(crop, guidance)
    # Every pixel is seen by exactly one of the predictions, as x changes its sign between them.
    np.testing.assert_allclose(volume[7], crop[..., 0] * 0.5)


def test_the_guidance_of_a_mirrored_face_is_the_mirrored_guidance(astronaut):
    """The sign of x is right: guidance drawn for the flipped photo looks like the flipped guidance."""
    reconstructor = stand_in_reconstructor()
    both = []
    for rgb in (astronaut, np.ascontiguousarray(astronaut[:, ::-1])):
        face = reconstructor.detector.detect(rgb, max_faces=1)[0]
        lifted = reconstructor.lifter.lift(face, camera_of(as_photo(rgb), None), rgb)
        both.append(build_guidance(face.points, lifted, reconstructor.lifter))
    flipped = mirrored_guidance(both[0])
    for k in range(3):
        here = (flipped.maps[k] != 0) & (both[1].maps[k] != 0)
        assert here.sum() > 2000
        assert np.corrcoef(flipped.maps[k][here], both[1].maps[k][here])[0, 1] > 0.98


@pytest.mark.long
@pytest.mark.slow
def test_same_photo_same_bytes(astronaut):
    """In one process twice, in others, with one thread and with two."""
    engine = Reconstructor.from_pretrained(threads=1)
    heads = [engine.reconstruct(astronaut)[0] for _ in range(2)]
    hashes = set()
    for head in heads:
        surface = head.surface
        parts = (surface.vertices, surface.faces, surface.colors, surface.confidence, head.landmark_points)
        hashes.add(hashlib.sha256(b"".join(p.tobytes() for p in parts)).hexdigest())
    for threads in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", ONCE, threads], cwd=ROOT, capture_output=True, text=True, check=True
        )
        hashes.add(done.stdout.split()[-1])
    assert len(hashes) == 1
