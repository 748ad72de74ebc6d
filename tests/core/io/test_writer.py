"""What is written can be read again, by others too, and says what it is."""

import hashlib
import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from core import errors
from core.image.photo import Photo
from core.io import writer
from core.io.writer import MODELS, points_json, write_atomically, write_reconstruction
from core.runtime.pinned_models import PINNED_MODELS
from tests.core.stand_ins import stand_in_reconstructor


@pytest.fixture(scope="module")
def photo(astronaut):
    return Photo.from_array(astronaut, "Ästronaut 1.png")


@pytest.fixture(scope="module")
def head(photo):
    return stand_in_reconstructor().reconstruct(photo)[0]


@pytest.fixture(scope="module")
def files(head, photo, tmp_path_factory):
    return write_reconstruction(head, photo, tmp_path_factory.mktemp("out") / "new" / "folder")


@pytest.fixture(scope="module")
def face(files):
    return json.loads(files["face.json"].read_text(encoding="utf-8"))


def test_files(files):
    assert list(files) == ["surface.ply", "surface.glb", "landmarks.json", "photo.png", "face.json"]
    folder = files["face.json"].parent
    assert sorted(os.listdir(folder)) == sorted(files)  # no temporary file is left


def test_the_model_for_the_page_is_written_where_it_is_wanted(head, photo, tmp_path):
    files = write_reconstruction(head, photo, tmp_path, preview_model=True)
    assert files["view.js"].read_bytes().startswith(b"photobustView(")
    assert "view.js" in json.loads(files["face.json"].read_text(encoding="utf-8"))["files"]


def test_ply(files, head):
    mesh = trimesh.load(files["surface.ply"], process=False)
    np.testing.assert_array_equal(mesh.vertices.astype(np.float32), head.surface.vertices)
    np.testing.assert_array_equal(mesh.faces, head.surface.faces)
    np.testing.assert_array_equal(mesh.visual.vertex_colors[:, :3], head.surface.colors)
    confidence = mesh.metadata["_ply_raw"]["vertex"]["data"]["confidence"]
    np.testing.assert_array_equal(np.asarray(confidence).ravel(), head.surface.confidence)
    assert mesh.is_watertight and mesh.volume > 0


def glb_parts(data: bytes) -> tuple[dict, bytes]:
    magic, version, size, length, kind = struct.unpack("<4sIIII", data[:20])
    assert (magic, version, size, kind) == (b"glTF", 2, len(data), 0x4E4F534A)
    binary_length, binary_kind = struct.unpack("<II", data[20 + length : 28 + length])
    assert binary_kind == 0x004E4942 and length % 4 == 0 and 28 + length + binary_length == len(data)
    return json.loads(data[20 : 20 + length]), data[28 + length :]


def test_glb(files, head):
    """glTF's rules by the letter: frame, alignment, bounds, linear colors."""
    document, binary = glb_parts(files["surface.glb"].read_bytes())
    primitive = document["meshes"][0]["primitives"][0]
    assert document["buffers"][0]["byteLength"] == len(binary)

    def read(index: int) -> np.ndarray:
        accessor = document["accessors"][index]
        view = document["bufferViews"][accessor["bufferView"]]
        assert view["byteOffset"] % 4 == 0
        kind = {5126: "<f4", 5123: "<u2", 5125: "<u4"}[accessor["componentType"]]
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor["type"]]
        values = np.frombuffer(binary, kind, accessor["count"] * width, view["byteOffset"])
        assert values.nbytes == view["byteLength"]
        return values.reshape(-1, width)

    position = read(primitive["attributes"]["POSITION"])
    bounds = document["accessors"][primitive["attributes"]["POSITION"]]
    np.testing.assert_array_equal(position.min(0), np.float32(bounds["min"]))
    np.testing.assert_array_equal(position.max(0), np.float32(bounds["max"]))
    vertices = head.surface.vertices
    np.testing.assert_array_equal(position, np.stack([vertices[:, 0], vertices[:, 2], -vertices[:, 1]], 1))
    np.testing.assert_array_equal(read(primitive["indices"]).reshape(-1, 3), head.surface.faces)
    np.testing.assert_array_equal(read(primitive["attributes"]["_CONFIDENCE"])[:, 0], head.surface.confidence)
    linear = read(primitive["attributes"]["COLOR_0"])[:, :3] / 65535
    back = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_array_equal((back * 255).round(), head.surface.colors)


def test_glb_is_read_by_others(files):
    mesh = trimesh.load(files["surface.glb"], force="mesh", process=False)
    assert mesh.is_watertight and mesh.volume > 0
    # The face looks along +z, y is up.
    assert mesh.bounds[1][2] < 0.08 and mesh.bounds[0][2] < -0.15 and mesh.bounds[1][1] > 0.08


def test_landmarks(files, head):
    points = json.loads(files["landmarks.json"].read_text())["points"]
    assert len(points) == 478
    for point, row in zip(points, head.landmark_points, strict=True):
        if point is None:
            assert np.isnan(row).all()
        else:
            np.testing.assert_allclose(point, row, atol=1e-6)
    assert points_json(np.array([[1, 2, 3], [np.nan] * 3])) == [[1, 2, 3], None]


def test_manifest(face, files, head, photo):
    assert face["schema_version"] == 1 and face["generator"]["version"]
    assert face["input"] == {
        "name": photo.name,
        "sha256": photo.sha256,
        "width": 512,
        "height": 512,
        "original_size": [512, 512],
        "orientation": 1,
    }
    assert face["camera"]["focal_length_mm35"] == 50 and face["camera"]["focal_length_source"] == "default"
    np.testing.assert_allclose(face["pose"]["rotation_head_to_camera"], head.pose.rotation)
    np.testing.assert_allclose(face["crop"]["matrix_photo_to_crop"], head.frame.matrix)
    np.testing.assert_allclose(
        [face["pose"][k] for k in ("yaw", "pitch", "roll")], head.pose.angles, atol=0.01
    )
    assert len(face["landmarks"]["mediapipe478"]) == 478 and len(face["landmarks"]["ibug68"]) == 68
    assert len(face["detection"]["landmarks_photo_px"]) == 478
    assert face["surface"] == {"vertices": len(head.surface.vertices), "faces": len(head.surface.faces)}
    assert set(face["timings"]) == set(head.timings)
    assert set(face["files"]) == set(files) - {"face.json"}
    for name, about in face["files"].items():
        data = files[name].read_bytes()
        assert about["bytes"] == len(data) and about["sha256"] == hashlib.sha256(data).hexdigest()
        assert about["licence"] and about["description"]
    assert face["models"]["face_landmarker.task"]["licence"] == "Apache-2.0"
    assert len(face["models"]["head_template.npz"]["sha256"]) == 64


def test_every_model_has_its_license_in_the_manifest():
    assert MODELS.keys() == PINNED_MODELS.keys()


def test_quality(face, photo, head):
    quality = face["quality"]
    assert 0.1 < quality["seen_share"] < 0.6 and 100 < quality["face_height_px"] < 110
    assert quality["landmarks_on_surface"] > 460
    assert [w for w in quality["warnings"] if "focal length" in w]
    assert not [w for w in quality["warnings"] if "turned" in w or "edge" in w]


def test_warnings(astronaut):
    """A face that is small, turned on its side of the photo and cut by its edge is told as such."""
    cut = np.ascontiguousarray(astronaut[:, 205:])
    photo = Photo.from_array(cut, focal_mm35=50)
    head = stand_in_reconstructor().reconstruct(photo)[0]
    warnings = head.quality.document()["warnings"]
    assert [w for w in warnings if "edge" in w] and not [w for w in warnings if "focal length" in w]


def test_picture_of_the_face(files, head):
    picture = np.asarray(Image.open(files["photo.png"]))
    assert picture.shape == (512, 512, 3)
    small = np.asarray(Image.fromarray(picture).resize((192, 192), Image.Resampling.BOX)).astype(float)
    assert np.abs(small - head.crop).mean() < 6


def test_writing_again_replaces(files, head, photo):
    folder = files["face.json"].parent
    files["landmarks.json"].write_text("old")
    write_reconstruction(head, photo, folder)
    assert len(json.loads(files["landmarks.json"].read_text())["points"]) == 478


def test_nothing_is_left_of_an_earlier_head(tmp_path):
    """The add-on takes the hair that is there: that of a head made before must not be."""
    head, surface = {"head.npz": b"new", "face.json": b"{}"}, {"surface.ply": b"new", "face.json": b"{}"}

    def left(files):
        for name in ("hair.npz", "albedo.png", "view.js", "turntable.mp4"):
            (tmp_path / name).write_text("earlier")
        writer._replace_files(tmp_path, files)
        return {path.name for path in tmp_path.iterdir()} - files.keys()

    everything = {"hair.npz", "albedo.png", "view.js", "turntable.mp4"}
    assert left(head) == everything, "the folder had no results, but somebody's own files"
    assert left(head) == {"turntable.mp4"}
    (tmp_path / "face.json").unlink()  # as after a writer that was stopped
    assert left(head) == {"turntable.mp4"}
    assert left(surface) == everything | {"head.npz"}, "the earlier head is still whole"


def test_a_folder_is_as_it_was_or_incomplete_when_writing_again_fails(files, head, photo, monkeypatch):
    """An earlier face.json would say of new files what is not true, and nothing of their sizes may tell."""
    folder = files["face.json"].parent
    write_reconstruction(head, photo, folder)
    before = {name: path.read_bytes() for name, path in files.items()}
    full = OSError(28, "No space left on device")

    def fails_at(name, real):
        def method(path, *args):
            if name in path.name:
                raise full
            return real(path, *args)

        return method

    with monkeypatch.context() as patch, pytest.raises(errors.OutputError, match="make room"):
        patch.setattr(Path, "write_bytes", fails_at("photo.png", Path.write_bytes))
        write_reconstruction(head, photo, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    with monkeypatch.context() as patch, pytest.raises(errors.OutputError):
        patch.setattr(Path, "replace", fails_at("photo.png", Path.replace))
        write_reconstruction(head, photo, folder)
    assert {path.name for path in folder.iterdir()} == before.keys() - {"face.json"}
    write_reconstruction(head, photo, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_folder_that_cannot_be_written(tmp_path, head, photo):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(errors.OutputError, match="choose another folder"):
        write_reconstruction(head, photo, tmp_path / "file" / "deeper")
    with pytest.raises(errors.OutputError, match="cannot be written"):
        write_reconstruction(head, photo, tmp_path / "file")


def test_nothing_is_left_of_a_failed_write(tmp_path, monkeypatch):
    target = tmp_path / "a.json"
    target.write_text("before")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        write_atomically(target, b"after")
    assert target.read_text() == "before" and os.listdir(tmp_path) == ["a.json"]
