"""The kinds of picture files: which are read, which are known but cannot be. Imports nothing heavy."""

import importlib.util
from collections.abc import Mapping

#: Suffix -> Pillow's name of the format, for what is always read.
READABLE: Mapping[str, str] = {
    ".apng": "PNG",
    ".avif": "AVIF",
    ".bmp": "BMP",
    ".dib": "DIB",
    ".gif": "GIF",
    ".j2c": "JPEG2000",
    ".j2k": "JPEG2000",
    ".jfif": "JPEG",
    ".jp2": "JPEG2000",
    ".jpc": "JPEG2000",
    ".jpe": "JPEG",
    ".jpeg": "JPEG",
    ".jpf": "JPEG2000",
    ".jpg": "JPEG",
    ".jpx": "JPEG2000",
    ".mpo": "MPO",
    ".pbm": "PPM",
    ".pgm": "PPM",
    ".png": "PNG",
    ".pnm": "PPM",
    ".ppm": "PPM",
    ".psd": "PSD",
    ".tga": "TGA",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
#: Format -> the package that reads it, and the suffixes of its files.
HEIF = "HEIF"
JXL = "JXL"
OPTIONAL_PACKAGES: Mapping[str, str] = {HEIF: "pillow_heif", JXL: "pillow_jxl"}
OPTIONAL_SUFFIXES: Mapping[str, tuple[str, ...]] = {
    HEIF: (".heic", ".heics", ".heif", ".heifs", ".hif"),
    JXL: (".jxl",),
}
RAW = "camera raw photo"
#: Suffix -> what such a file is, for pictures that nothing here reads.
UNREADABLE: Mapping[str, str] = {
    ".3fr": RAW,
    ".ai": "drawing",
    ".arw": RAW,
    ".cr2": RAW,
    ".cr3": RAW,
    ".dng": RAW,
    ".eps": "drawing",
    ".erf": RAW,
    ".exr": "OpenEXR picture",
    ".hdr": "Radiance picture",
    ".iiq": RAW,
    ".kdc": RAW,
    ".mef": RAW,
    ".mrw": RAW,
    ".nef": RAW,
    ".nrw": RAW,
    ".orf": RAW,
    ".pef": RAW,
    ".psb": "large Photoshop document",
    ".raf": RAW,
    ".raw": RAW,
    ".rw2": RAW,
    ".sr2": RAW,
    ".srw": RAW,
    ".svg": "drawing",
    ".x3f": RAW,
    ".xcf": "GIMP document",
}
#: Brands of ISO base media files (ISO/IEC 23008-12), by what reads them.
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1")
AVIF_BRANDS = (b"avif", b"avis")
JXL_MAGIC = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n")
JPEG2000_MAGIC = (b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  \r\n\x87\n")
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def is_installed(format_: str) -> bool:
    """Whether a format of OPTIONAL_PACKAGES can be read in this environment."""
    return importlib.util.find_spec(OPTIONAL_PACKAGES[format_]) is not None


def readable_suffixes() -> tuple[str, ...]:
    """Suffixes, in lower case and with their dot, of the photos that can be read in this environment."""
    optional = [
        s for format_, suffixes in OPTIONAL_SUFFIXES.items() if is_installed(format_) for s in suffixes
    ]
    return tuple(sorted([*READABLE, *optional]))


def unreadable_suffixes() -> tuple[str, ...]:
    """Suffixes of pictures that are known, and that cannot be read in this environment."""
    missing = [
        s for format_, suffixes in OPTIONAL_SUFFIXES.items() if not is_installed(format_) for s in suffixes
    ]
    return tuple(sorted([*UNREADABLE, *missing]))


def sniff(data: bytes) -> str | None:
    """Pillow's name of a file's format by its first bytes; None if it is not one that needs special care."""
    if data.startswith(JXL_MAGIC):
        return JXL
    if data.startswith(JPEG2000_MAGIC):
        return "JPEG2000"
    if data.startswith(TIFF_MAGIC):
        return "TIFF"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[:1] == b"P" and data[1:2] in b"123456" and data[2:3].isspace():
        return "PPM"
    if data.startswith(b"8BPS"):
        return "PSD"
    if data[4:8] == b"ftyp":
        return _iso_format(data)
    return None


def _iso_format(data: bytes) -> str | None:
    """AVIF or HEIF by the brands of an ISO base media file."""
    length = min(int.from_bytes(data[:4], "big"), 256)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, length, 4))]
    # An AVIF file may name mif1 first, and a HEIC one never names avif.
    if any(brand in AVIF_BRANDS for brand in brands):
        return "AVIF"
    return HEIF if any(brand in HEIF_BRANDS for brand in brands) else None
