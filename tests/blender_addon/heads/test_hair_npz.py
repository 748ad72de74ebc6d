"""A hair.npz that somebody else has made: what is wrong is named, and never reaches Blender."""

import numpy as np
import pytest

from blender_addon.errors import HeadFileError
from blender_addon.heads.hair_npz import read_hair, read_hair_of
from tests.blender_addon.heads.head_file_samples import TETRAHEDRON, hair_arrays, npz


def refused(folder, arrays) -> str:
    (folder / "hair.npz").write_bytes(npz(arrays))
    with pytest.raises(HeadFileError, match="Reconstruct the photo again") as caught:
        read_hair(folder / "hair.npz")
    return str(caught.value)


def test_hair_comes_back(tmp_path):
    assert read_hair_of(tmp_path) is None
    (tmp_path / "hair.npz").write_bytes(npz(hair_arrays()))
    hair = read_hair_of(tmp_path)
    assert hair is not None and hair.cards is not None and hair.strands is not None
    assert (hair.product, hair.rgb) == ("cards", (60, 40, 20))
    # The outer card is left out first.
    assert (hair.cards.rank[:4] < hair.cards.rank[4:]).all()
    assert hair.facial_product == "cards" and [one.name for one in hair.facial] == ["brows"]
    assert len(hair.facial[0].cards.vertices) == len(hair.facial[0].bound_vertices) == 8
    assert hair.shell is not None and np.array_equal(hair.shell.triangles, TETRAHEDRON)


def test_cards_of_coarser_levels_of_detail_stay_longest(tmp_path):
    arrays = {**hair_arrays(), "card_lod": np.array([0, 1], np.uint8)}
    (tmp_path / "hair.npz").write_bytes(npz(arrays))
    rank = read_hair(tmp_path / "hair.npz").cards.rank
    assert (rank[4:] < rank[:4]).all()


def test_a_head_may_have_a_cover_alone(tmp_path):
    kept = {
        key: value
        for key, value in hair_arrays().items()
        if not key.startswith(("shell_", "card_", "strand_"))
    }
    (tmp_path / "hair.npz").write_bytes(npz({**kept, "style": np.array("null")}))
    hair = read_hair(tmp_path / "hair.npz")
    assert hair.shell is None and hair.cards is None and hair.cover is not None


@pytest.mark.parametrize(
    "name", ["shell_triangles", "card_triangles", "cover_triangles", "card_index", "brows_card_index"]
)
@pytest.mark.parametrize("value", [-1, 10**6, 2**31 - 1])
def test_indices_that_do_not_exist(tmp_path, name, value):
    arrays = hair_arrays()
    arrays[name] = arrays[name].astype(np.int64)
    arrays[name].flat[1] = value
    assert name in refused(tmp_path, arrays)


@pytest.mark.parametrize(
    "name", ["shell_vertices", "shell_uv", "card_normals", "card_along", "strand_points", "cover_inset"]
)
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_numbers_that_make_no_sense(tmp_path, name, value):
    arrays = hair_arrays()
    arrays[name] = arrays[name].copy()
    arrays[name].flat[1] = value
    assert name in refused(tmp_path, arrays)


@pytest.mark.parametrize("name", ["shell_triangles", "card_triangles", "brows_card_triangles"])
def test_meshes_without_faces(tmp_path, name):
    assert f"{name} is empty" in refused(tmp_path, {**hair_arrays(), name: np.zeros((0, 3), np.int32)})


#: Arrays that the add-on takes nothing from.
UNREAD = {"format_version", "provenance", "seen_fraction"} | {
    *(f"{prefix}{name}" for prefix in ("", "brows_") for name in ("card_lod", "strand_root_vertices")),
    *(f"{prefix}strand_root_barycentric" for prefix in ("", "brows_")),
    *(f"{prefix}_{name}" for prefix in ("shell", "cover") for name in ("seen", "inner")),
}


@pytest.mark.parametrize("name", sorted(set(hair_arrays()) - UNREAD))
def test_arrays_of_other_shapes(tmp_path, name):
    good = np.asarray(hair_arrays()[name])
    refused(tmp_path, {**hair_arrays(), name: good[None] if "product" not in name else np.array("wig")})


@pytest.mark.parametrize("text", ['{"rgb": [1, 2]}', '{"rgb": [1, 2, 300]}', "{", '{"rgb": "red"}'])
def test_styles_that_are_none(tmp_path, text):
    refused(tmp_path, {**hair_arrays(), "style": np.array(text)})


def test_cards_need_a_shell_below_them(tmp_path):
    refused(tmp_path, {key: value for key, value in hair_arrays().items() if not key.startswith("shell_")})
