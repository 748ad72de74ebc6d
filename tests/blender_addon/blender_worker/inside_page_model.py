"""Checks of the light models that the batch's page shows, run by test_preview_model.py in a fresh process.

`inside_page_model.py --check head|surface|refused FOLDER`; prints "CHECK passed" at the end; an assertion
that fails ends the process with code 1.
"""

import base64
import json
import re
import struct
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

import bpy
import numpy as np

from blender_addon.blender_worker.steps import load_step
from blender_addon.errors import AddonError, StepError
from blender_addon.heads.ply import read_ply
from tests.blender_addon.inside import main

run = load_step("view")
COLLECTIONS = ("images", "meshes", "objects", "scenes", "materials")


def contents():
    return {name: sorted(item.name for item in getattr(bpy.data, name)) for name in COLLECTIONS}


def model(folder):
    """view.js -> the GLB's JSON and its buffer."""
    text = (folder / "view.js").read_text("ascii")
    data = json.loads(re.fullmatch(r"photobustView\((.*)\);\n", text).group(1))
    glb = base64.b64decode(data["model"])
    assert data["version"] == 1 and glb[:4] == b"glTF"
    assert struct.unpack("<II", glb[4:12]) == (2, len(glb))
    (length,) = struct.unpack("<I", glb[12:16])
    return json.loads(glb[20 : 20 + length]), glb[28 + length :]


def pictures(document, binary):
    for image in document.get("images", []):
        view = document["bufferViews"][image["bufferView"]]
        data = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        yield image["mimeType"], data


def check_head(folder):
    before = contents()
    result = run(folder, {"texture": 64})
    assert contents() == before, "the step leaves something in bpy.data"
    assert list(result.files) == ["view.js"] and result.facts["source"] == "head"
    document, binary = model(folder)
    assert result.facts["model_bytes"] < 300_000
    assert len(document["meshes"][0]["primitives"]) == 4
    kinds = dict(pictures(document, binary))
    assert sorted(kinds) == ["image/jpeg", "image/png"]
    path = folder / "texture.jpg"
    path.write_bytes(kinds["image/jpeg"])
    image = bpy.data.images.load(str(path))
    assert tuple(image.size) == (64, 64)
    color = np.array(image.pixels[:]).reshape(-1, 4)[:, :3] * 255
    assert np.abs(color - (200, 120, 80)).max() < 6, "the texture's colours change"
    (folder / "albedo.png").unlink()
    run(folder, {})
    document, _ = model(folder)
    assert "images" not in document and len(document["meshes"][0]["primitives"]) == 3  # the lashes need alpha


def check_surface(folder):
    before = contents()
    result = run(folder, {"triangles": 4000})
    assert contents() == before, "the step leaves something in bpy.data"
    assert result.facts["source"] == "surface"
    document, binary = model(folder)
    (part,) = document["meshes"][0]["primitives"]
    accessors = document["accessors"]
    triangles = accessors[part["indices"]]["count"] / 3
    assert 3600 < triangles < 4400, triangles
    node = document["nodes"][0]
    position = accessors[part["attributes"]["POSITION"]]
    view = document["bufferViews"][position["bufferView"]]
    stored = np.frombuffer(binary, np.uint16, 4 * position["count"], view["byteOffset"]).reshape(-1, 4)[:, :3]
    points = stored / 65535.0 * node["scale"][0] + node["translation"]
    surface = read_ply(folder / "surface.ply")
    low, high = surface.vertices.min(0), surface.vertices.max(0)
    assert np.allclose(points.min(0), (low[0], low[2], -high[1]), atol=0.005)
    assert np.allclose(points.max(0), (high[0], high[2], -low[1]), atol=0.005)
    # The sphere is red on one side and blue on the other, and stays so.
    view = document["bufferViews"][accessors[part["attributes"]["COLOR_0"]]["bufferView"]]
    colors = np.frombuffer(binary, np.uint16, 4 * position["count"], view["byteOffset"]).reshape(-1, 4)
    clear = np.abs(points[:, 0]) > 0.02
    assert np.array_equal(colors[clear, 0] > 30000, points[clear, 0] > 0)
    # What the photo saw, the front, keeps more of its vertices.
    assert (points[:, 2] > 0).sum() > 1.5 * (points[:, 2] < 0).sum()


def check_refused(folder):
    for options, error, words in (
        ({"triangles": "many"}, StepError, "numbers"),
        ({"texture": -1}, StepError, "greater than 0"),
        ({}, StepError, "neither a head nor a surface"),
    ):
        try:
            run(folder, options)
        except error as problem:
            assert words in str(problem), problem
        else:
            raise AssertionError(f"{options} were taken")
    (folder / "head.npz").write_bytes(b"not this")
    try:
        run(folder, {})
    except AddonError as problem:
        assert "head.npz" in str(problem)
    assert not (folder / "view.js").exists() and not list(folder.glob("*.part"))


if __name__ == "__main__":
    main(globals())
