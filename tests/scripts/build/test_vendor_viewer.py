"""The script that takes the page's viewer over from npm, without npm."""

import base64
import hashlib
import io
import subprocess
import sys
import tarfile

import pytest

from scripts.build import vendor_viewer
from scripts.build.vendor_viewer import FILES, FOLDER, INTEGRITY, VERSION, VendorError, extracted, verified
from tests.conftest import ROOT


def archive(**contents):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as package:
        for name, data in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            package.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def whole():
    return archive(**{name: name.encode() for name in FILES}, **{"package/evil.js": b"more"})


def test_only_the_files_that_are_wanted_are_taken():
    assert extracted(whole()) == {target: source.encode() for source, target in FILES.items()}
    with pytest.raises(VendorError, match=r"no file package/dist"):
        extracted(archive(**{"package/LICENSE": b"text"}))


def test_a_package_with_another_hash_is_refused():
    data = whole()
    digest = base64.b64encode(hashlib.sha512(data).digest()).decode()
    assert verified(data, f"sha512-{digest}") == data
    with pytest.raises(VendorError, match="pinned"):
        verified(data + b"x", f"sha512-{digest}")
    with pytest.raises(VendorError, match="pinned"):
        verified(data, INTEGRITY)


def test_nothing_is_written_if_the_package_is_another(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(vendor_viewer, "download", whole)
    monkeypatch.setattr(vendor_viewer, "FOLDER", tmp_path / "new")
    monkeypatch.setattr(sys, "argv", ["vendor_viewer.py"])
    assert vendor_viewer.main() == 1
    assert "pinned" in capsys.readouterr().err and not (tmp_path / "new").exists()


def test_a_missing_npm_is_told(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(VendorError, match="no npm"):
        vendor_viewer.download()


def test_the_notice_is_of_the_same_version():
    notice = (FOLDER / "model-viewer.NOTICE.txt").read_text()
    assert f"model-viewer {VERSION}, unchanged" in notice
    for name in FILES.values():
        assert name in notice and (FOLDER / name).stat().st_size > 10_000


def test_it_tells_how_to_use_it():
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/build/vendor_viewer.py", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--check" in done.stdout
