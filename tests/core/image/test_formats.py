"""Each format against a reference: the array that was written, or another decoder."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from skimage.data import astronaut

from core import errors
from core.image import formats
from core.image.color_profile import p3_to_srgb
from core.image.decoding import FORMATS, decode
from core.image.photo import load_photo, search_frames

RGB = np.ascontiguousarray(astronaut()[:96, 150:278])
GRAY = RGB[..., 1]


def load(folder: Path, name: str, data: bytes) -> np.ndarray:
    (folder / name).write_bytes(data)
    return load_photo(folder / name).rgb


def encoded(format_: str, image: Image.Image | None = None, **options) -> bytes:
    buffer = io.BytesIO()
    (image or Image.fromarray(RGB)).save(buffer, format_, **options)
    return buffer.getvalue()


def tiff(data: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, data, **{"photometric": "rgb", **options})
    return buffer.getvalue()


PLANES = RGB.transpose(2, 0, 1)
DEEP = RGB.astype(np.uint16) * 257
FLOATS = RGB.astype(np.float32) / 255
TIFFS = {
    "float32": tiff(FLOATS),
    "float32 big-endian": tiff(FLOATS.astype(">f4"), byteorder=">"),
    "float32 planes": tiff(PLANES.astype(np.float32) / 255, planarconfig="separate"),
    "float32 deflate": tiff(FLOATS, compression="zlib"),
    "float32 tiles": tiff(FLOATS, tile=(32, 48)),
    "float16": tiff(FLOATS.astype(np.float16)),
    "float64": tiff(RGB / 255),
    "16 bits": tiff(DEEP),
    "16 bits planes": tiff(PLANES.astype(np.uint16) * 257, planarconfig="separate"),
    "16 bits planes, strips": tiff(PLANES.astype(np.uint16) * 257, planarconfig="separate", rowsperstrip=20),
    "16 bits planes, tiles": tiff(PLANES.astype(np.uint16) * 257, planarconfig="separate", tile=(32, 48)),
    "16 bits planes, big-endian": tiff(
        (PLANES.astype(np.uint16) * 257).astype(">u2"), planarconfig="separate", byteorder=">"
    ),
    "12 bits": tiff(RGB.astype(np.uint16) * 16 + 8),
    "12 bits planes": tiff(PLANES.astype(np.uint16) * 16 + 8, planarconfig="separate"),
    "32 bits": tiff(RGB.astype(np.uint32) * 16843009),
    "BigTIFF": tiff(DEEP, bigtiff=True),
    "BigTIFF float32": tiff(FLOATS, bigtiff=True),
    "planes": tiff(PLANES, planarconfig="separate"),
}


@pytest.mark.parametrize("kind", TIFFS)
def test_tiff(tmp_path, kind):
    error = np.abs(load(tmp_path, "a.tif", TIFFS[kind]).astype(int) - RGB)
    assert error.max() <= (1 if kind.startswith("12") or kind == "float16" else 0)


def with_predictor(compression: str, kind: str, predictor: int) -> bytes:
    """A TIFF that Pillow's libtiff has compressed as gray bytes, relabeled as samples of another type."""
    item = np.dtype(kind).itemsize
    values = FLOATS.astype(kind) if "f" in kind else RGB.astype(kind) * ((256**item - 1) // 255)
    if predictor == 3:
        raw = values.astype(f">f{item}").reshape(len(RGB), -1, 1).view(np.uint8).swapaxes(1, 2)
        raw = raw.reshape(len(RGB), -1, 3)
        raw = np.diff(raw, axis=1, prepend=np.zeros((len(RGB), 1, 3), np.uint8))
    elif predictor == 2:
        whole = values.view(f"<u{item}")
        raw = np.diff(whole, axis=1, prepend=np.zeros((len(RGB), 1, 3), whole.dtype)).view(np.uint8)
    else:
        raw = np.ascontiguousarray(values).view(np.uint8)
    data = encoded("TIFF", Image.fromarray(raw.reshape(len(RGB), -1)), compression=compression)
    with Image.open(io.BytesIO(data)) as image:
        offsets, counts, rows = (image.tag_v2[tag] for tag in (273, 279, 278))
    tags = {256: 128, 257: 96, 259: {"zstd": 50000, "tiff_lzw": 5, "lzma": 34925}[compression], 262: 2}
    tags |= {277: 3, 278: rows, 317: predictor}
    lists = {258: [8 * item] * 3, 273: list(offsets), 279: list(counts), 339: [3 if "f" in kind else 1] * 3}
    at, entries, values_ = len(data), b"", b""
    count = len(tags) + len(lists)
    for tag in sorted({**tags, **lists}):
        numbers = lists.get(tag, [tags.get(tag)])
        packed = struct.pack(f"<{len(numbers)}I", *numbers)
        field = packed if len(numbers) == 1 else struct.pack("<I", at + 6 + 12 * count + len(values_))
        values_ += packed if len(numbers) > 1 else b""
        entries += struct.pack("<HHI", tag, 4, len(numbers)) + field
    directory = struct.pack("<H", count) + entries + struct.pack("<I", 0) + values_
    return data[:4] + struct.pack("<I", at) + data[8:] + directory


@pytest.mark.parametrize("compression", ["zstd", "tiff_lzw", "lzma"])
@pytest.mark.parametrize(("kind", "predictor"), [("<f4", 1), ("<f4", 3), ("<f2", 3), ("<u4", 2), ("<f4", 2)])
def test_compressed_deep_tiff(tmp_path, compression, kind, predictor):
    data = with_predictor(compression, kind, predictor)
    error = np.abs(load(tmp_path, "a.tif", data).astype(int) - RGB)
    assert error.max() <= (1 if kind == "<f2" else 0)


def test_zstd_tiff(tmp_path):
    assert (load(tmp_path, "a.tif", encoded("TIFF", compression="zstd")) == RGB).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("deep", [False, True])
def test_tiff_with_orientation(tmp_path, orientation, deep):
    """Pillow turns a TIFF while it loads it and drops the tag, which Match Camera needs."""
    upright = np.ascontiguousarray(RGB[:64])
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's transpositions that undo EXIF's values
    stored = Image.fromarray(upright)
    stored = stored if orientation == 1 else stored.transpose(undo[orientation])
    pixels = np.asarray(stored)
    data = tiff(
        pixels.astype(np.float32) / 255 if deep else pixels, extratags=[(274, 3, 1, orientation, True)]
    )
    (tmp_path / "a.tif").write_bytes(data)
    photo = load_photo(tmp_path / "a.tif")
    assert photo.orientation == orientation and photo.original_size == (128, 64)
    assert (photo.rgb == upright).all()


def test_transparent_deep_tiff(tmp_path):
    alpha = np.zeros_like(GRAY, np.float32)
    alpha[:, 64:] = 1
    data = tiff(np.dstack([FLOATS, alpha]), extrasamples=["unassalpha"])
    rgb = load(tmp_path, "a.tif", data)
    assert (rgb[:, :64] == 128).all() and (rgb[:, 64:] == RGB[:, 64:]).all()


def test_twelve_bits_in_a_png_of_sixteen(tmp_path):
    import cv2

    for bits, white in ((12, 4095), (10, 1023), (16, 65535)):
        values = (RGB.astype(np.float64) / 255 * white).round().astype(np.uint16)
        done, data = cv2.imencode(".png", values[..., ::-1])
        assert done
        rgb = load(tmp_path, f"{bits}.png", data.tobytes())
        assert np.abs(rgb.astype(int) - RGB).max() <= 1, bits


@pytest.mark.parametrize("magic", [b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"])
@pytest.mark.parametrize("highest", [1, 100, 255, 1000, 4095, 65535])
def test_netpbm(tmp_path, magic, highest):
    """Plain and raw, of any depth, in fractions of a second."""
    color = magic in (b"P3", b"P6")
    reference = RGB if color else GRAY
    values = (reference.astype(np.float64) / 255 * highest).round().astype(np.int64)
    expected = (values * (255 / highest)).round()
    header = magic + b"\n# a comment\n128 96\n"
    if magic in (b"P1", b"P4"):
        values = reference < 128
        expected = np.where(values, 0, 255)
    else:
        header += b"%d\n" % highest
    if magic == b"P1":
        body = (values + ord("0")).astype(np.uint8).tobytes()
    elif magic == b"P4":
        body = np.packbits(values, axis=1).tobytes()
    elif magic in (b"P2", b"P3"):
        body = b" ".join(b"%d" % value for value in values.ravel())
    else:
        body = values.astype(np.uint8 if highest < 256 else ">u2").tobytes()
    rgb = load(tmp_path, "a.pnm", header + body)
    assert (rgb == (expected if color else expected[..., None])).all()
    with pytest.raises(errors.PhotoFormatError, match="ends too early"):
        load(tmp_path, "cut.pnm", header + body[: len(body) // 2])


LOSSLESS = {
    ".png": ("PNG", {}),
    ".apng": ("PNG", {"save_all": True, "append_images": [Image.new("RGB", (128, 96))]}),
    ".bmp": ("BMP", {}),
    ".dib": ("DIB", {}),
    ".tga": ("TGA", {}),
    ".webp": ("WEBP", {"lossless": True, "exact": True}),
    ".j2k": ("JPEG2000", {"irreversible": False}),
    ".jpx": ("JPEG2000", {"irreversible": False}),
    ".jxl": ("JXL", {"lossless": True}),
}


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_lossless_formats(tmp_path, suffix):
    if suffix == ".jxl":
        pytest.importorskip("pillow_jxl")
    format_, options = LOSSLESS[suffix]
    assert (load(tmp_path, "a" + suffix, encoded(format_, **options)) == RGB).all()


def psd(rgb: np.ndarray) -> bytes:
    """A flat Photoshop document: header, three empty sections, and the merged picture (Adobe's format)."""
    height, width = rgb.shape[:2]
    header = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, height, width, 8, 3)
    return header + bytes(12) + b"\0\0" + rgb.transpose(2, 0, 1).tobytes()


def test_photoshop_document(tmp_path):
    assert (load(tmp_path, "a.psd", psd(RGB)) == RGB).all()


def test_mpo_gives_its_first_picture(tmp_path):
    other = Image.new("RGB", (128, 96), (0, 0, 255))
    rgb = load(tmp_path, "a.mpo", encoded("MPO", save_all=True, append_images=[other], quality=95))
    with Image.open(io.BytesIO(encoded("JPEG", quality=95))) as reference:
        assert (rgb == np.asarray(reference)).all()


@pytest.mark.parametrize("format_", ["AVIF", "HEIF", "JXL"])
def test_lossy_formats_against_their_own_decoder(tmp_path, format_):
    if format_ == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    elif format_ == "JXL":
        pytest.importorskip("pillow_jxl")
    data = encoded(format_, quality=80)
    with Image.open(io.BytesIO(data)) as reference:
        expected = np.asarray(reference.convert("RGB"))
    rgb = load(tmp_path, "a.bin", data)
    assert (rgb == expected).all() and np.abs(rgb.astype(int) - RGB).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_is_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8769)[0xA405] = 26
    pytest.importorskip("pillow_heif").register_heif_opener()
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    image = Image.fromarray(RGB)
    stored = image if orientation == 1 else image.transpose(undo[orientation])
    data = encoded("HEIF", stored, quality=95, exif=exif.tobytes())
    (tmp_path / "IMG_0001.HEIC").write_bytes(data)
    photo = load_photo(tmp_path / "IMG_0001.HEIC")
    assert photo.rgb.shape == RGB.shape and photo.focal_mm35 == 26
    assert np.abs(photo.rgb.astype(int) - RGB).mean() < 4


def p3_profile() -> bytes:
    """Display P3 as an ICC profile: sRGB's with P3's primaries (s15Fixed16, adapted to D50)."""
    primaries = {b"rXYZ": (0.5151, 0.2412, -0.0011), b"gXYZ": (0.2920, 0.6922, 0.0419)}
    primaries[b"bXYZ"] = (0.1571, 0.0666, 0.7841)
    return edited_profile(primaries)


def edited_profile(
    values: dict[bytes, tuple[float, ...]], gamma: float | None = None, name: str | None = None
) -> bytes:
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for at in range(132, 132 + 12 * struct.unpack(">I", data[128:132])[0], 12):
        kind = bytes(data[at : at + 4])
        offset = struct.unpack(">I", data[at + 4 : at + 8])[0]
        if kind in values:
            data[offset + 8 : offset + 20] = b"".join(
                struct.pack(">i", round(v * 65536)) for v in values[kind]
            )
        if gamma is not None and kind in (b"rTRC", b"gTRC", b"bTRC"):
            # A parametric curve of type 0: Y = X ** gamma.
            data[offset + 8 : offset + 16] = struct.pack(">HHi", 0, 0, round(gamma * 65536))
    if name:
        data = bytearray(bytes(data).replace("sRGB".encode("utf-16-be"), name.encode("utf-16-be")))
    return bytes(data)


NCLX_P3 = {
    "color_primaries": 12,
    "transfer_characteristics": 13,
    "matrix_coefficients": 6,
    "full_range_flag": 1,
}


def test_heic_in_display_p3(tmp_path):
    """A phone's colors: by the profile, and by the numbers that stand for it."""
    pytest.importorskip("pillow_heif").register_heif_opener()
    for options in (
        {"icc_profile": p3_profile()},
        {"nclx_profile": NCLX_P3},
    ):
        data = encoded("HEIF", quality=100, chroma=444, **options)
        rgb = load(tmp_path, "a.heic", data)
        assert np.abs(rgb.astype(int) - p3_to_srgb(RGB)).mean() < 2.5, options
        assert np.abs(rgb.astype(int) - RGB).mean() > 2


def test_display_p3_becomes_srgb():
    """The matrix agrees with littleCMS on the profile."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(p3_profile()))
    target = ImageCms.createProfile("sRGB")
    expected = np.asarray(ImageCms.profileToProfile(Image.fromarray(RGB), source, target))
    assert np.abs(p3_to_srgb(RGB).astype(int) - expected).mean() < 0.5


def test_further_pictures_in_a_heic_are_ignored(tmp_path):
    pytest.importorskip("pillow_heif").register_heif_opener()
    other = Image.new("RGB", (32, 32), (0, 0, 255))
    data = encoded("HEIF", quality=95, save_all=True, append_images=[other], primary_index=0)
    rgb = load(tmp_path, "a.heic", data)
    assert rgb.shape == RGB.shape and np.abs(rgb.astype(int) - RGB).mean() < 4


def test_linear_profile_called_srgb(tmp_path):
    """Its name says sRGB; its curve is a straight line."""
    linear = np.where(RGB <= 10, RGB / 255 / 12.92, ((RGB / 255 + 0.055) / 1.055) ** 2.4)
    stored = Image.fromarray((linear * 255).round().astype(np.uint8))
    rgb = load(tmp_path, "a.png", encoded("PNG", stored, icc_profile=edited_profile({}, gamma=1.0)))
    bright = RGB > 60  # eight linear bits are coarse in the dark
    assert np.abs(rgb.astype(int) - RGB)[bright].mean() < 2


def test_gray_picture_with_the_profile_of_a_color_picture(tmp_path):
    stored = Image.fromarray(GRAY)
    rgb = load(tmp_path, "a.png", encoded("PNG", stored, icc_profile=edited_profile({}, gamma=1.0)))
    assert rgb[..., 0].mean() > GRAY.mean() + 20  # a straight line was undone


def png_chunk(kind: bytes, body: bytes, good: bool = True) -> bytes:
    crc = zlib.crc32(kind + body) ^ (0 if good else 1)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def damaged_metadata() -> dict[str, tuple[bytes, bytes]]:
    """Name -> (a picture whose pixels are good and whose metadata are not, the same without them)."""
    png, jpeg, webp = (encoded(kind) for kind in ("PNG", "JPEG", "WEBP"))
    cases = {}
    for name, chunk in {
        "iccp checksum": png_chunk(b"iCCP", b"x\0\0" + zlib.compress(b"abc"), good=False),
        "iccp not compressed": png_chunk(b"iCCP", b"x\0\0garbage"),
        "iccp bomb": png_chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(20_000_000))),
        "exif garbage": png_chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff"),
        "exif checksum": png_chunk(b"eXIf", b"MM\0*\0\0\0\x08", good=False),
        "text bomb": png_chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(20_000_000))),
    }.items():
        cases[f"{name}.png"] = png[:33] + chunk + png[33:], png
    for name, body in {
        "exif": b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(range(256)),
        "icc": b"ICC_PROFILE\0\x01\x02" + bytes(40),
        "mpf": b"MPF\0II*\0\xff\xff\xff\xff",
        "photoshop": b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\xff\xff\xff\xff",
    }.items():
        marker = {"exif": 0xE1, "icc": 0xE2, "mpf": 0xE2, "photoshop": 0xED}[name]
        segment = bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body
        cases[f"{name}.jpg"] = jpeg[:2] + segment + jpeg[2:], jpeg
    body = b"II*\0\x08\0\0\0\xff\xff\xff\xff"
    size = struct.pack("<I", 127)[:3] + struct.pack("<I", 95)[:3]
    chunks = (
        b"VP8X" + struct.pack("<II", 10, 0x08) + size + webp[12:] + b"EXIF" + struct.pack("<I", len(body))
    )
    cases["exif.webp"] = b"RIFF" + struct.pack("<I", 4 + len(chunks + body)) + b"WEBP" + chunks + body, webp
    return cases


@pytest.mark.parametrize("name", damaged_metadata())
def test_damaged_metadata_do_not_refuse_good_pixels(tmp_path, name):
    data, clean = damaged_metadata()[name]
    assert (load(tmp_path, name, data) == load(tmp_path, "clean " + name, clean)).all()


def test_orientation_survives_damaged_metadata(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    png = encoded("PNG", exif=exif)
    bad = png_chunk(b"iCCP", b"x\0\0" + zlib.compress(b"abc"), good=False)
    (tmp_path / "a.png").write_bytes(png[:33] + bad + png[33:])
    assert load_photo(tmp_path / "a.png").orientation == 6


@pytest.mark.parametrize(("format_", "suffix"), [("GIF", ".gif"), ("WEBP", ".webp"), ("PNG", ".png")])
def test_later_frames_are_searched_for_a_face(tmp_path, format_, suffix):
    blank, picture = Image.new("RGB", (128, 96), (0, 0, 90)), Image.fromarray(RGB)
    path = tmp_path / f"moving{suffix}"
    options = {"lossless": True} if format_ == "WEBP" else {}
    blank.save(path, format_, save_all=True, append_images=[blank, picture, picture], duration=100, **options)

    def find(photo):
        return ["a face"] if np.abs(photo.rgb.astype(int) - RGB).mean() < 30 else []

    first = load_photo(path)
    assert first.is_animated and not find(first)
    found, faces = search_frames(first, path, find)
    assert faces == ["a face"] and found.name == path.name and found.sha256 == first.sha256
    assert search_frames(first, path, lambda photo: []) == (first, [])
    picture.save(tmp_path / "still.png")
    assert not load_photo(tmp_path / "still.png").is_animated


def test_suffixes_are_sorted_into_readable_and_known(monkeypatch):
    readable, unreadable = formats.readable_suffixes(), formats.unreadable_suffixes()
    assert not set(readable) & set(unreadable)
    asked = ".mpo .j2k .jpx .pnm .pbm .dib .apng .hif .heics .jxl .dng .psd .heic .avif .jpg .tif"
    assert set(asked.split()) <= {*readable, *unreadable}
    assert {".dng", ".cr2", ".exr"} <= set(unreadable)
    assert set(formats.READABLE.values()) <= set(FORMATS)
    monkeypatch.setattr(formats.importlib.util, "find_spec", lambda name: None)
    assert ".heic" in formats.unreadable_suffixes() and ".heic" not in formats.readable_suffixes()


def test_what_needs_a_missing_package_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr("core.image.photo.decode_isolated", decode)
    monkeypatch.setattr("core.image.decoding.is_installed", lambda format_: False)
    with pytest.raises(errors.PhotoFormatError, match=r"a\.heic is a HEIC picture.*JPEG"):
        load(tmp_path, "a.heic", b"\0\0\0\x18ftypheic" + bytes(200))
    with pytest.raises(errors.PhotoFormatError, match=r"a\.jxl is a JPEG XL picture.*JPEG"):
        load(tmp_path, "a.jxl", b"\xff\x0a" + bytes(200))


@pytest.mark.parametrize("name", ["a.dng", "a.nef", "a.cr2"])
def test_camera_raws_are_refused_by_name(tmp_path, name):
    """Their first picture is a preview of a few pixels: no head is made of that."""
    tags = [(50706, "B", 4, (1, 4, 0, 0), True)] if name == "a.dng" else []
    with pytest.raises(errors.PhotoFormatError, match="camera raw photo"):
        load(tmp_path, name, tiff(RGB, extratags=tags))
    assert (load(tmp_path, "really a png.dng", encoded("PNG")) == RGB).all()


@pytest.mark.parametrize("suffix", [".exr", ".psb", ".svg", ".xcf"])
def test_other_pictures_are_refused_by_name(tmp_path, suffix):
    with pytest.raises(errors.PhotoFormatError, match=formats.UNREADABLE[suffix]):
        load(tmp_path, "a" + suffix, b"\x76\x2f\x31\x01" + bytes(300))
