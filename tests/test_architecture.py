"""The layers of the code, as `pyproject.toml` writes them down, and what keeps its folders readable."""

import subprocess
import sys
from pathlib import Path

import grimp
import networkx
import pytest

from tests.conftest import PATIENCE_SECONDS, ROOT

PACKAGES = ("core", "blender_addon", "web_app")
#: More than this cannot be taken in at a look.
MOST_ENTRIES = 20


@pytest.mark.parametrize("folder", ["core", "core/training", "blender_addon", "web_app"])
def test_a_folder_can_be_taken_in_at_a_look(folder):
    entries = sorted(path.name for path in (ROOT / folder).iterdir() if path.name != "__pycache__")
    assert len(entries) <= MOST_ENTRIES, entries


def test_no_modules_import_each_other_in_a_circle():
    """Not inside functions or for type checkers either. `core` itself is left out: it only re-exports."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    imports = networkx.DiGraph(
        (importer, imported)
        for importer in graph.modules - {"core"}
        for imported in graph.find_modules_directly_imported_by(importer)
    )
    circles = [sorted(found) for found in networkx.strongly_connected_components(imports) if len(found) > 1]
    assert not circles
    assert not list(networkx.nodes_with_selfloops(imports))
    assert len(imports) > 100, "the graph has lost its modules"


def test_nothing_is_imported_upwards():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=2 * PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
