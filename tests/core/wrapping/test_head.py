"""The wrapped head of a real photo, made with the project's models."""

import base64
import json
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import trimesh
from PIL import Image

from core.geometry.mesh import self_intersections, triangle_normals, vertex_normals
from core.geometry.sphere import fit_sphere
from core.image.photo import Photo, load_photo
from core.io.writer import write_reconstruction
from core.reconstructor import Reconstructor
from core.runtime.weights import models_folder
from core.template.sliders import load_sliders
from core.training.evaluation.head_metrics import HeadMetrics
from core.wrapping.adjuster import BaseHead, HeadAdjuster
from core.wrapping.adjustments import Adjustments
from core.wrapping.head import Head, HeadWrapper
from core.wrapping.options import HeadOptions
from core.wrapping.pin_solver import Pin

MM = 1000.0


@pytest.fixture(scope="module")
def reconstructor():
    return Reconstructor.from_pretrained()


@pytest.fixture(scope="module")
def made(reconstructor, astronaut, made_once):
    (made,) = made_once("head", lambda: reconstructor.reconstruct(astronaut, max_faces=1, head=True))
    return made


@pytest.fixture(scope="module")
def head(made) -> Head:
    return made.head


@pytest.fixture(scope="module")
def wrapper(reconstructor, made) -> HeadWrapper:
    return reconstructor.head_wrapper


def shaped(head, topology, *names):
    return head.neutral + sum(head.blendshapes[topology.blendshape_index(name)] for name in names)


def triangles_of(topology, part):
    faces = topology.faces_of(part)
    return topology.triangles[np.concatenate([2 * faces, 2 * faces + 1])]


def test_topology_is_complete_and_symmetric(topology):
    assert len(topology.blendshape_names) == 52 == len(set(topology.blendshape_names))
    assert {"jawOpen", "eyeBlinkLeft", "mouthSmileRight", "tongueOut"} <= set(topology.blendshape_names)
    mirrored = topology.vertices[topology.mirror] * [-1, 1, 1]
    np.testing.assert_allclose(mirrored, topology.vertices, atol=1e-6)
    left, right = (
        topology.blendshapes[topology.blendshape_index(f"eyeBlink{side}")] for side in ("Left", "Right")
    )
    np.testing.assert_allclose(left[topology.mirror] * [-1, 1, 1], right, atol=1e-5)
    assert all(len(topology.faces_of(part)) for part in topology.part_names)
    assert (models_folder() / "head_template.npz").stat().st_size < 5e6


def test_texture_and_hair_need_not_wait_for_the_blendshapes(
    wrapper, reconstructor, made, topology, astronaut
):
    prior = reconstructor.lifter.lift(made.landmarks, made.camera, astronaut)
    begun = wrapper.begin(made.surface, prior.vertices, made.landmarks, made.camera, made.pose)
    before = begun.shape.vertices.copy()
    with ThreadPoolExecutor(2) as pool:
        head, again = pool.map(lambda _: begun.finish(), range(2))
    assert again is head  # made once, whoever asks
    opaque = np.unique(topology.quads[topology.opaque])
    np.testing.assert_array_equal(before[opaque], head.vertices[opaque])
    np.testing.assert_array_equal(begun.shape.neutral, head.neutral)


def test_gaze_blendshapes_turn_the_eyes_about_their_middles(topology):
    for side in ("left", "right"):
        index = topology.vertices_of(f"eye_{side}")
        before = fit_sphere(topology.vertices[index].astype(float))
        for direction in ("Up", "Down", "In", "Out"):
            blendshape = topology.blendshapes[
                topology.blendshape_index(f"eyeLook{direction}{side.capitalize()}")
            ]
            after = fit_sphere((topology.vertices + blendshape)[index].astype(float))
            assert np.linalg.norm(after.center - before.center) < 1e-4
            assert abs(after.radius - before.radius) < 1e-4


def test_lower_lip_landmarks_go_with_the_jaw(wrapper, topology):
    jaw = topology.blendshapes[topology.blendshape_index("jawOpen")]
    moved = wrapper.template.landmarks(topology.vertices + jaw) - wrapper.template.landmarks(
        topology.vertices
    )
    assert moved[14, 2] < -0.03 and abs(moved[13, 2]) < 0.005


def skin_area(head, topology):
    """(V,) square meters of the skin around each vertex."""
    area = np.zeros(len(head.vertices))
    triangles = triangles_of(topology, "skin")
    size = np.linalg.norm(triangle_normals(head.vertices, triangles), axis=1) / 6
    np.add.at(area, triangles.ravel(), size.repeat(3))
    return area


def test_head_lies_on_the_surface_where_it_is_well_seen(head, topology):
    skin = topology.vertices_of("skin")
    seen = skin[head.confidence[skin] > 0.6]
    assert len(seen) > 1000 and skin_area(head, topology)[seen].sum() > 0.025  # the face without its sides
    distance = head.deviation[seen] * MM
    assert np.median(distance) < 0.2
    assert (distance > 0.5).mean() < 0.002 and distance.max() < 0.7


def test_confidence_covers_the_face_and_nothing_behind(head, topology, made, wrapper):
    skin = topology.vertices_of("skin")
    facing = vertex_normals(head.vertices, topology.triangles) @ made.pose.rotation.T
    assert head.confidence[facing[:, 2] > 0.2].max() == 0  # looks away from the camera
    for name in ("inner", "teeth_upper", "tongue", "lashes"):
        assert head.confidence[np.setdiff1d(topology.vertices_of(name), skin)].max() == 0
    assert head.confidence[topology.ibug68[27:31]].min() > 0.6  # the ridge of the nose
    # What faces the camera, beside rims and the insides of nostrils and ears, by area.
    area, face = skin_area(head, topology), facing[:, 2] < -0.8
    face &= (topology.vertices[:, 2] > -0.12) & (np.abs(topology.vertices[:, 0]) < 0.06)
    assert area[face & (head.confidence > 0.6)].sum() > 0.93 * area[face].sum()


def test_deviation_is_the_distance_to_the_surface(head, made):
    surface = trimesh.Trimesh(made.surface.vertices, made.surface.faces, process=False)
    some = np.arange(0, 3000, 60)
    _, distance, _ = trimesh.proximity.closest_point_naive(surface, head.vertices[some])
    # Only the triangles around the nearest vertices are looked at.
    np.testing.assert_allclose(head.deviation[some], distance, atol=1e-4)


def test_photo_is_neutral_and_expression(head, wrapper):
    gap = np.linalg.norm(head.photo - head.vertices, axis=1)
    seen = np.flatnonzero(wrapper.registration.skin & (wrapper.registration.rim_distance > 0))
    assert np.quantile(gap[seen], 0.99) < 0.0004
    assert gap[seen].max() < 0.0007  # a millimeter is what is allowed
    assert gap.max() < 0.003  # inside the mouth, where lips were parted
    assert head.expression.min() >= 0 and head.expression.max() <= 1
    assert np.linalg.norm(head.neutral - head.vertices, axis=1).max() > 0.003  # she smiles


@pytest.mark.slow
@pytest.mark.parametrize("name", ["male_28", "male_65"])  # nearly closed eyes, squints
def test_photo_is_neutral_and_expression_around_narrowed_eyes(reconstructor, data_folder, name):
    path = data_folder / f"portraits/{name}.jpg"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    (made,) = reconstructor.reconstruct(path, max_faces=1, head=HeadOptions(texture=0))
    measures = HeadMetrics(reconstructor.head_wrapper)
    measures.add(made.head, made.surface)
    ((folded, crossed, _, gap),) = measures.faults
    assert folded == crossed == 0
    assert gap < 1  # mm


def test_smile_of_the_photo_is_found(head, topology):
    weight = dict(zip(topology.blendshape_names, head.expression, strict=True))
    assert weight["mouthSmileLeft"] + weight["mouthSmileRight"] > 0.4
    assert weight["eyeBlinkLeft"] < 0.4 and weight["tongueOut"] == 0


@pytest.mark.parametrize("which", ["vertices", "neutral"])
def test_nothing_is_folded_or_passes_through_itself(head, topology, wrapper, which):
    vertices = getattr(head, which)
    count = wrapper.registration.count
    folded = wrapper._fold_repair.folded(
        vertices[:count].astype(float), topology.vertices[:count].astype(float)
    )
    assert len(folded) == 0
    assert len(self_intersections(vertices, triangles_of(topology, "skin"))) <= 4


def test_blendshapes_fold_nothing(head, topology, wrapper):
    count = wrapper.registration.count
    mean = topology.vertices[:count].astype(float)
    for k, name in enumerate(topology.blendshape_names):
        moved = (head.neutral + head.blendshapes[k])[:count].astype(float)
        reference = mean + topology.blendshapes[k, :count]
        if name == "mouthClose":  # what it closes is an open jaw
            jaw = topology.blendshape_index("jawOpen")
            moved, reference = (
                moved + head.blendshapes[jaw, :count],
                reference + topology.blendshapes[jaw, :count],
            )
        folded = wrapper._fold_repair.folded(moved, reference)
        folded = folded[folded < len(wrapper.registration.skin_triangles)]  # the skin comes first
        # Closed lids lie on one another, where the template's do not quite.
        assert len(folded) <= (14 if name.startswith("eyeBlink") else 0), (name, len(folded))


def test_lips_do_not_pass_through_one_another(head, topology, wrapper):
    measures = HeadMetrics(wrapper)
    assert measures.intersecting_blendshapes(head) == []
    count = wrapper.registration.count
    # The template's own lips do, and are parted by little.
    shape = (topology.vertices + topology.blendshapes[topology.blendshape_index("mouthShrugLower")])[
        :count
    ].astype(float)
    assert len(wrapper.lips.intersections(shape)) > 10
    parted = wrapper.lips.separate(shape)
    assert len(wrapper.lips.intersections(parted)) == 0
    assert 0 < np.abs(parted - shape).max() * MM < 3
    np.testing.assert_array_equal(parted[:, :2], shape[:, :2])


def test_lips_that_do_not_touch_are_left_alone(topology, wrapper):
    shape = topology.vertices[: wrapper.registration.count].astype(float)
    np.testing.assert_array_equal(wrapper.lips.separate(shape), shape)


def test_measures_are_those_of_the_head(head, made, wrapper, topology):
    measures = HeadMetrics(wrapper)
    measures.add(head, made.surface)
    skin = topology.vertices_of("skin")
    seen = skin[head.confidence[skin] > 0.6]
    *_, whole = measures.by_region()
    distance = head.deviation[seen] * MM
    assert whole[:2] == ["all skin", str(len(seen))] and float(whole[2]) == 100
    assert float(whole[7]) == pytest.approx(distance.max(), abs=0.006)
    assert float(whole[8]) == pytest.approx(100 * (distance > 0.5).mean(), abs=0.006)
    regions = np.stack([measures.regions[name] for name in list(measures.regions)[:-1]])
    np.testing.assert_array_equal(regions.sum(0), measures.regions["all skin"])
    assert sum(int(row[1]) for row in measures.by_confidence()) <= len(skin)
    (faults,) = measures.faults
    assert faults[:3] == [0, 0, 0]
    ((surface, own),) = measures.reliable_area
    assert own <= surface < 1.2 * own


def test_a_head_is_made_again_as_it_was(head, wrapper, topology):
    again = wrapper.rebuilt(head, head.vertices, head.expression)
    for one, other in ((again.vertices, head.vertices), (again.neutral, head.neutral)):
        assert np.abs(one - other).max() < 1e-5
    assert np.abs(again.blendshapes - head.blendshapes).max() < 1e-5


def test_a_corrected_head_is_what_its_preview_showed(made, head, wrapper, topology):
    adjuster = HeadAdjuster(topology, load_sliders(models_folder()))
    camera, pose = made.camera, made.pose

    def pin(name, dx, dy):
        point = head.vertices[[adjuster.solver.pins[name].vertex]].astype(float)
        x, y = camera.project(pose.head_to_camera(point))[0] + np.array([dx, dy]) * made.landmarks.size / 100
        return Pin(name, float(x), float(y))

    pins = (pin("eye_upper_left", 0, -1.5), pin("mouth_corner_right", -3, -2), pin("nose_tip", 1, 3))
    corrections = Adjustments(pins, {"jaw_width": 0.5})
    base = BaseHead(head.neutral, head.vertices, head.blendshapes, head.expression, pose)
    shown = adjuster.preview(base, camera, corrections)
    applied = adjuster.apply(head, wrapper, camera, pose, corrections)
    assert max(applied.errors_px.values()) < 0.05
    for preview, final in ((shown.photo, applied.head.vertices), (shown.neutral, applied.head.neutral)):
        distance = np.linalg.norm(preview - final, axis=1)
        assert np.linalg.norm(preview - base.neutral, axis=1).max() > 0.003 and distance.max() < 0.001
    vertices = [adjuster.solver.pins[one.name].vertex for one in pins]
    reached = camera.project(applied.pose.head_to_camera(applied.head.vertices[vertices].astype(float)))
    assert np.abs(reached - [(one.x, one.y) for one in pins]).max() < 0.01 * made.landmarks.size


def test_folds_are_repaired(wrapper, topology):
    count = wrapper.registration.count
    reference = topology.vertices[:count].astype(float)
    folded = reference.copy()
    folded[topology.ibug68[30]] += [0, 0.02, 0]  # the nose's tip pushed through the nose
    assert len(wrapper._fold_repair.folded(folded, reference)) > 2
    repaired = wrapper._fold_repair.repair(folded, reference)
    assert len(wrapper._fold_repair.folded(repaired, reference)) == 0
    far = np.linalg.norm(reference - reference[topology.ibug68[30]], axis=1) > 0.05
    np.testing.assert_array_equal(repaired[far], folded[far])


@pytest.mark.parametrize("place", [10, 20, 24])
def test_lids_are_unfolded_and_freed_by_little(wrapper, topology, place):
    wrap, lid, ball = wrapper.registration, topology.lid_left, wrapper.parts.eyeballs["left"]
    mean, fold_repair, skin = (
        topology.vertices.astype(float),
        wrapper._fold_repair,
        np.flatnonzero(wrapper.registration.skin),
    )
    reference = mean[: wrap.count]
    sound = wrapper._lids["left"].repair(mean, reference, ball)
    assert np.linalg.norm(sound - mean, axis=1)[skin].max() * MM < 0.6  # the template's are nearly free
    damaged = sound.copy()
    damaged[lid[place]] += 1.3 * (damaged[lid[place + 1]] - damaged[lid[place]])  # past its neighbor
    damaged[lid[14]] += 0.09 * (ball.center - damaged[lid[14]])
    assert len(fold_repair.folded(damaged[: wrap.count], reference)) > 2
    assert np.linalg.norm(damaged[lid[14]] - ball.center) < ball.radius
    repaired = wrapper._lids["left"].repair(damaged, reference, ball)
    assert len(fold_repair.folded(repaired[: wrap.count], reference)) == 0
    assert (np.linalg.norm(repaired[lid] - ball.center, axis=1) > ball.radius).all()
    moved = np.linalg.norm(repaired - damaged, axis=1)
    assert moved[: wrap.count][wrap.skin & (wrap.rim_distance > 1)].max() * MM < 1.5
    assert moved[np.linalg.norm(mean - mean[lid].mean(0), axis=1) > 0.05].max() == 0


def test_eyeballs_stay_balls_behind_the_lids(head, topology):
    for side in ("left", "right"):
        index = topology.vertices_of(f"eye_{side}")
        template = topology.vertices[index].astype(float)
        ball, model = fit_sphere(head.neutral[index].astype(float)), fit_sphere(template)
        scale = ball.radius / model.radius
        assert 0.8 < scale < 1.25
        np.testing.assert_allclose(
            head.neutral[index] - ball.center, (template - model.center) * scale, atol=1e-5
        )
        loop = getattr(topology, f"lid_{side}")
        for shape in (head.neutral, head.vertices):
            room = np.linalg.norm(shape[loop] - ball.center, axis=1) - ball.radius
            assert room.min() > 0 and np.median(room) < 0.003


def test_blinking_closes_the_eyes(head, topology):
    closed = shaped(head, topology, "eyeBlinkLeft", "eyeBlinkRight")
    for side in ("left", "right"):
        loop = getattr(topology, f"lid_{side}")
        fall = -topology.blendshapes[topology.blendshape_index(f"eyeBlink{side.capitalize()}"), loop, 2]
        upper, lower = loop[fall > 0.15 * fall.max()], loop[fall <= 0.15 * fall.max()]
        lower = lower[np.argsort(closed[lower, 0])]
        slit = closed[upper, 2] - np.interp(closed[upper, 0], closed[lower, 0], closed[lower, 2])
        assert np.abs(slit).max() * MM < 0.2
        ball = fit_sphere(head.neutral[topology.vertices_of(f"eye_{side}")].astype(float))
        assert (np.linalg.norm(closed[loop] - ball.center, axis=1) > ball.radius).all()


def test_jaw_takes_teeth_and_tongue_along_and_does_not_tear(head, topology):
    jaw = head.blendshapes[topology.blendshape_index("jawOpen")]
    lower, upper, tongue = (topology.vertices_of(p) for p in ("teeth_lower", "teeth_upper", "tongue"))
    chin = topology.ibug68[8]
    assert np.linalg.norm(jaw[lower], axis=1).min() > 0.3 * np.linalg.norm(jaw[chin])
    assert np.linalg.norm(jaw[upper], axis=1).max() < 1e-6
    assert np.linalg.norm(jaw[tongue], axis=1).max() > 0.015
    # An edge stretches as it does on the template, not to a tear.
    edges = topology.quads[topology.faces_of("skin")][:, [0, 1]]

    def lengths(v):
        return np.linalg.norm(v[edges[:, 0]] - v[edges[:, 1]], axis=1)

    own = lengths(shaped(head, topology, "jawOpen")) / lengths(head.neutral)
    model = lengths(topology.vertices + topology.blendshapes[topology.blendshape_index("jawOpen")]) / lengths(
        topology.vertices
    )
    assert np.quantile(own / model, 0.999) < 1.6


def test_unseen_side_stays_plausible(head, topology):
    skin = topology.vertices_of("skin")
    difference = head.neutral[skin] - head.neutral[topology.mirror[skin]] * [-1, 1, 1]
    assert np.quantile(np.linalg.norm(difference, axis=1), 0.95) < 0.012
    assert 0.24 < np.ptp(head.neutral[skin, 2]) < 0.32  # with the neck


def test_wrapping_a_template_gives_the_template(wrapper, topology, made):
    """A surface that is the average head itself, seen from everywhere, is met without any change."""
    from core.detection.landmarks import FaceLandmarks
    from core.surface.isosurface import Surface
    from core.template.topology import EYE_LEFT, EYE_RIGHT, SKIN
    from core.wrapping.nonrigid_icp import landmark_rays

    triangles = np.concatenate([triangles_of(topology, part) for part in (SKIN, EYE_LEFT, EYE_RIGHT)])
    vertices = topology.vertices
    fine = trimesh.Trimesh(vertices, triangles, process=False).subdivide().subdivide()
    count = len(fine.vertices)
    surface = Surface(
        fine.vertices.astype(np.float32),
        fine.faces.astype(np.int32),
        np.zeros((count, 3), np.uint8),
        np.ones(count, np.float32),
    )
    seen = made.pose.head_to_camera(wrapper.template.landmarks(vertices).astype(float))
    points = np.column_stack([made.camera.project(seen), seen[:, 2]]).astype(np.float32)
    rays = landmark_rays(points, wrapper.template, made.camera, made.pose)
    assert np.abs(rays.offsets(vertices)).max() < 1e-5
    landmarks = FaceLandmarks(points, made.landmarks.score, made.landmarks.attempt)
    head = wrapper(surface, vertices, landmarks, made.camera, made.pose)
    skin = np.setdiff1d(topology.vertices_of(SKIN), wrapper.neck.moved)  # the neck's end is leveled
    gap = np.linalg.norm(head.vertices - vertices, axis=1)[skin] * MM
    assert np.median(gap) < 0.1 and np.quantile(gap, 0.95) < 0.6
    assert (
        head.expression[
            [topology.blendshape_index("jawOpen"), topology.blendshape_index("mouthSmileLeft")]
        ].max()
        < 0.1
    )


def test_no_file_holds_a_path_of_the_user(made, astronaut, tmp_path):
    """What is handed on must not say where on whose machine it was made."""
    Image.fromarray(astronaut).save(tmp_path / "portrait.png")
    photo = load_photo(tmp_path / "portrait.png")
    files = write_reconstruction(made, photo, tmp_path / "out", preview_model=True)
    assert {"head.glb", "head.npz", "head.ply", "face.json", "view.js"} <= files.keys()
    for path in files.values():
        data = path.read_bytes()
        if path.name == "view.js":
            data = base64.b64decode(data.split(b'"')[-2])
        for secret in (tmp_path, models_folder()):
            assert os.fsencode(secret) not in data, path.name


def test_it_is_written(made, topology, astronaut, tmp_path):
    files = write_reconstruction(made, Photo.from_array(astronaut), tmp_path)
    mesh = trimesh.load(files["head.ply"], process=False, force="mesh")
    assert len(mesh.faces) > 6000 and 0.2 < np.ptp(mesh.vertices[:, 2]) < 0.32
    about = json.loads(files["face.json"].read_text())
    assert about["head"]["quads"] == len(topology.quads)
    assert about["head"]["expression"] and "head.ply" in about["files"]


def test_normals_point_outwards(topology):
    ball = trimesh.creation.icosphere(3)
    normals = vertex_normals(ball.vertices, ball.faces)
    np.testing.assert_allclose(normals, ball.vertices, atol=0.02)


def test_an_open_jaw_shows_the_lower_teeth_and_the_tongue_lies_low(head, topology):
    """Their edge stands over the lip in front of them, and the tip of the tongue does not."""
    opened = head.neutral + head.blendshapes[topology.blendshape_index("jawOpen")]
    middle = np.abs(head.neutral[:, 0]) < 0.005

    def of(*parts):
        return opened[np.intersect1d(topology.vertices_of(*parts), np.flatnonzero(middle))]

    teeth = of("teeth_lower")
    front = teeth[teeth[:, 1].argmin(), 1]
    edge = teeth[teeth[:, 1] < front + 0.012, 2].max()
    lip = of("skin", "inner")
    lip = lip[(lip[:, 1] < front) & (lip[:, 2] < edge + 0.015)]
    assert edge > lip[:, 2].max() + 0.002
    tongue = of("tongue")
    assert tongue[tongue[:, 1] < tongue[:, 1].min() + 0.006, 2].max() < edge - 0.002
    # Closed, the lower teeth stand behind the upper ones.
    upper, lower = (head.neutral[topology.vertices_of(f"teeth_{row}")] for row in ("upper", "lower"))
    assert upper[:, 1].min() < lower[:, 1].min() - 0.001
