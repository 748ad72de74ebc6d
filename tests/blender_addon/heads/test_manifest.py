import hashlib
import json

from blender_addon.heads.manifest import add_file

DOCUMENT = {
    "schema_version": 1,
    "input": {"name": "Zoë.jpg"},
    "landmarks": {"mediapipe478": [[0.1, 0.2, 0.3], None], "none": {}},
    "files": {"surface.ply": {"bytes": 3, "licence": "yours"}},
}


def test_file_is_added_and_the_rest_stays(tmp_path):
    (tmp_path / "face.json").write_text(json.dumps(DOCUMENT), "utf-8")
    (tmp_path / "preview.png").write_bytes(b"picture")
    add_file(tmp_path, "preview.png", "what it shows")
    text = (tmp_path / "face.json").read_text("utf-8")
    document = json.loads(text)
    assert document["files"].pop("preview.png") == {
        "description": "what it shows",
        "bytes": 7,
        "sha256": hashlib.sha256(b"picture").hexdigest(),
        "licence": "yours",
    }
    assert document == DOCUMENT
    assert "Zoë" in text
    assert len(text.splitlines()) < 20  # long arrays stay on a line
    assert sorted(p.name for p in tmp_path.iterdir()) == ["face.json", "preview.png"]


def test_adding_it_again_replaces_it(tmp_path):
    (tmp_path / "face.json").write_text("{}")
    for content in (b"old", b"newer"):
        (tmp_path / "preview.png").write_bytes(content)
        add_file(tmp_path, "preview.png", "a picture")
    assert json.loads((tmp_path / "face.json").read_text())["files"]["preview.png"]["bytes"] == 5
