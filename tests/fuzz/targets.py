"""What is fed with hostile bytes: seeds that are right, and a check that lets only expected errors pass."""

import argparse
import contextlib
import io
import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from blender_addon.batch.config import read_config
from blender_addon.batch.corrections import read_corrections
from blender_addon.batch.record import SCHEMA, BatchRecord
from blender_addon.errors import AddonError
from blender_addon.heads import manifest
from blender_addon.heads.face_document import FaceDocument
from blender_addon.heads.head_npz import read_head
from blender_addon.heads.ignored_mask import empty_mask, mask_text, paint, parse_mask
from blender_addon.heads.ply import read_ply
from blender_addon.heads.verdict import verdict
from core.errors import ModelError, PhotoError, RequestError
from core.image.decoding import WORKING_PIXELS
from core.image.limits import is_slow
from core.image.photo import load_photo
from core.worker.adjusting import AdjustJobs, SavedHead
from core.worker.jobs import Jobs
from core.worker.params import adjustments_param
from core.worker.server import Worker, read_lines
from core.wrapping.adjustments import Adjustments
from tests.blender_addon.heads.head_file_samples import head_arrays, npz, ply_bytes
from tests.fuzz.cluster_targets import CLUSTER_TARGETS
from tests.fuzz.forked_decoder import forked_decoders
from tests.fuzz.hair_target import HAIR
from tests.fuzz.live_link_target import LIVE_LINK
from tests.fuzz.page_target import PAGE
from tests.fuzz.preset_target import PRESET
from tests.fuzz.target import Target, accepted, with_right_checksums


def picture() -> Image.Image:
    x, y = np.meshgrid(np.arange(40), np.arange(30))
    return Image.fromarray(np.stack([x * 6, y * 8, (x * y) % 256], -1).astype(np.uint8))


def encoded(format_: str, image: Image.Image | None = None, **options) -> bytes:
    buffer = io.BytesIO()
    (image or picture()).save(buffer, format_, **options)
    return buffer.getvalue()


def photos() -> list[bytes]:
    """Small pictures of all formats that are decoded in this process."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0xA405] = 50
    frames = {"save_all": True, "append_images": [picture().rotate(90)]}
    deep = Image.fromarray(np.asarray(picture().convert("L")).astype(np.uint16) * 257)
    made = [
        encoded("JPEG", exif=exif),
        encoded("JPEG", progressive=True),
        encoded("JPEG", picture().convert("CMYK")),
        encoded("PNG", exif=exif),
        encoded("PNG", picture().convert("P"), transparency=3),
        encoded("PNG", picture().convert("RGBA")),
        encoded("PNG", deep),
        encoded("PNG", **frames),
        encoded("WEBP", exif=exif),
        encoded("WEBP", lossless=True),
        encoded("WEBP", **frames),
        encoded("GIF", **frames),
        *(
            encoded("TIFF", compression=c)
            for c in (None, "tiff_lzw", "tiff_deflate", "zstd", "jpeg", "packbits")
        ),
        encoded("TIFF", deep),
        encoded("BMP"),
        encoded("DIB"),
        encoded("TGA"),
        encoded("TGA", compression="tga_rle"),
        b"P2 3 2 255\n1 2 3\n4 5 6\n",
        b"P3 2 1 1000\n1 2 3 4 5 6\n",
        b"P6 2 2 4095\n" + bytes(24),
        b"P1 4 2\n10101010",
    ]
    return [data for data in made if not is_slow(data)]


def slow_photos() -> list[bytes]:
    """Small pictures of the formats that have a process of their own."""
    import tifffile

    floats, planes = io.BytesIO(), io.BytesIO()
    rgb = np.asarray(picture())
    tifffile.imwrite(floats, rgb.astype(np.float32) / 255, photometric="rgb", compression="zlib")
    tifffile.imwrite(
        planes, rgb.transpose(2, 0, 1).astype(np.uint16) * 257, photometric="rgb", planarconfig="separate"
    )
    made = [encoded("JPEG2000"), encoded("AVIF"), floats.getvalue(), planes.getvalue()]
    try:
        import pillow_heif

        pillow_heif.register_heif_opener()
        made.append(encoded("HEIF"))
        import pillow_jxl  # noqa: F401

        made.append(encoded("JXL"))
    except ImportError:
        pass
    return made


def check_photo(data: bytes, folder: Path) -> None:
    path = folder / "photo.bin"
    path.write_bytes(data)
    try:
        photo = load_photo(path)
    except PhotoError as error:
        assert path.name in str(error)
        return
    assert photo.rgb.dtype == np.uint8 and photo.rgb.ndim == 3 and photo.rgb.shape[2] == 3
    assert 0 < photo.width * photo.height <= WORKING_PIXELS
    assert photo.orientation in range(1, 9) and (photo.focal_mm35 is None or 8 <= photo.focal_mm35 <= 2000)


def check_fast_photo(data: bytes, folder: Path) -> None:
    """A mutant that has become slow is left to the other target, which has fewer of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not is_slow(data):
            check_photo(data, folder)


def lines() -> list[bytes]:
    """Requests to the worker, several lines each."""
    photo = {"photo": "a.jpg", "max_faces": 3}
    out = {**photo, "out": "heads", "focal_mm": 50.5, "faces": [0, 2], "head": True, "texture": 2048}
    requests = [
        {"id": 1, "method": "hello", "params": {}},
        {"id": 2, "method": "detect", "params": {**photo, "thumbnails": "folder", "thumbnail_size": 96}},
        {"id": 3, "method": "reconstruct", "params": {**out, "delight": False}},
        {"id": "four", "method": "cancel", "params": {"id": 3}},
    ]
    each = [json.dumps(request).encode() + b"\n" for request in requests]
    return [*each, b"".join(each), b"[" * 5000, b'{"id":[1],"method":"cancel","params":{"id":[1]}}\n']


def refuse_to_load(_: object) -> None:
    raise ModelError("no models here")


def check_lines(data: bytes, folder: Path) -> None:
    """Every line has an answer, which is no traceback."""
    sink = io.BytesIO()
    source = io.BytesIO(data)
    worker = Worker(source, sink, Jobs(refuse_to_load))
    worker._jobs.hello = dict  # the real one hashes the models
    taken = 0
    for line in read_lines(source):
        taken += 1
        if not worker._accept(line):
            break
    for waiting in (worker._requests, worker._quick):
        while not waiting.empty():
            request = waiting.get()
            assert request is not None
            worker._serve(request)
    answers = [json.loads(line) for line in sink.getvalue().splitlines()]
    finished = [answer for answer in answers if answer["event"] != "progress"]
    assert len(finished) == taken
    wrong = [answer for answer in finished if (answer.get("error") or {}).get("type") == "InternalError"]
    assert not wrong, wrong


def check_head(data: bytes, folder: Path) -> None:
    head = accepted(read_head, data, folder / "head.npz")
    if head is None:
        return
    vertices, quads = len(head.neutral), len(head.quads)
    for name, count in (
        ("quads", vertices),
        ("landmark", vertices),
        ("ibug68", vertices),
        ("quad_uv", len(head.uv)),
    ):
        values = getattr(head, name)
        assert values.dtype == np.int32 and values.min() >= 0 and values.max() < count, name
    assert head.face_material.min() >= 0 and head.face_material.max() < len(head.material_names)
    assert head.face_part.min() >= 0 and head.face_part.max() < len(head.part_names)
    assert head.quads.shape == head.quad_uv.shape == (quads, 4)
    for name in ("neutral", "photo", "blendshapes", "expression", "confidence", "deviation", "uv"):
        assert np.isfinite(getattr(head, name)).all(), name
    assert head.photo.shape == (vertices, 3) and head.blendshapes.shape == (
        len(head.blendshape_names),
        vertices,
        3,
    )


def check_surface(data: bytes, folder: Path) -> None:
    mesh = accepted(read_ply, data, folder / "surface.ply")
    if mesh is None:
        return
    assert np.isfinite(mesh.vertices).all()
    assert mesh.faces.min() >= 0 and mesh.faces.max() < len(mesh.vertices)


def face_documents() -> list[bytes]:
    document = {
        "schema_version": 1,
        "input": {"name": "a.jpg", "width": 640, "height": 480, "orientation": 6},
        "camera": {"focal_length_px": 700.5, "principal_point_px": [319.5, 239.5]},
        "pose": {"rotation_head_to_camera": np.eye(3).tolist(), "translation_m": [0.0, 0.1, 0.6]},
        "landmarks": {"ibug68": [[0.1, 0.2, 0.3], None], "mediapipe478": [[0.1, 0.2, 0.3]]},
        "quality": {"seen_share": 0.3, "face_height_px": 300, "warnings": ["a"], "error_spread_mm": [1, 2]},
        "timings": {"network": 0.5},
        "files": {"surface.ply": {"bytes": 3, "licence": "CC0"}},
    }
    return [json.dumps(document).encode(), json.dumps(document, indent=1).encode()]


def check_face_document(data: bytes, folder: Path) -> None:
    (folder / "face.json").write_bytes(data)
    for read in (lambda: FaceDocument.read(folder / "face.json"), lambda: manifest.read(folder)):
        try:
            record = read()
        except AddonError:
            continue
        if isinstance(record, FaceDocument):
            verdict(record.quality)
            assert record.orientation in range(1, 9)
            assert record.landmarks("ibug68").shape[1] == 3
            camera = record.camera
            assert camera is None or np.isfinite([camera.focal_px, *camera.translation]).all()


def batch_record(**head: object) -> bytes:
    """A record of one photo with one head, some of whose parts are others."""
    step = {"fingerprint": "ab", "files": ["surface.ply"], "facts": {"faces": 1}, "seconds": 0.5}
    parts = {"folder": "a", "files": ["surface.ply"], "vertices": 3, "faces": 1, "steps": {"surface": step}}
    parts["quality"] = {"verdict": "good", "reasons": []}
    photo = {"path": "/photos/a.jpg", "shown": "a.jpg", "sha256": "0" * 64, "size": 3, "mtime_ns": 5}
    photo |= {"heads": [{**parts, **head}], "timings": {"load": 0.1}, "seconds": 1.0, "attempts": 1}
    record = {
        "schema": SCHEMA,
        "engine": {"version": "0.2.0"},
        "inputs": ["/photos"],
        "options": {"head": True},
    }
    record |= {"started": "2026-01-01T00:00:00Z", "finished": "", "timings": {}, "photos": [photo]}
    return json.dumps(record).encode()


def batch_records() -> list[bytes]:
    """A record, and the journal of a run that was killed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "batch.json").write_bytes(batch_record())
        record = BatchRecord.load(folder)
        (photo,) = record.photos.values()
        record.begin(folder, photo, photo.heads)
        record.finish(folder, photo)
        journals = [path.read_bytes() for path in folder.iterdir() if path.name != "batch.json"]
    return [batch_record(), *journals]


def check_batch_record(data: bytes, folder: Path) -> None:
    """Bytes as the record, and as its journal: heads stay inside their folder."""
    for name, other in (("batch.json", "batch.journal"), ("batch.journal", "batch.json")):
        (folder / name).write_bytes(data)
        (folder / other).write_bytes(batch_record() if other == "batch.json" else b"")
        try:
            record = BatchRecord.load(folder)
        except AddonError:
            continue
        for photo in record.photos.values():
            for head in photo.heads:
                for file in (".", *head.files, *(f for step in head.steps.values() for f in step.files)):
                    path = (folder / head.folder / file).resolve()
                    assert path.is_relative_to(folder.resolve()), path


def configurations() -> list[bytes]:
    options = {"out": "heads", "max-faces": 2, "head": True, "focal_mm": 50.5, "export": ["fbx", "obj"]}
    return [json.dumps(options).encode(), b'out = "heads"\nmax-faces = 2\nhead = true\n[table]\na = [1, 2]\n']


def check_configuration(data: bytes, folder: Path) -> None:
    for name in ("batch.toml", "batch.json"):
        (folder / name).write_bytes(data)
        with contextlib.suppress(AddonError):
            assert isinstance(read_config(folder / name), dict)


def corrections() -> list[bytes]:
    """Corrections of heads, as the add-on writes them."""
    mask = empty_mask(40, 30)
    paint(mask, (0.2, 0.5), (0.8, 0.5), 0.1, True)
    pin = {"name": "nose_tip", "x": 12.5, "y": 30, "corrects": "pose", "locked": True}
    one = {"photo": "a.jpg", "face": 0, "version": 1, "pins": [pin], "sliders": {"age": 0.5}}
    both = [one, {**one, "pins": [], "ignored_png": mask_text(mask)}]
    document = {"input": {"name": "a.jpg"}, "detection": {"face_index": 1}, "adjustments": one}
    return [json.dumps(value).encode() for value in (both, document)]


def check_corrections(data: bytes, folder: Path) -> None:
    path = folder / "corrections.json"
    path.write_bytes(data)
    try:
        found = read_corrections(str(path))
    except argparse.ArgumentTypeError:
        return
    for one in found:
        text = one.get("ignored_png")
        parse_mask(text if isinstance(text, str) else "")
    with contextlib.suppress(RequestError):
        for face, made in adjustments_param({"photo": "a.jpg", "adjustments": found}).items():
            assert face >= 0 and Adjustments.parse(made.document()).pins == made.pins


class SmallHeads(AdjustJobs):
    """Reads heads of few vertices, without any models."""

    _vertices = 4  # type: ignore[assignment]

    def saved(self, folder: Path) -> SavedHead:
        return self._saved(folder)


def small_results() -> list[bytes]:
    """head.npz and face.json of a result, as far as corrections need them."""
    shapes = {"neutral": (4, 3), "photo": (4, 3), "units": (52, 4, 3), "expression": (52,)}
    arrays = {name: np.full(shape, 0.1, np.float32) for name, shape in shapes.items()}
    plain, packed = io.BytesIO(), io.BytesIO()
    np.savez(plain, **arrays)
    np.savez_compressed(packed, **arrays, **{f"base_{name}": array for name, array in arrays.items()})
    return [plain.getvalue(), packed.getvalue(), *face_documents()]


def check_result(data: bytes, folder: Path) -> None:
    """Bytes as either file of a result that is to be corrected."""
    head, _, document, _ = small_results()
    for name, other in (("head.npz", "face.json"), ("face.json", "head.npz")):
        (folder / name).write_bytes(data)
        (folder / other).write_bytes(document if other == "face.json" else head)
        with contextlib.suppress(RequestError):
            saved = SmallHeads().saved(folder)
            for array in (saved.neutral, saved.photo, saved.base.blendshapes, saved.base.pose.translation):
                assert np.isfinite(array).all()


TARGETS = {
    "corrections": Target(corrections, check_corrections),
    "photo": Target(photos, check_fast_photo),
    "slow photo": Target(slow_photos, check_photo, forked_decoders),
    "corrected result": Target(small_results, with_right_checksums(check_result)),
    "worker lines": Target(lines, check_lines),
    "head.npz": Target(lambda: [npz(head_arrays())], with_right_checksums(check_head)),
    "hair.npz": HAIR,
    "surface.ply": Target(lambda: [ply_bytes()], check_surface),
    "face.json": Target(face_documents, check_face_document),
    "batch record": Target(batch_records, check_batch_record),
    "configuration": Target(configurations, check_configuration),
    "preset": PRESET,
    "Live Link": LIVE_LINK,
    "page": PAGE,
    **CLUSTER_TARGETS,
}
