"""Pins on the average head: they are met, the rest follows within the statistics, and nothing else moves."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import RequestError
from core.geometry.frames import FRONTAL, Camera, HeadPose
from core.template.pins import named_pins
from core.template.sliders import load_sliders
from core.template.topology import SKIN, HeadTopology
from core.wrapping.adjuster import BaseHead, HeadAdjuster
from core.wrapping.adjustments import Adjustments
from core.wrapping.pin_solver import EXPRESSION, MAX_SIGMAS, POSE, SHAPE, Pin, PinScene, PinSolver, PinView
from tests.core.head_samples import MODELS

CAMERA = Camera(2000.0, 511.5, 511.5)
POSE_BEFORE = HeadPose(FRONTAL, np.array([0.0, 0.0, 0.9]))


@pytest.fixture(scope="module")
def topology():
    return HeadTopology.load(MODELS)


@pytest.fixture(scope="module")
def solver(topology):
    return PinSolver(topology)


@pytest.fixture(scope="module")
def scene(topology):
    vertices = topology.vertices.astype(np.float64)
    return PinScene(PinView(vertices, CAMERA, POSE_BEFORE), topology.blendshapes, np.zeros(52))


def place(solver, scene, name, dx=0.0, dy=0.0, corrects=SHAPE):
    """A pin so many pixels from where its point is."""
    point = scene.main.photo[[solver.pins[name].vertex]]
    x, y = CAMERA.project(scene.main.pose.head_to_camera(point))[0]
    return Pin(name, float(x + dx), float(y + dy), corrects)


def test_points_are_named_once_and_on_both_sides(topology):
    pins = {pin.name: pin for pin in named_pins(topology)}
    assert 40 <= len(pins) <= 55 and len({pin.vertex for pin in pins.values()}) == len(pins)
    skin = set(topology.vertices_of(SKIN))
    for name, pin in pins.items():
        assert pin.vertex in skin
        x = topology.vertices[pin.vertex, 0]
        if name.endswith("_left"):
            assert x > 0 and topology.mirror[pin.vertex] == pins[name.replace("_left", "_right")].vertex
        elif not name.endswith("_right"):
            assert abs(x) < 1e-4
    top, lobe, chin = (
        topology.vertices[pins[name].vertex, 2] for name in ("ear_top_left", "ear_lobe_left", "chin")
    )
    assert top > lobe > chin


@pytest.mark.parametrize("corrects", [SHAPE, EXPRESSION, POSE])
def test_a_pin_is_met(solver, scene, corrects):
    moved = solver.solve(scene, [place(solver, scene, "mouth_corner_left", 8, -6, corrects)])
    assert moved.errors_px["mouth_corner_left"] < 0.3
    assert (np.abs(moved.offset).max() > 0) == (corrects == SHAPE)
    assert (np.abs(moved.expression).max() > 0) == (corrects == EXPRESSION)
    assert (moved.pose is not scene.main.pose) == (corrects == POSE)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.data())
def test_any_pins_leave_a_probable_head(solver, scene, data):
    names = data.draw(st.lists(st.sampled_from(sorted(solver.pins)), min_size=1, max_size=6, unique=True))
    pixels = st.floats(-400, 400)
    pins = [place(solver, scene, name, data.draw(pixels), data.draw(pixels)) for name in names]
    moved = solver.solve(scene, pins)
    length = np.linalg.norm(moved.photo_offset, axis=1)
    assert (length <= MAX_SIGMAS * solver.sigma * (1 + 1e-9)).all()
    again = solver.solve(scene, pins)
    assert np.array_equal(moved.photo_offset, again.photo_offset)


def test_what_is_far_from_a_pin_stays(solver, scene, topology):
    moved = solver.solve(scene, [place(solver, scene, "brow_arch_left", 0, -10)])
    length = np.linalg.norm(moved.photo_offset, axis=1)
    skin = topology.vertices_of(SKIN)
    brow = scene.main.photo[solver.pins["brow_arch_left"].vertex]
    far = skin[np.linalg.norm(scene.main.photo[skin] - brow, axis=1) > 0.09]
    assert length[solver.pins["brow_arch_left"].vertex] > 0.004 > 4 * length[far].max()
    assert length[topology.neck].max() == 0


def test_a_side_view_says_what_the_front_cannot(solver, scene):
    """The nose's length: from the front a pin says nothing of it, from the side it is met in both photos."""
    turn = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    side = PinView(scene.main.photo, CAMERA, HeadPose(turn @ POSE_BEFORE.rotation, POSE_BEFORE.translation))
    both = replace(scene, further={"side.jpg": side})
    vertex = solver.pins["nose_tip"].vertex
    wanted = scene.main.photo[vertex] + [0.0, -0.008, 0.003]
    pins = []
    for name, view in (("", scene.main), ("side.jpg", side)):
        x, y = CAMERA.project(view.pose.head_to_camera(wanted[None]))[0]
        pins.append(Pin("nose_tip", float(x), float(y), photo=name))
    alone, together = solver.solve(scene, pins[:1]), solver.solve(both, pins)
    assert max(together.errors_px.values()) < 0.1
    assert np.linalg.norm(scene.main.photo[vertex] + together.offset[vertex] - wanted) < 0.0002
    assert np.linalg.norm(scene.main.photo[vertex] + alone.offset[vertex] - wanted) > 0.004
    # A photo that is not there any more says nothing.
    assert np.array_equal(solver.solve(scene, pins).offset, alone.offset)


def test_an_expression_is_a_photos_own(solver, scene):
    """A smile in a further photo changes neither the shape nor the main photo's expression."""
    both = replace(scene, further={"side.jpg": scene.main})
    pin = replace(place(solver, scene, "mouth_corner_left", 8, -6, EXPRESSION), photo="side.jpg")
    moved = solver.solve(both, [pin])
    assert moved.errors_px["mouth_corner_left"] < 5.0
    assert not moved.offset.any() and not moved.photo_offset.any() and not moved.expression.any()


def test_a_held_point_stays_while_its_neighbor_moves(solver, scene):
    pins = [place(solver, scene, "lip_upper_middle"), place(solver, scene, "lip_lower_middle", 0, 12)]
    moved = solver.solve(scene, pins)
    assert max(moved.errors_px.values()) < 0.01


def test_weights_of_an_expression_stay_possible(solver, scene, topology):
    moved = solver.solve(scene, [place(solver, scene, "chin", 0, 60, EXPRESSION)])
    weights = scene.expression + moved.expression
    assert weights.min() >= 0 and weights.max() <= 1
    assert weights[topology.blendshape_index("jawOpen")] > 0.2


def test_corrections_survive_json_and_nonsense_is_refused():
    pins = (Pin("chin", 1.5, 2.5), Pin("nose_tip", 3.0, 4.0, POSE, True), Pin("chin", 1, 2, photo="b.jpg"))
    made = Adjustments(pins, {"age": 0.5}, np.eye(8, 6) > 0, {"b.jpg": np.eye(4) > 0})
    again = Adjustments.parse(json.loads(json.dumps(made.document())))
    assert (
        again.pins == pins and again.sliders == made.sliders and np.array_equal(again.ignored, made.ignored)
    )
    assert again.ignored_at(16, 12).sum() == 4 * 6
    assert again.ignored_at(8, 8, "b.jpg").sum() == 4 * 4 and again.ignored_at(8, 8, "c.jpg") is None
    assert Adjustments(further_ignored=again.further_ignored)
    assert not Adjustments.parse({}) and not Adjustments()
    for bad in (
        [],
        {"version": 2},
        {"pins": [{"name": "chin", "x": float("nan"), "y": 0}]},
        {"pins": [{"name": "chin", "x": 0, "y": 0, "corrects": "hair"}]},
        {"pins": 2 * [{"name": "chin", "x": 0, "y": 0}]},
        {"pins": [{"name": "chin", "x": 0, "y": 0, "photo": 3}]},
        {"sliders": {"age": 2}},
        {"ignored_png": "x"},
        {"further_ignored": ["x"]},
        {"further_ignored": {"b.jpg": "x"}},
        {"further_ignored": {"": made.document()["ignored_png"]}},
        {"ignored_png": "iVBORw0KGgo="},
    ):
        with pytest.raises(RequestError):
            Adjustments.parse(bad)
    with pytest.raises(RequestError, match=r'"further_ignored" of b\.jpg'):
        Adjustments.parse({"further_ignored": {"b.jpg": "x"}})


def test_corrections_that_name_the_main_photo_are_its_own():
    left, top = np.zeros((4, 4), bool), np.zeros((8, 8), bool)
    left[:, :2] = top[:4] = True
    further = {"main.jpg": left, "b.jpg": top}
    pins = (Pin("chin", 1, 2, photo="main.jpg"), Pin("chin", 3, 4, photo="b.jpg"))
    made = Adjustments(pins, ignored=top, further_ignored=further).named_for("main.jpg", ["b.jpg"])
    assert [pin.photo for pin in made.pins] == ["", "b.jpg"] and list(made.further_ignored) == ["b.jpg"]
    assert made.ignored.sum() == 12 and made.unused(["b.jpg"]) == ""
    assert "over b.jpg are not used" in made.unused(())
    assert made.named_for("main.jpg", ()) is made
    # A further photo of the same name is meant by it.
    same = Adjustments(pins)
    assert same.named_for("main.jpg", ["main.jpg"]) is same
    with pytest.raises(RequestError, match="far outside"):
        Adjustments((Pin("chin", 9e5, 2, photo="a.jpg"),)).named_for("a.jpg", ()).check_inside(9, 9, "a.jpg")
    with pytest.raises(RequestError, match="twice"):
        Adjustments((*pins, Pin("chin", 5, 6))).named_for("main.jpg", ["b.jpg"])


def test_sliders_take_eyes_teeth_and_lashes_along(topology):
    """As the engine does; in Blender sliders work without it."""
    adjuster = HeadAdjuster(topology, load_sliders(MODELS))
    head = topology.vertices.astype(np.float64)
    base = BaseHead(head, head, topology.blendshapes, np.zeros(52), POSE_BEFORE)
    known = int(adjuster.sliders.vertices.max()) + 1
    for name in adjuster.sliders.names:
        for value in (1.0, -1.0):
            made = adjuster.preview(base, CAMERA, Adjustments(sliders={name: value})).neutral
            alone = base.neutral + adjuster.sliders.offset({name: value})
            assert np.linalg.norm(made - alone, axis=1)[:known].max() < 0.0003, name


def test_sliders_are_symmetrical_and_leave_the_neck(topology):
    sliders = load_sliders(MODELS)
    assert 30 <= len(sliders.names) <= 45 and (MODELS / "head_sliders.npz").stat().st_size < 2e6
    for name in sliders.names:
        for value in (1.0, -1.0):
            offset = sliders.offset({name: value})
            assert 0.001 < np.linalg.norm(offset, axis=1).max() < 0.05, name
            mirrored = offset[topology.mirror] * [-1, 1, 1]
            assert np.abs(offset - mirrored).max() < 1e-4 and np.abs(offset[topology.neck]).max() == 0
    wide = topology.vertices + sliders.offset({"nose_width": 1.0})
    wing = HeadAdjuster(topology, sliders).solver.pins["nose_wing_left"].vertex
    assert wide[wing, 0] > topology.vertices[wing, 0] + 0.001
    assert np.allclose(sliders.offset({"age": 0.5}), sliders.offset({"age": 1.0}) / 2)


def test_unknown_points_are_named(topology):
    adjuster = HeadAdjuster(topology, load_sliders(MODELS))
    for wrong in (Adjustments((Pin("third_eye", 1, 1),)), Adjustments(sliders={"wings": 1.0})):
        with pytest.raises(RequestError, match=r"third_eye|wings"):
            adjuster.check(wrong)
