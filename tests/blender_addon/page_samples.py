"""A batch's folder, made without the engine: two real heads' files, over and over under other names."""

import io
import json
import os
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.data import astronaut

from blender_addon.batch.record import BatchRecord, HeadRecord, PhotoRecord

#: Names that break out of HTML, of attributes, of addresses or of the screen if they are not handled.
HOSTILE = (
    "<script>window.hacked=1<∕script>",
    "\"'><img src=x onerror=window.hacked=1>",
    "javascript:window.hacked=1",
    "Jürgen O'Neil & Söhne",
    "50% off #1 ?x=y",
    "a  b\u202egpj",
    "&amp;{{script}}",
    "../up".replace("/", "∕"),
    "line\nbreak",
)


def write_master(folder: Path) -> Path:
    """A head's folder with everything that the page shows, but small."""
    from core.io.head_npz import head_npz_bytes
    from core.io.preview_glb import EncodedImage, head_preview_glb, lash_window, preview_script
    from core.template.topology import HeadTopology
    from tests.core.head_samples import MODELS, plain_head

    folder.mkdir()
    topology = HeadTopology.load(MODELS)
    head = plain_head(topology)
    (folder / "head.npz").write_bytes(head_npz_bytes(head, {"photo": "a.jpg"}))
    face = Image.fromarray(astronaut()).crop((130, 0, 330, 200))
    face.save(folder / "photo.png")
    strip = Image.new("RGB", (256, 64))
    for k, color in enumerate(["red", "green", "blue", "yellow"]):
        strip.paste(color, (64 * k, 0, 64 * k + 64, 64))
    strip.save(folder / "preview.png")
    left, top, right, bottom = lash_window(topology, 256)
    lashes = Image.new("RGBA", (right - left, bottom - top), (40, 20, 10, 128))
    model = head_preview_glb(
        head.vertices,
        topology,
        "test",
        EncodedImage(encoded(face.resize((256, 256)), "JPEG"), "image/jpeg"),
        EncodedImage(encoded(lashes, "PNG"), "image/png"),
        (left / 256, top / 256, right / 256, bottom / 256),
    )
    (folder / "view.js").write_bytes(preview_script(model))
    (folder / "turntable").mkdir()
    for k in range(4):
        face.rotate(90 * k).save(folder / f"turntable/{k:03d}.png")
    (folder / "face.json").write_text(json.dumps(document()))
    return folder


def encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def document(**quality) -> dict:
    """A face.json as far as the page reads it."""
    return {
        "input": {"name": "photo.jpg", "width": 512, "height": 512},
        "camera": {"focal_length_mm35": 50.0, "focal_length_source": "exif"},
        "pose": {"yaw": 12.3, "pitch": -8.0, "roll": 1.0},
        "quality": {"face_height_px": 240.0, "seen_share": 0.3, "warnings": [], **quality},
        "files": {"photo.png": {"description": 'the "face" in the photo'}},
    }


def add_head(out: Path, record: BatchRecord, master: Path, name: str, **more) -> Path:
    """A head called `name` with the master's files; `more`: face.json's parts and the outcome's error."""
    folder = out / name
    folder.mkdir(parents=True)
    for path in sorted(master.rglob("*")):
        target = folder / path.relative_to(master)
        if path.is_dir():
            target.mkdir()
        elif path.name != "face.json":
            os.link(path, target)
    error = more.pop("error", None)
    face = document() | {"input": {"name": f"{name}.jpg"}} | more
    (folder / "face.json").write_text(json.dumps(face))
    photo = f"/photos/{name}.jpg"
    head = HeadRecord(name, sorted(path.name for path in folder.iterdir()), 100, 200)
    record.photos[photo] = PhotoRecord(
        photo, photo, "0" * 64, error=error, heads=[head], timings={"network": 0.6}, seconds=2.5
    )
    return folder


def add_failure(record: BatchRecord, name: str, error: str) -> None:
    photo = f"/photos/{name}"
    record.photos[photo] = PhotoRecord(photo, photo, error=error, error_kind="NoFaceError")


def make_many(out: Path, record: BatchRecord, master: Path, count: int) -> None:
    """Heads of all verdicts, in an order that no sorting gives."""
    draw = np.random.default_rng(7)
    for k in draw.permutation(count).tolist():
        verdict = ("good", "good", "good", "check", "poor")[k % 5]
        quality = document(
            verdict=verdict,
            expected_error_mm=round(1 + float(draw.random()) * 2, 3),
            error_spread_mm=[0.8, 3.4],
            reasons=[] if verdict == "good" else ["The face is turned 61° away: the far side is a guess."],
        )["quality"]
        pose = {"yaw": round(float(draw.normal(0, 30)), 2), "pitch": 0.0, "roll": 0.0}
        add_head(out, record, master, f"head {k}", quality=quality, pose=pose)
