"""Where the user's documents are."""

import sys

import pytest

from blender_addon.state.documents import documents_folder


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path


def test_no_documents_no_folder(home):
    assert documents_folder() is None


def test_the_usual_folder(home):
    (home / "Documents").mkdir()
    assert documents_folder() == home / "Documents"


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="user directories of freedesktop.org")
@pytest.mark.parametrize(("line", "wanted"), [('"$HOME/Dokumente"', "Dokumente"), ('"$HOME"', None)])
def test_the_folder_that_the_desktop_names(home, line, wanted):
    (home / ".config").mkdir()
    (home / ".config/user-dirs.dirs").write_text(f"# a comment\nXDG_DOCUMENTS_DIR={line}\n", "utf-8")
    (home / "Dokumente").mkdir()
    assert documents_folder() == (home / wanted if wanted else None)
