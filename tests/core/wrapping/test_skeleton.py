"""The skeleton of a head: weights, joints that move with the head, what the bones do to it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from core.errors import ModelError, RequestError
from core.template.topology import HeadTopology
from core.wrapping.skeleton import BONES, NAMINGS, RigModel, bone_names

MODELS = Path(__file__).resolve().parents[3] / "models"


@pytest.fixture(scope="module")
def topology() -> HeadTopology:
    return HeadTopology.load(MODELS)


@pytest.fixture(scope="module")
def model() -> RigModel:
    return RigModel.load(MODELS)


def turned(axis: str, degrees: float) -> np.ndarray:
    return Rotation.from_euler(axis, degrees, degrees=True).as_matrix()


def test_every_vertex_is_moved_by_at_most_four_bones_and_by_one_in_all(model, topology):
    assert model.joints.shape == model.weights.shape == (len(topology.vertices), 4)
    np.testing.assert_allclose(model.weights.sum(1), 1, atol=1e-6)
    assert (model.weights >= 0).all() and (model.joints < len(BONES)).all()
    assert (np.diff(model.weights, axis=1) <= 0).all()


def test_both_sides_are_weighted_alike(model, topology):
    rig = model.fit(topology.vertices)
    other = [BONES.index(name.translate(str.maketrans("LR", "RL"))) for name in BONES]
    dense = rig.dense_weights()
    np.testing.assert_allclose(dense[topology.mirror][:, other], dense, atol=0.01)


@given(
    st.floats(0.7, 1.4),
    st.tuples(*[st.floats(-180, 180)] * 3),
    st.tuples(*[st.floats(-0.3, 0.3)] * 3),
)
def test_joints_move_with_the_head(scale, angles, shift):
    model, vertices = RigModel.load(MODELS), HeadTopology.load(MODELS).vertices.astype(np.float64)
    rotation = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    moved = model.fit(scale * vertices @ rotation.T + shift)
    original = model.fit(vertices)
    np.testing.assert_allclose(moved.heads, scale * original.heads @ rotation.T + shift, atol=2e-5)
    np.testing.assert_allclose(moved.tails, scale * original.tails @ rotation.T + shift, atol=2e-5)


@given(st.integers(0, 2**32 - 1))
def test_joints_of_other_people_are_where_they_belong(seed):
    model, topology = RigModel.load(MODELS), HeadTopology.load(MODELS)
    weights = np.random.default_rng(seed).normal(size=len(topology.identity)).clip(-2, 2)
    vertices = topology.vertices + np.tensordot(weights, topology.identity, 1)
    rig = model.fit(vertices)
    for bone, part in (("eye.L", "eye_left"), ("eye.R", "eye_right")):
        eyeball = vertices[topology.vertices_of(part)]
        middle = (eyeball.max(0) + eyeball.min(0)) / 2
        assert np.linalg.norm(rig.heads[BONES.index(bone)] - middle) < 0.003
    z = rig.heads[[BONES.index(name) for name in ("root", "neck_01", "neck_02", "head")], 2]
    assert (np.diff(z) > 0.01).all()
    skin = vertices[topology.vertices_of("skin")]
    assert (rig.heads > skin.min(0) - 0.002).all() and (rig.heads < skin.max(0) + 0.002).all()


def test_nothing_moves_without_a_turn(model, topology):
    rig = model.fit(topology.vertices)
    np.testing.assert_allclose(rig.posed(topology.vertices, {}), topology.vertices, atol=1e-5)


def test_the_jaw_bone_opens_the_mouth_as_the_blendshape_does(model, topology):
    rig = model.fit(topology.vertices)
    opened = rig.posed(topology.vertices, {"jaw": turned("x", model.jaw_open_deg)})
    shape = topology.vertices + topology.blendshapes[topology.blendshape_index("jawOpen")]
    apart = np.linalg.norm(opened - shape, axis=1) * 1000
    teeth = topology.vertices_of("teeth_lower")
    assert apart[teeth].max() < 0.5
    assert np.median(apart[topology.lips]) < 3.2 and apart[topology.lips].max() < 4.0


def test_eyes_turn_in_their_sockets(model, topology):
    rig = model.fit(topology.vertices)
    turned_eye = rig.posed(topology.vertices, {"eye.L": turned("z", 25)})
    moved = np.linalg.norm(turned_eye - topology.vertices, axis=1)
    eyeball = topology.vertices_of("eye_left")
    center = rig.heads[BONES.index("eye.L")]
    before = np.linalg.norm(topology.vertices[eyeball] - center, axis=1)
    np.testing.assert_allclose(np.linalg.norm(turned_eye[eyeball] - center, axis=1), before, atol=2e-4)
    assert moved[eyeball].max() > 0.004
    assert moved[topology.vertices_of("skin")].max() < 5e-4


def test_the_neck_keeps_its_volume(model, topology):
    """A head turned by 45 degrees and nodding by 30, half of it in each bone of the neck."""
    rig = model.fit(topology.vertices)
    turn = Rotation.from_euler("zx", [45 / 3, 30 / 3], degrees=True).as_matrix()
    posed = rig.posed(topology.vertices, {"neck_01": turn, "neck_02": turn, "head": turn})
    skin = topology.faces_of("skin", "inner")

    def volume(vertices: np.ndarray) -> float:
        a, b, c, d = (vertices[topology.quads[skin, k]] for k in range(4))
        floor = vertices[topology.neck].mean(0)
        one = np.einsum("ni,ni->n", a - floor, np.cross(b - floor, c - floor))
        two = np.einsum("ni,ni->n", a - floor, np.cross(c - floor, d - floor))
        return float((one + two).sum() / 6)

    assert volume(posed) == pytest.approx(volume(topology.vertices), rel=0.05)


def test_names_by_convention():
    for naming in NAMINGS:
        names = bone_names(naming)
        assert len(set(names)) == len(BONES)
    assert bone_names("vrm")[BONES.index("eye.L")] == "leftEye"
    with pytest.raises(RequestError, match="choose blender"):
        bone_names("maya")


def test_a_damaged_file_is_named(tmp_path):
    with pytest.raises(ModelError, match="missing"):
        RigModel.load(tmp_path)
    (tmp_path / "head_rig.npz").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(ModelError, match="damaged"):
        RigModel.load(tmp_path)
