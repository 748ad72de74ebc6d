"""The catalog file of an asset library: what is added, what is kept, and several writers at once."""

import os
import threading
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blender_addon.assets import catalog
from blender_addon.assets.catalog import FILE_NAME, HEADER, catalog_id, clean_path, parse
from blender_addon.batch import workspace
from blender_addon.errors import AssetError
from tests.conftest import PATIENCE_SECONDS

OTHERS = """# mine, do not touch

VERSION 1
# props
0f0ab5b4-2a1b-4a5b-9a4c-1f1e1d1c1b1a:Props/Chairs:Props-Chairs
not a line of Blender's
"""


def test_a_new_library_gets_a_file_that_blender_reads(tmp_path):
    identifier = catalog_id(tmp_path / "new/library", "Studio/Heads")
    text = (tmp_path / "new/library" / FILE_NAME).read_text("utf-8")
    assert text == f"{HEADER}{identifier}:Studio/Heads:Studio-Heads\n"
    assert str(uuid.UUID(identifier)) == identifier
    # The same in every library, and not added twice.
    assert catalog_id(tmp_path / "other", "Studio/Heads") == identifier
    assert catalog_id(tmp_path / "new/library", "Studio//Heads/") == identifier
    assert (tmp_path / "new/library" / FILE_NAME).read_text("utf-8") == text
    assert not list(tmp_path.rglob("*.part"))


def test_what_others_wrote_is_kept(tmp_path):
    (tmp_path / FILE_NAME).write_text(OTHERS, "utf-8")
    assert catalog_id(tmp_path, "Props/Chairs") == "0f0ab5b4-2a1b-4a5b-9a4c-1f1e1d1c1b1a"
    assert (tmp_path / FILE_NAME).read_text("utf-8") == OTHERS
    new = catalog_id(tmp_path, "Köpfe")
    assert (tmp_path / FILE_NAME).read_text("utf-8") == f"{OTHERS}{new}:Köpfe:Köpfe\n"


def test_a_catalog_that_the_user_has_renamed_is_found_again(tmp_path):
    new = catalog_id(tmp_path, "Heads")
    file = tmp_path / FILE_NAME
    file.write_text(file.read_text("utf-8").replace(":Heads:", ":People/All:"), "utf-8")
    assert catalog_id(tmp_path, "Heads") == new
    assert parse(file.read_text("utf-8")) == {"People/All": new}


def test_a_uuid_is_taken_as_it_is(tmp_path):
    identifier = "0F0AB5B4-2A1B-4A5B-9A4C-1F1E1D1C1B1A"
    assert catalog_id(tmp_path, identifier) == identifier.lower()
    assert not (tmp_path / FILE_NAME).exists()


def test_several_writers_at_once(tmp_path):
    made = {}

    def add(name):
        made[name] = catalog_id(tmp_path, name)

    names = [f"Heads/{k % 12}" for k in range(36)]
    threads = [threading.Thread(target=add, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert parse((tmp_path / FILE_NAME).read_text("utf-8")) == made
    assert len(made) == 12


def test_what_a_killed_writer_left_half_written_goes(tmp_path):
    left = [".photobust-0123abcd.part.blend", ".photobust-0123abcd.part.txt"]
    others = ["head.blend", ".photobust-0123abcd.part.glb", ".photobust-0123abcd"]
    for name in (*left, *others):
        (tmp_path / name).write_text("x")
    with catalog.locked(tmp_path / catalog.LOCK_NAME):
        assert {path.name for path in tmp_path.iterdir()} == {*others, catalog.LOCK_NAME}


def test_a_writer_that_does_not_end_is_told_of(tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "LOCK_TIMEOUT", 0.1)
    with (
        catalog.locked(tmp_path / catalog.LOCK_NAME),
        pytest.raises(AssetError, match="Another program"),
    ):
        catalog_id(tmp_path, "Heads")
    assert catalog_id(tmp_path, "Heads")


def test_what_cannot_be(tmp_path):
    (tmp_path / "a file").write_text("")
    with pytest.raises(AssetError, match="cannot be written"):
        catalog_id(tmp_path / "a file", "Heads")
    with pytest.raises(AssetError, match="give it a name"):
        catalog_id(tmp_path, " / ")
    (tmp_path / FILE_NAME).write_text("VERSION 2\n")
    with pytest.raises(AssetError, match="VERSION 2"):
        catalog_id(tmp_path, "Heads")
    assert (tmp_path / FILE_NAME).read_text() == "VERSION 2\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
@pytest.mark.timeout(PATIENCE_SECONDS)
def test_only_a_file_of_catalogs_is_read(tmp_path):
    """A pipe would be waited for, with the library's lock held."""
    file = tmp_path / FILE_NAME
    os.mkfifo(file)
    with pytest.raises(AssetError, match="no regular file"):
        catalog_id(tmp_path, "Heads")
    file.unlink()
    with file.open("wb") as large:
        large.truncate(catalog.MAX_BYTES + 1)
    with pytest.raises(AssetError, match="too large"):
        catalog_id(tmp_path, "Heads")
    file.unlink()
    file.write_bytes(b"VERSION 1\r\n")
    new = catalog_id(tmp_path, "Heads")
    assert file.read_bytes() == f"VERSION 1\n{new}:Heads:Heads\n".encode()


@given(st.text(max_size=40))
def test_paths_are_cleaned_once_and_for_all(path):
    cleaned = clean_path(path)
    assert clean_path(cleaned) == cleaned
    assert ":" not in cleaned and len(cleaned.splitlines()) <= 1
    assert not cleaned.startswith("/") and "//" not in cleaned
    if cleaned:
        line = f"{uuid.uuid4()}:{cleaned}:x"
        assert list(parse(f"VERSION 1\n{line}\n")) == [cleaned]


def test_a_library_in_the_batch_s_own_folder_waits_for_no_lock():
    assert catalog.LOCK_NAME != workspace.LOCK_NAME
