"""Where packages would come from: what pip says, with its files and variables."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from blender_addon.engine import package_sources as module
from blender_addon.engine.package_sources import PackageSources, main, package_sources, shown_url
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    """Nobody's variables and files."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_what_pip_uses_when_nothing_is_set():
    found = package_sources()
    assert found.asked_pip and found.index.startswith("https://") and not found.extra_indexes
    assert found.name in found.index


def test_files_and_variables_count(monkeypatch, tmp_path):
    path = tmp_path / "pip.conf"
    path.write_text(
        "[global]\nindex-url = https://user:secret@files.example/simple\nproxy = http://me:word@proxy.example:3128\n"
        "[install]\nfind-links = /srv/wheels\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(path))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://one.example/simple https://two.example/simple")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "one.example")
    found = package_sources()
    assert found.name == "files.example"
    assert found.lines() == [
        "Also from one.example, two.example (extra index).",
        "Also from /srv/wheels (find-links).",
        "Certificates are not checked for one.example (trusted-host).",
        "Through the proxy proxy.example:3128.",
    ]
    monkeypatch.setenv("PIP_INDEX_URL", "https://variable.example/simple")
    assert package_sources().name == "variable.example"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    found = package_sources()
    assert found.name == "no package index" and not found.extra_indexes


def test_a_python_that_has_only_the_wheel_of_pip(monkeypatch):
    """As inside Blender, where pip is not installed but ensurepip has it."""
    monkeypatch.setenv("PIP_INDEX_URL", "https://files.example/simple")
    hide = "import sys; sys.meta_path.insert(0, type('Hide', (), {'find_spec': staticmethod("
    hide += "lambda name, path=None, target=None: (_ for _ in ()).throw(ImportError(name)) "
    hide += "if name == 'pip' and not any('pip-' in p for p in sys.path) else None)})())\n"
    monkeypatch.setattr(module, "_PROBE_SCRIPT", hide + module._PROBE_SCRIPT)
    found = package_sources(sys.executable)
    assert found.asked_pip and found.name == "files.example"


def test_without_an_answer_the_variables_are_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_INDEX_URL", "https://files.example/simple")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "files.example")
    found = package_sources(tmp_path / "no-python")
    assert found == PackageSources(
        index="https://files.example/simple", trusted_hosts=("files.example",), asked_pip=False
    )
    monkeypatch.delenv("PIP_INDEX_URL")
    assert package_sources(tmp_path / "no-python").name == "pip's own package index"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a:b@files.example/simple", "files.example"),
        ("https://files.example:8443/x?token=1", "files.example:8443"),
        ("file:///srv/wheels", "/srv/wheels"),
        ("wheels", str(Path("wheels"))),
        ("https://[broken", "an unreadable address"),
        ("https://files.example:port/", "files.example"),
    ],
)
def test_addresses_without_passwords(url, shown):
    assert shown_url(url) == shown


def test_command_line(capsys, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://files.example/simple")
    assert main([sys.executable]) == 0
    assert capsys.readouterr().out == "Packages come from files.example.\n"


def test_no_file_of_the_project_names_pips_index():
    host = package_sources().name
    assert host
    git = shutil.which("git")
    if not git or not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    done = subprocess.run(
        [git, "grep", "-Il", "--fixed-strings", host], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout == ""
