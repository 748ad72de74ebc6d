"""Files of a head that somebody else has made: what is wrong is named, and never reaches Blender."""

import io
import json
import os
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blender_addon.errors import HeadFileError, SurfaceFileError
from blender_addon.heads import manifest
from blender_addon.heads.checked_pictures import check_picture
from blender_addon.heads.face_document import FaceDocument
from blender_addon.heads.head_npz import read_head
from blender_addon.heads.ply import read_ply
from blender_addon.heads.verdict import verdict
from tests.blender_addon.heads.head_file_samples import head_arrays, npz, ply_bytes, rigged_arrays


def refused(folder, arrays) -> str:
    (folder / "head.npz").write_bytes(npz(arrays))
    with pytest.raises(HeadFileError, match="Reconstruct the photo again") as caught:
        read_head(folder / "head.npz")
    return str(caught.value)


def refuses_other_versions(folder, arrays, name) -> None:
    """An array of another shape or type is refused, and so is a file without it."""
    good = np.asarray(arrays[name])
    wrong = [good[None], good.astype(bytes)]
    if good.dtype.kind != "U":
        wrong += [good.astype(complex), good.astype("f4" if good.dtype.kind in "iu" else "i4")]
    if good.ndim:
        wrong += [good[:-1], good[:0]]
    for bad in wrong:
        refused(folder, {**arrays, name: bad})
    refused(folder, {key: value for key, value in arrays.items() if key != name})


def test_the_sample_is_a_head(tmp_path):
    (tmp_path / "head.npz").write_bytes(npz(head_arrays()))
    head = read_head(tmp_path / "head.npz")
    assert head.quads.dtype == np.int32 and head.blendshapes.dtype == np.float32
    assert head.provenance == {"photo": "a.jpg", "focal": 50}


def test_levels_of_detail_are_checked(tmp_path):
    """Corners, parts and stencils; files of version 0.2.0 and before have no stencils."""
    level = {
        "lod_corners_1": np.array([[0, 1, 2], [0, 2, 3]], np.uint16),  # of the vertices 0, 1, 4 and 3
        "lod_part_1": np.array([0, 1], np.int8),
        "lod_stencil_1": np.array([[1, 3], [0, 2], [3, 5], [1, 5]], np.uint16),
        "lod_stencil_weights_1": np.full((4, 2), 0.25, np.float16),
    }
    good = head_arrays() | level
    (tmp_path / "head.npz").write_bytes(npz(good))
    (found,) = read_head(tmp_path / "head.npz").levels
    assert found.stencil.tolist() == level["lod_stencil_1"].tolist()
    for name, bad in (
        ("lod_corners_1", np.array([[0, 1, 1], [0, 2, 3]], np.uint16)),
        ("lod_stencil_1", level["lod_stencil_1"] + np.uint16(9)),
        ("lod_stencil_1", level["lod_stencil_1"][:3]),
        ("lod_stencil_1", np.zeros((4, 99), np.uint16)),
        ("lod_stencil_weights_1", np.full((4, 2), np.nan, np.float16)),
        ("lod_stencil_weights_1", np.full((4, 2), 100, np.float16)),
    ):
        assert name in refused(tmp_path, good | {name: bad})
    older = {name: array for name, array in good.items() if "stencil" not in name}
    (tmp_path / "head.npz").write_bytes(npz(older))
    (found,) = read_head(tmp_path / "head.npz").levels
    assert found.stencil.shape == found.stencil_weights.shape == (4, 0)


@pytest.mark.parametrize("name", ["quads", "quad_uv", "face_material", "face_part", "landmark", "ibug68"])
@pytest.mark.parametrize("value", [-1, 10**6, 2**31 - 1, -(2**31)])
def test_indices_that_do_not_exist(tmp_path, name, value):
    arrays = head_arrays()
    arrays[name] = arrays[name].astype(np.int64)
    arrays[name].flat[3] = value
    assert name in refused(tmp_path, arrays)


@pytest.mark.parametrize("name", ["neutral", "photo", "units", "expression", "confidence", "deviation", "uv"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_numbers_that_make_no_sense(tmp_path, name, value):
    arrays = head_arrays()
    arrays[name] = arrays[name].astype(np.float64)
    arrays[name].flat[-1] = value
    assert name in refused(tmp_path, arrays)


@pytest.mark.parametrize("name", sorted(set(head_arrays()) - {"format_version", "provenance"}))
def test_shapes_and_types_that_do_not_fit(tmp_path, name):
    refuses_other_versions(tmp_path, head_arrays(), name)


@pytest.mark.parametrize(
    "names",
    [["a", "a"], ["", "b"], ["a\0b", "c"], ["\ud800", "c"], ["x" * 64, "c"], ["Basis", "c"], ["a", "Photo"]],
)
def test_names_that_blender_cannot_have(tmp_path, names):
    refused(tmp_path, {**head_arrays(), "unit_names": np.array(names)})


def test_materials_that_there_are_none_of(tmp_path):
    assert "material_names" in refused(tmp_path, {**head_arrays(), "material_names": np.array(["skin", "a"])})


def test_a_head_has_some_of_apples_blendshapes(tmp_path):
    """Further ones may stand beside them."""
    assert "Apple" in refused(tmp_path, {**head_arrays(), "unit_names": np.array(["smile", "viseme_aa"])})
    (tmp_path / "head.npz").write_bytes(npz({**head_arrays(), "unit_names": np.array(["smile", "jawOpen"])}))
    assert read_head(tmp_path / "head.npz").blendshape_names == ("smile", "jawOpen")


def test_bones_may_be_called_as_other_programs_call_them(tmp_path):
    names = np.array(["mixamorig:Hips", "mixamorig:Head", "mixamorig:Jaw"])
    (tmp_path / "head.npz").write_bytes(npz({**rigged_arrays(), "bone_names": names}))
    assert read_head(tmp_path / "head.npz").rig.names == tuple(names)


@pytest.mark.parametrize("name", ["neutral", "photo"])
def test_a_head_without_extent(tmp_path, name):
    arrays = head_arrays()
    assert "one place" in refused(tmp_path, {**arrays, name: np.zeros_like(arrays[name])})


def test_faces_with_a_corner_twice(tmp_path):
    arrays = head_arrays()
    arrays["quads"][0, 1] = arrays["quads"][0, 0]
    assert "twice" in refused(tmp_path, arrays)
    arrays = head_arrays()
    arrays["quads"][1] = arrays["quads"][0][::-1]
    assert "twice" in refused(tmp_path, arrays)


def test_the_sample_with_bones_is_a_head(tmp_path):
    (tmp_path / "head.npz").write_bytes(npz(rigged_arrays()))
    head = read_head(tmp_path / "head.npz")
    assert head.visemes.names == ("viseme_sil", "viseme_aa") and head.visemes.weights.shape == (2, 2)
    assert head.rig.names == ("root", "head", "jaw") and head.rig.parents.tolist() == [-1, 0, 1]
    assert head.rig.joints.dtype == np.int32 and head.rig.jaw_open_deg == 28


def test_older_files_have_neither_visemes_nor_bones(tmp_path):
    (tmp_path / "head.npz").write_bytes(npz(head_arrays()))
    head = read_head(tmp_path / "head.npz")
    assert head.visemes is None and head.rig is None


@pytest.mark.parametrize("name", sorted(set(rigged_arrays()) - set(head_arrays())))
def test_bones_and_visemes_that_do_not_fit(tmp_path, name):
    refuses_other_versions(tmp_path, rigged_arrays(), name)


@pytest.mark.parametrize(
    "name", ["viseme_weights", "bone_heads", "bone_tails", "bone_weights", "jaw_open_deg"]
)
@pytest.mark.parametrize("value", [np.nan, np.inf, -1e30, 1e30])
def test_numbers_of_bones_that_make_no_sense(tmp_path, name, value):
    arrays = rigged_arrays()
    arrays[name] = np.array(arrays[name], np.float64)
    arrays[name].flat[-1] = value
    assert name in refused(tmp_path, arrays)


@pytest.mark.parametrize(
    ("name", "index", "value"),
    [
        ("bone_joints", (2, 1), 3),
        ("bone_joints", (2, 1), -1),
        ("bone_parents", 1, 3),
        ("bone_parents", 1, -2),
        ("bone_parents", 0, 0),
        ("bone_parents", 1, 2),
        ("bone_weights", (3, 0), 0.5),
        ("bone_weights", (4, 2), -0.1),
        ("bone_tails", 2, [0.1, 0.1, 0]),
        ("bone_names", 1, "jaw"),
        ("bone_names", 1, ""),
        ("viseme_names", 0, "jawOpen"),
        ("viseme_names", 0, "viseme_aa"),
    ],
)
def test_bones_and_visemes_that_blender_cannot_have(tmp_path, name, index, value):
    arrays = rigged_arrays()
    if name in ("bone_joints", "bone_parents"):
        arrays[name] = arrays[name].astype(np.int64)
    arrays[name][index] = value
    assert name in refused(tmp_path, arrays)


def test_more_bones_than_a_byte_can_number(tmp_path):
    arrays, count = rigged_arrays(), 257
    arrays["bone_names"] = np.array([f"bone {k}" for k in range(count)])
    arrays["bone_parents"] = np.arange(-1, count - 1, dtype=np.int32)
    arrays["bone_heads"] = np.zeros((count, 3), np.float32)
    arrays["bone_tails"] = np.ones((count, 3), np.float32)
    assert "at most 256" in refused(tmp_path, arrays)


def test_provenance_that_blender_cannot_hold(tmp_path):
    odd = {
        "big": 2**40,
        "nan": float("nan"),
        "list": [1],
        "text": "a\0b",
        "half": "\ud800",
        "k" * 80: 1,
        "fine": 3,
    }
    (tmp_path / "head.npz").write_bytes(npz({**head_arrays(), "provenance": np.array(json.dumps(odd))}))
    assert read_head(tmp_path / "head.npz").provenance == {"fine": 3}
    for text in ("[]", "{", "[" * 100_000):
        refused(tmp_path, {**head_arrays(), "provenance": np.array(text)})


def test_archives_that_unpack_to_too_much(tmp_path):
    buffer = io.BytesIO(npz(head_arrays()))
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("more.npy", bytes(250_000_000))
    (tmp_path / "head.npz").write_bytes(buffer.getvalue())
    with pytest.raises(HeadFileError, match="too large"):
        read_head(tmp_path / "head.npz")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders on this system")
def test_pipes_are_not_opened(tmp_path):
    for name in ("head.npz", "surface.ply", "face.json"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(HeadFileError):
        read_head(tmp_path / "head.npz")
    for read in (
        lambda: read_ply(tmp_path / "surface.ply"),
        lambda: FaceDocument.read(tmp_path / "face.json"),
        lambda: manifest.read(tmp_path),
    ):
        with pytest.raises(SurfaceFileError):
            read()


@pytest.mark.parametrize(
    "options",
    [
        {"vertices": [(0, 0, 0), (1, 0, 0), (0, np.nan, 0)]},
        {"vertices": [(0, 0, 0), (1, 0, 0), (0, 1e30, 0)]},
        {"faces": [(0, 1, 1)]},
        {"faces": []},
        {"faces": [(0, 1, 2**31)], "corner": "uint"},
        {"confidence": [0, 1, 2]},
        {"confidence": [0, 1, np.nan]},
        {"count": -1},
        {"count": 10**18},
        {"corner": "float"},
    ],
)
def test_surfaces_that_are_wrong(tmp_path, options):
    (tmp_path / "surface.ply").write_bytes(ply_bytes())
    assert len(read_ply(tmp_path / "surface.ply").faces) == 1
    (tmp_path / "surface.ply").write_bytes(ply_bytes(**options))
    with pytest.raises(SurfaceFileError, match="Reconstruct the photo again"):
        read_ply(tmp_path / "surface.ply")


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"input": 3},
        {"camera": []},
        {"landmarks": {"ibug68": [[0, 0]]}},
        {"landmarks": {"mediapipe478": [[0, 0, "x"]]}},
        {"landmarks": {"mediapipe478": "all"}},
        {"landmarks": {"mediapipe478": [[0, 0, 1e9]]}},
        {"quality": {"seen_share": "much"}},
        {"quality": {"warnings": 3}},
        {"quality": {"error_spread_mm": [1, None]}},
        {"timings": {"network": "long"}},
    ],
)
def test_face_documents_that_are_wrong(tmp_path, document):
    (tmp_path / "face.json").write_text(json.dumps(document), "utf-8")
    with pytest.raises(SurfaceFileError, match="Reconstruct the photo again"):
        FaceDocument.read(tmp_path / "face.json")


@pytest.mark.parametrize(
    "text", ["", "[" * 200_000, '{"a":' * 100_000, "\ufeff{}", "NaN", '{"timings": {"a": 1e999}}']
)
def test_texts_that_are_no_face_document(tmp_path, text):
    (tmp_path / "face.json").write_text(text, "utf-8")
    with pytest.raises(SurfaceFileError):
        FaceDocument.read(tmp_path / "face.json")


CAMERA = {
    "input": {"width": 640, "height": 480},
    "camera": {"focal_length_px": 700.0, "principal_point_px": [319.5, 239.5]},
    "pose": {"rotation_head_to_camera": np.eye(3).tolist(), "translation_m": [0, 0, 0.6]},
}


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("input", "width", 0),
        ("input", "height", 1e999),
        ("input", "height", 10**9),
        ("camera", "focal_length_px", -1),
        ("camera", "focal_length_px", float("nan")),
        ("camera", "principal_point_px", [0, float("inf")]),
        ("camera", "principal_point_px", 3),
        ("pose", "rotation_head_to_camera", np.zeros((3, 3)).tolist()),
        ("pose", "rotation_head_to_camera", np.diag([1, 1, -1]).tolist()),
        ("pose", "translation_m", [0, 0, None]),
    ],
)
def test_cameras_that_cannot_be(part, name, value):
    assert FaceDocument.parse(json.dumps(CAMERA)).camera is not None
    document = {**CAMERA, part: {**CAMERA[part], name: value}}
    assert FaceDocument.parse(json.dumps(document)).camera is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(part=st.sampled_from(["input", "camera", "pose", "landmarks", "quality", "timings"]), value=VALUES)
def test_no_value_gives_a_traceback(part, value):
    """Whatever stands in a part, the document is refused, or everything that is read from it can be read."""
    try:
        record = FaceDocument.parse(json.dumps({**CAMERA, part: value}))
    except ValueError:
        return
    assert record.camera is None or record.camera.width > 0
    assert record.orientation in range(1, 9)
    assert record.landmarks("ibug68").shape[1] == 3
    assert isinstance(record.timings, dict) and json.loads(record.compact()) is not None
    verdict(record.quality)


def png_claiming(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big")


@pytest.mark.parametrize(
    "data", [png_claiming(12_000, 12_000), png_claiming(0, 8), png_claiming(8, 8)[:20], b"\xff\xd8\xff", b""]
)
def test_pictures_that_would_fill_the_memory_are_refused(tmp_path, data):
    picture = tmp_path / "albedo.png"
    picture.write_bytes(png_claiming(4096, 4096))
    check_picture(picture)
    picture.write_bytes(data)
    with pytest.raises(HeadFileError, match="Reconstruct the photo again"):
        check_picture(picture)


def test_archives_of_endlessly_many_arrays(tmp_path):
    arrays = head_arrays() | {f"more_{index}": np.zeros(0) for index in range(1001)}
    assert "more than 1000 arrays" in refused(tmp_path, arrays)
