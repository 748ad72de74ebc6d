"""The fifteen visemes are mouths that the blendshapes make."""

from pathlib import Path

import numpy as np

from core.geometry.mesh import self_intersections
from core.template.topology import HeadTopology
from core.wrapping.visemes import VISEME_NAMES, VRM_VOWELS, compose_visemes, viseme_weights

MODELS = Path(__file__).resolve().parents[3] / "models"


def gap(topology: HeadTopology, offsets: np.ndarray) -> float:
    """Millimeters between the middles of the lips' rims."""
    vertices = topology.vertices + offsets
    middle = topology.lips[np.abs(topology.vertices[topology.lips, 0]) < 0.003]
    z = np.sort(vertices[middle, 2])
    return float(np.diff(z).max() * 1000)


def width(topology: HeadTopology, offsets: np.ndarray) -> float:
    return float(np.ptp((topology.vertices + offsets)[topology.lips, 0]) * 1000)


def test_names_are_those_that_programs_look_for():
    expected = ["sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "I", "O", "U"]
    assert tuple(f"viseme_{name}" for name in expected) == VISEME_NAMES
    assert {f"viseme_{name}" for name in VRM_VOWELS.values()} <= set(VISEME_NAMES)


def test_every_blendshape_that_is_named_exists(topology):
    weights = viseme_weights(topology.blendshape_names)
    assert weights.shape == (15, 52) and not weights[0].any()
    assert (weights >= 0).all() and (weights <= 1).all()
    assert (np.count_nonzero(weights[1:], axis=1) >= 3).all()


def test_both_sides_of_the_mouth_do_the_same(topology):
    shapes = compose_visemes(topology.blendshapes, topology.blendshape_names)
    mirrored = shapes[:, topology.mirror] * np.array([-1, 1, 1])
    np.testing.assert_allclose(shapes, mirrored, atol=2e-3)


def test_mouths_are_open_narrow_and_wide_where_they_must_be(topology):
    shapes = dict(
        zip(VISEME_NAMES, compose_visemes(topology.blendshapes, topology.blendshape_names), strict=True)
    )
    gaps = {name: gap(topology, offsets) for name, offsets in shapes.items()}
    widths = {name: width(topology, offsets) for name, offsets in shapes.items()}
    assert max(gaps, key=lambda name: gaps[name]) == "viseme_aa"
    assert gaps["viseme_aa"] > 12 and gaps["viseme_PP"] < 3
    assert widths["viseme_U"] < widths["viseme_O"] < widths["viseme_sil"] < widths["viseme_I"]


def test_lips_do_not_pass_through_each_other(topology):
    skin = topology.triangles.reshape(-1, 2, 3)[topology.faces_of("skin")].reshape(-1, 3)
    middle = topology.vertices[topology.lips].mean(0)
    around = np.linalg.norm(topology.vertices[skin].mean(1) - middle, axis=1) < 0.04
    shapes = compose_visemes(topology.blendshapes, topology.blendshape_names)
    for name, offsets in zip(VISEME_NAMES, shapes, strict=True):
        assert not len(self_intersections(topology.vertices + offsets, skin[around])), name
