"""Faults that were found once, each made anew: no large files."""

import base64
import json
import pickle
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image

from blender_addon.batch.payload import encode_result
from tests.blender_addon.batch.payload_samples import RESULT
from tests.blender_addon.heads.head_file_samples import hair_arrays, head_arrays, npz, ply_bytes
from tests.fuzz.cluster_targets import END_OF_TEXT, UNMEASURED
from tests.fuzz.page_target import PAGE_NAME
from tests.fuzz.page_target import request as page_request
from tests.fuzz.targets import batch_record, encoded

#: Where a PNG's first chunk, which has its size, ends.
PNG_HEADER_BYTES = 33


def jpeg_of_many_scans(side: int, scans: int) -> bytes:
    data = encoded("JPEG", Image.new("RGB", (side, side), (90, 80, 70)), progressive=True)
    return data[:-2] + data[data.rindex(b"\xff\xda") : -2] * scans + b"\xff\xd9"


def jpeg_of_many_pieces(piece: bytes, count: int) -> bytes:
    data = encoded("JPEG")
    return data[:2] + piece * count + data[2:]


def png_with_iccp_bomb() -> bytes:
    png = encoded("PNG")
    body = b"x\0\0" + zlib.compress(bytes(20_000_000))
    chunk = b"iCCP" + body
    return (
        png[:PNG_HEADER_BYTES]
        + struct.pack(">I", len(body))
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + png[PNG_HEADER_BYTES:]
    )


def webp_claiming(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"VP8X" + (10).to_bytes(4, "little") + bytes(4) + size
    return b"RIFF" + (4 + len(body)).to_bytes(4, "little") + b"WEBP" + body


def plain(magic: bytes, side: int) -> bytes:
    values = np.random.default_rng(0).integers(0, 2, side * side) + ord("0")
    text = values.astype(np.uint8).tobytes()
    header = magic + b" %d %d\n" % (side, side)
    return header + text if magic == b"P1" else header + b"255\n" + b" ".join(bytes([c]) for c in text)


def changed(name: str, index: int, value: int) -> bytes:
    """A head.npz with a wrong index."""
    arrays = head_arrays()
    arrays[name] = arrays[name].astype(np.int64)
    arrays[name].flat[index] = value
    return npz(arrays)


def face(part: str, value: object) -> bytes:
    return json.dumps({part: value}).encode()


def request(method: str, **params: object) -> bytes:
    return json.dumps({"id": 1, "method": method, "params": params}).encode() + b"\n"


def hair(**changed_arrays: np.ndarray) -> bytes:
    """A hair.npz some of whose arrays are others."""
    return npz({**hair_arrays(), **changed_arrays})


def many_arrays(count: int) -> bytes:
    """A hair.npz with more arrays than any has."""
    return npz({**hair_arrays(), **{f"a{number}": np.zeros(1) for number in range(count)}})


def preset(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def take(header: str, *lines: str) -> bytes:
    """A recording of Live Link Face."""
    return "\n".join([header, *lines, ""]).encode()


def asked_of_page(method: str, path: str, body: str = "", *headers: str) -> bytes:
    return page_request(f"{method} /api/pages/{PAGE_NAME.decode()}/{path}", body, *headers)


def in_wrong_pieces(method: str, path: str) -> bytes:
    """A request whose body claims to come in pieces (chunked), and does not."""
    return asked_of_page(method, path, "", "Transfer-Encoding: chunked") + b"x\r\n"


def result_text(text: bytes) -> bytes:
    """What a cluster's worker sends, of this JSON text."""
    return UNMEASURED + text + END_OF_TEXT


def result_with(file: str, content: bytes = b"1") -> bytes:
    """A worker's result with one more file."""
    (head,) = RESULT.heads
    return encode_result(replace(RESULT, heads=[replace(head, files={**head.files, file: content})]))


def called(function: str, argument: bytes) -> bytes:
    """A pickle that calls one of Python's functions."""
    return b"cbuiltins\n" + function.encode() + b"\n(" + argument + b"tR."


def with_endless_chunk(png: bytes) -> bytes:
    """The PNG with a chunk behind its header that claims 2.9 GB."""
    chunk = struct.pack(">I", 2_908_021_504) + b"zzZz"
    return png[:PNG_HEADER_BYTES] + chunk + png[PNG_HEADER_BYTES:]


def corrections_with_mask(png: bytes) -> bytes:
    """Corrections of one head that ignore what a mask says."""
    mask = base64.b64encode(png).decode()
    return json.dumps([{"photo": "a.jpg", "face": 0, "version": 1, "ignored_png": mask}]).encode()


def float_npz(value: float) -> bytes:
    arrays = head_arrays()
    arrays["neutral"][0, 0] = value
    return npz(arrays)


FAULTS: dict[str, dict[str, Callable[[], bytes]]] = {
    "photo": {
        "JPEG of 5,000 scans": lambda: jpeg_of_many_scans(3000, 5000),
        "plain PBM of 16 megapixels": lambda: plain(b"P1", 4000),
        "plain PGM of 9 megapixels": lambda: plain(b"P2", 3000),
        "plain PGM that claims 169 megapixels": lambda: b"P2 13000 13000 255\n1 2 3",
        "PPM whose white is 1000": lambda: b"P6 3000 3000 1000\n" + bytes(3000 * 3000 * 6),
        "WebP that claims 177 megapixels": lambda: webp_claiming(13300, 13300),
        "profile that unpacks to 20 MB": png_with_iccp_bomb,
        "EXIF that leads out of the file": lambda: encoded("JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"),
    },
    "corrections": {
        "a mask whose chunk claims 2.9 GB": lambda: corrections_with_mask(with_endless_chunk(encoded("PNG"))),
    },
    "slow photo": {
        "JPEG of 80 scans": lambda: jpeg_of_many_scans(3000, 80),
        "JPEG of EXIF in 100,000 pieces": lambda: jpeg_of_many_pieces(
            b"\xff\xe1\0\x10Exif\0\0aaaaaaaa", 100_000
        ),
        "HEIC of nothing": lambda: b"\0\0\0\x18ftypheic" + bytes(200),
        "JPEG XL of nothing": lambda: b"\xff\x0a" + bytes(200),
        "TIFF of nothing": lambda: b"II*\0\x08\0\0\0",
    },
    "worker lines": {
        "cancel of a list": lambda: request("cancel", id=[1]),
        "cancel of an object": lambda: request("cancel", id={}),
        "100,000 brackets": lambda: b"[" * 100_000 + b"\n",
        "a line of 10 MB": lambda: b"x" * 10_000_000 + b"\n",
        "NUL in out": lambda: request("reconstruct", photo="a", out="a\0b"),
        "surrogate in out": lambda: request("reconstruct", photo="a", out="\ud800"),
        "NUL in thumbnails": lambda: request("detect", photo="a", thumbnails="a\0b"),
        "surrogate in photo": lambda: request("detect", photo="\ud800"),
        "a pin at a number of 400 digits": lambda: request(
            "adjust", folder="a", adjustments={"pins": [{"name": "nose_tip", "x": 10**400, "y": 0}]}
        ),
        "endless faces": lambda: request("detect", photo="a", max_faces=10**100),
    },
    "head.npz": {
        "quads beyond the vertices": lambda: changed("quads", 3, 10**6),
        "quads before the vertices": lambda: changed("quads", 3, -1),
        "texture coordinates that do not exist": lambda: changed("quad_uv", 0, 99),
        "materials that do not exist": lambda: changed("face_material", 0, 9),
        "parts that do not exist": lambda: changed("face_part", 0, -3),
        "landmarks that do not exist": lambda: changed("landmark", 5, 2**31),
        "a vertex nowhere": lambda: float_npz(float("nan")),
        "a vertex far away": lambda: float_npz(3e38),
    },
    "corrected result": {
        "brackets": lambda: b"[" * 200_000,
        "nested objects": lambda: b'{"camera":' * 100_000,
        "a pose of texts": lambda: face("pose", {"rotation_head_to_camera": "x"}),
    },
    "surface.ply": {
        "minus one vertex": lambda: ply_bytes(count=-1),
        "corners that do not exist": lambda: ply_bytes(faces=[(0, 1, 2**31)], corner="uint"),
        "a vertex nowhere": lambda: ply_bytes(vertices=[(0, 0, 0), (1, 0, 0), (0, float("nan"), 0)]),
    },
    "face.json": {
        "landmarks that are no points": lambda: face("landmarks", {"ibug68": [[0, 0]]}),
        "orientation of a list": lambda: face("input", {"orientation": [6]}),
        "input of a number": lambda: face("input", 3),
        "quality of texts": lambda: face("quality", {"seen_share": "x"}),
        "brackets": lambda: b"[" * 200_000,
    },
    "batch record": {
        "a folder outside": lambda: batch_record(folder="../victim"),
        "a file outside": lambda: batch_record(files=["../../victim.txt"]),
        "an absolute path": lambda: batch_record(folder="/etc", files=["passwd"]),
        "a million empty photos": lambda: b'{"schema": 2, "photos": [' + b"{}," * 1_000_000 + b"{}]}",
        "22 million values": lambda: b'{"schema": 2, "photos": [' + b"[]," * 11_000_000 + b"[]]}",
        "brackets": lambda: b"[" * 200_000,
    },
    "hair.npz": {
        "triangles beyond the vertices": lambda: hair(shell_triangles=np.full((4, 3), 99, np.int32)),
        "brows bound to vertices before the first": lambda: hair(
            brows_card_bound_vertices=np.full((8, 3), -1, np.int32)
        ),
        "cards that do not exist": lambda: hair(card_index=np.full(8, 7, np.int32)),
        "a strand nowhere": lambda: hair(strand_points=np.full((3, 4, 3), np.nan, np.float32)),
        "a style of brackets": lambda: hair(style=np.array("[" * 100_000)),
        "a color beyond all": lambda: hair(style=np.array('{"rgb": [1e999, 0, 0]}')),
        "2,000 arrays": lambda: many_arrays(2000),
    },
    "Live Link": {
        "no line ends": lambda: b"Timecode,JawOpen," + b"," * 1_000_000,
        "one quote": lambda: take("Timecode,JawOpen", '0,"' + "1," * 500_000),
        "hours without end": lambda: take("Timecode,JawOpen", "1e308:0:0:0,1", "1e308:0:0:1,1"),
        "frames without end": lambda: take("Timecode,JawOpen", "0:0:0:1e5,1", "0:0:1:0,1"),
        "columns twice": lambda: take("JawOpen,JawOpen,HeadYaw,HeadYaw", "1,2,3,4"),
        "turns beyond all": lambda: take("JawOpen,HeadYaw", "1,999999", "1,-999999"),
    },
    "preset": {
        "brackets": lambda: b"[" * 60_000,
        "half a surrogate pair in what menus show": lambda: preset(description="\ud800"),
        "NUL in what menus show": lambda: preset(description="a\0b"),
        "half a surrogate pair as a shape": lambda: preset(pose={"\ud800": 0.5}),
        "half a surrogate pair as a field": lambda: preset(**{"\ud800": 1}),
        "one format a hundred times": lambda: preset(formats=["glb"] * 100),
        "one level five times": lambda: preset(lods=[1.0] * 5),
        "one level written in two ways": lambda: preset(lods=[1, 1.0]),
        "a scale of 400 digits": lambda: b'{"scale": 1' + b"0" * 400 + b"}",
        "a scale that is true": lambda: preset(scale=True),
    },
    "page": {
        "a head's number of 5,000 digits": lambda: asked_of_page("GET", f"files/{'1' * 5000}/head.png"),
        "a length of 5,000 digits": lambda: asked_of_page(
            "POST", "cancel", "", f"Content-Length: {'1' * 5000}"
        ),
        "true as a face": lambda: asked_of_page("POST", "face", '{"index": true}'),
        "brackets": lambda: asked_of_page("POST", "face", "[" * 1900),
        "a format that is a list": lambda: asked_of_page("POST", "export", '{"format": ["fbx"]}'),
        "a name of 2,000 letters": lambda: asked_of_page(
            "POST", f"photo?name={'%F0%9F%98%80' * 250}.jpg", "x"
        ),
        "a photo called as a folder is": lambda: asked_of_page("POST", "photo?name=..", "x"),
        "another's name": lambda: asked_of_page("GET", "events").replace(b"127.0.0.1", b"evil.example"),
        "two lengths": lambda: asked_of_page("POST", "cancel", "{}", "Content-Length: 1"),
        "wrong pieces after an answer": lambda: in_wrong_pieces("GET", "events"),
        "wrong pieces before an answer": lambda: in_wrong_pieces("POST", "face"),
        "nothing": lambda: b"",
        "a length and pieces": lambda: asked_of_page("POST", "cancel", "{}", "Transfer-Encoding: chunked"),
    },
    "cluster result": {
        "brackets": lambda: result_text(b"[" * 200_000),
        "nested objects": lambda: result_text(b'{"heads":' * 100_000),
        "22 million values": lambda: result_text(b'{"heads": [' + b"[]," * 11_000_000 + b"[]]}"),
        "a length beyond all": lambda: b"\xff" * 7,
        "a file outside": lambda: result_with("../victim.png"),
        "a file and a folder of one name": lambda: result_with("preview.png/a.png"),
        "a name of 300 letters": lambda: result_with("a" * 300 + ".png"),
        "a script": lambda: result_with("view.js", b"alert(1)"),
    },
    "cluster pickle": {
        "a memory of 10 million places": lambda: b"Nr" + struct.pack("<I", 10_000_000) + b".",
        "100 million bytes that are changed": lambda: called("bytearray", b"I100000000\n"),
        "100 million bytes": lambda: called("bytes", b"I100000000\n"),
        "100 million bytes that do not come": lambda: (
            b"\x80\x05" + pickle.BYTEARRAY8 + struct.pack("<Q", 100_000_000) + b"."
        ),
        "a class that is changed": lambda: b"cbuiltins\nbytes\n(N}V__new__\nI1\nstb.",
        "a function that is changed": lambda: b"cx\nunpickle_traceback\n(N}V__code__\nI1\nstb.",
        "a program": lambda: b"cos\nsystem\n(S'true'\ntR.",
    },
    "configuration": {
        "brackets": lambda: b"[" * 200_000,
        "a number beyond all": lambda: b'{"max_faces": 1e999}',
        "300 kB of nothing": lambda: b'{"max_faces": 1' + b" " * 300_000 + b"}",
    },
}
