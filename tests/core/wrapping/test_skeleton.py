"""The skeleton of a head: weights, joints that move with the head, what the bones do to it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from core.errors import ModelError, RequestError
from core.template.topology import HeadTopology
from core.wrapping.jaw import JawHinge
from core.wrapping.skeleton import BONES, NAMINGS, Rig, RigModel, bone_names
from scripts.benchmark.rig import depth_of, neck_quads, skin_behind, turned_head, volume

MODELS = Path(__file__).resolve().parents[3] / "models"


MODEL = RigModel.load(MODELS)
TOPOLOGY = HeadTopology.load(MODELS)


@dataclass(frozen=True)
class Person:
    """A random head: its vertices, its jawOpen, its bones."""

    vertices: np.ndarray
    opening: np.ndarray
    rig: Rig


def person(seed: int | None = None) -> Person:
    """A random head of the template's linear model; the average one without a seed."""
    model, topology = MODEL, TOPOLOGY
    vertices = topology.vertices.astype(np.float64)
    if seed is not None:
        weights = np.random.default_rng(seed).normal(size=len(topology.identity)).clip(-2, 2)
        vertices += np.tensordot(weights, topology.identity, 1)
    given = topology.blendshapes[topology.blendshape_index("jawOpen")]
    opening = JawHinge.fit(vertices, given, topology).bounded(vertices, given, topology)
    teeth = topology.vertices_of("teeth_lower", "teeth_upper", "tongue")
    opening[teeth] = given[teeth]
    return Person(vertices, opening, model.fit(topology, vertices, opening))


@pytest.fixture(scope="module", params=[None, 1, 2], ids=["average", "one", "another"])
def someone(request) -> Person:
    return person(request.param)


def turned(axis: str, degrees: float) -> np.ndarray:
    return Rotation.from_euler(axis, degrees, degrees=True).as_matrix()


def test_every_vertex_is_moved_by_at_most_four_bones_and_by_one_in_all(someone, topology):
    rig = someone.rig
    assert rig.joints.shape == rig.weights.shape == (len(topology.vertices), 4)
    np.testing.assert_allclose(rig.weights.sum(1), 1, atol=1e-6)
    assert (rig.weights >= 0).all() and (rig.joints < len(BONES)).all()
    assert (np.diff(rig.weights, axis=1) <= 0).all()


def test_unused_joints_take_nothing_from_the_root(someone):
    """They are 0, as the root is, with weight 0."""
    unused = (someone.rig.joints == 0) & (someone.rig.weights == 0)
    beside = unused.any(1) & ((someone.rig.joints == 0) & (someone.rig.weights > 0)).any(1)
    assert beside.any()
    np.testing.assert_allclose(someone.rig.dense_weights().sum(1), 1, atol=1e-6)


def test_weights_change_gradually(someone, topology):
    """Along the edges of the skin, which are 4 mm long in the middle."""
    skin = topology.quads[topology.faces_of("skin")]
    edges = np.concatenate([skin[:, [0, 1]], skin[:, [1, 2]]])
    change = np.abs(np.diff(someone.rig.dense_weights()[edges], axis=1)[:, 0]).max(1)
    assert np.quantile(change, 0.99) < 0.35 and change.max() < 0.75


def test_both_sides_are_weighted_alike(topology):
    other = [BONES.index(name.translate(str.maketrans("LR", "RL"))) for name in BONES]
    dense = person().rig.dense_weights()
    np.testing.assert_allclose(dense[topology.mirror][:, other], dense, atol=0.01)


@given(
    st.floats(0.7, 1.4),
    st.tuples(*[st.floats(-180, 180)] * 3),
    st.tuples(*[st.floats(-0.3, 0.3)] * 3),
)
def test_joints_move_with_the_head(scale, angles, shift):
    model, vertices = MODEL, TOPOLOGY.vertices.astype(np.float64)
    rotation = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()

    def ends(points: np.ndarray) -> np.ndarray:
        return np.einsum("bek,bekc->bec", model.end_weights, points[model.end_vertices])

    moved, original = ends(scale * vertices @ rotation.T + shift), ends(vertices)
    np.testing.assert_allclose(moved, scale * original @ rotation.T + shift, atol=2e-5)


@settings(max_examples=8)
@given(st.integers(0, 2**32 - 1))
def test_joints_of_other_people_are_where_they_belong(seed):
    topology, found = TOPOLOGY, person(seed)
    vertices, rig = found.vertices, found.rig
    for bone, part in (("eye.L", "eye_left"), ("eye.R", "eye_right")):
        eyeball = vertices[topology.vertices_of(part)]
        middle = (eyeball.max(0) + eyeball.min(0)) / 2
        assert np.linalg.norm(rig.heads[BONES.index(bone)] - middle) < 0.003
    z = rig.heads[[BONES.index(name) for name in ("root", "neck_01", "neck_02", "head")], 2]
    assert (np.diff(z) > 0.01).all()
    skin = vertices[topology.vertices_of("skin")]
    assert (rig.heads > skin.min(0) - 0.002).all() and (rig.heads < skin.max(0) + 0.002).all()


def test_nothing_moves_without_a_turn(someone):
    np.testing.assert_allclose(someone.rig.posed(someone.vertices, {}), someone.vertices, atol=1e-5)


def test_the_jaw_bone_opens_the_mouth_as_the_blendshape_does(someone, topology):
    opened = someone.rig.posed(someone.vertices, {"jaw": turned("x", someone.rig.jaw_open_deg)})
    apart = np.linalg.norm(opened - someone.vertices - someone.opening, axis=1) * 1000
    assert apart[topology.vertices_of("teeth_lower")].max() < 1.0
    assert apart[topology.lips].max() < 2.0


def test_jaw_open_changes_near_the_lips_only(someone, topology):
    given = topology.blendshapes[topology.blendshape_index("jawOpen")]
    change = np.linalg.norm(someone.opening - given, axis=1) * 1000
    distance = np.linalg.norm(topology.vertices - topology.vertices[topology.lips].mean(0), axis=1)
    assert 0.3 < change.max() < 3.5
    assert change[distance > 0.07].max() < 0.5


@pytest.mark.parametrize("axis", ["x", "z"])
@pytest.mark.parametrize("angle", [-25, 25])
@pytest.mark.parametrize(("bone", "side"), [("eye.L", "left"), ("eye.R", "right")])
def test_eyes_turn_in_their_sockets(someone, topology, axis, angle, bone, side):
    posed = someone.rig.posed(someone.vertices, {bone: turned(axis, angle)})
    center = someone.rig.heads[BONES.index(bone)]
    eyeball = topology.vertices_of(f"eye_{side}")
    before = np.linalg.norm(someone.vertices[eyeball] - center, axis=1)
    np.testing.assert_allclose(np.linalg.norm(posed[eyeball] - center, axis=1), before, atol=2e-4)
    moved = np.linalg.norm(posed - someone.vertices, axis=1)
    assert moved[eyeball].max() > 0.004
    assert moved[topology.vertices_of("skin")].max() < 5e-4
    # Where lids are, the turned eyeball comes out at most 0.2 mm farther than it did.
    lids = topology.lid_left if side == "left" else topology.lid_right
    depth = [depth_of(points[lids], points[eyeball], center) for points in (someone.vertices, posed)]
    assert depth[1].max() < max(depth[0].max(), 0) + 2e-4


@pytest.mark.parametrize("angle", [0, 8, 16, 25])
def test_teeth_stay_behind_the_skin_while_the_jaw_opens(someone, topology, angle):
    posed = someone.rig.posed(someone.vertices, {"jaw": turned("x", angle)})
    triangles = topology.triangles.reshape(-1, 2, 3)[topology.faces_of("skin")].reshape(-1, 3)
    middle = someone.vertices[topology.lips].mean(0)
    around = np.linalg.norm(someone.vertices[triangles].mean(1) - middle, axis=1) < 0.05
    teeth = posed[topology.vertices_of("teeth_upper", "teeth_lower")]
    assert not skin_behind(teeth, posed[triangles[around]], 0.012).any()


@pytest.mark.parametrize("fractions", [(0, 0, 1), (1 / 3, 1 / 3, 1 / 3)], ids=["head", "spread"])
def test_the_neck_keeps_its_volume(someone, topology, fractions):
    """A head turned by 45 degrees and nodding by 30, by its own bone or by all three of the neck."""
    posed = someone.rig.posed(someone.vertices, turned_head(fractions))
    quads = neck_quads(topology, someone.rig)
    assert len(quads) > 150
    assert volume(posed, quads) == pytest.approx(volume(someone.vertices, quads), rel=0.04)


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
