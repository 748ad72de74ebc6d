"""What a picture file may cost: told by its first bytes, before anything is decoded."""

from ..errors import PhotoFormatError, PhotoTooLargeError
from .formats import HEIF, JXL, sniff
from .structure import JpegStructure, has_more_png_chunks, read_jpeg_structure
from .tiff import MAX_SEGMENTS, UnsupportedTiffError, read_layout

#: Pictures of more pixels are refused: Pillow's own limit, twice its MAX_IMAGE_PIXELS.
MAX_PIXELS = 178_956_970
#: The same for formats whose decoders need 16 to 20 bytes a pixel: about 1.5 GB.
MAX_PIXELS_OF_FORMAT = {
    "WEBP": 75_000_000,
    "JPEG2000": 75_000_000,
    "AVIF": 75_000_000,
    "GIF": 90_000_000,
    HEIF: 90_000_000,
    JXL: 60_000_000,
}
#: Decoders that take long, or that faulty files have crashed before: they run in a process of their own.
ISOLATED = ("JPEG2000", "AVIF", "PSD", HEIF, JXL)
#: Scans of a JPEG that are decoded at most, which is libtiff's limit, too: cameras write one, programs for
#: the web about ten.
MAX_JPEG_SCANS = 100
#: A JPEG costs its pixels times its scans: what decodes in about three seconds.
MAX_SCAN_PIXELS = 1_000_000_000
#: What takes longer than a process for decoding may: such a JPEG is refused.
MAX_SCAN_PIXELS_IN_ALL = 4_000_000_000
#: Segments of a JPEG beside its scans above which Pillow takes long: phones write some hundred at most, each
#: with 64 kB of a depth map.
MAX_JPEG_HEADERS = 1000
#: Chunks of a PNG above which Pillow takes long; programs write one for each 8 kB or more.
MAX_PNG_CHUNKS = 50_000
#: Bytes above which Pillow takes long for files that it reads piece by piece in Python.
MAX_PIECEWISE_BYTES = 20_000_000
#: Of a BMP: where the kind of its compression stands, and which kinds are run lengths.
BMP_COMPRESSION_AT = 30
BMP_RUN_LENGTHS = (1, 2)
#: A large WebP takes some seconds.
MAX_WEBP_PIXELS = 30_000_000


def check_pixels(pixels: int, format_: str | None, name: str) -> None:
    """Refuse a picture of too many pixels.

    Args:
        pixels: Width times height.
        format_: Pillow's name of the format; None for one that has no limit of its own.
        name: What to call the file in the message.

    Raises:
        PhotoTooLargeError: They are too many.
    """
    if pixels > min(MAX_PIXELS, MAX_PIXELS_OF_FORMAT.get(format_ or "", MAX_PIXELS)):
        raise PhotoTooLargeError(too_many_pixels(name))


def too_many_pixels(name: str) -> str:
    """What to tell of a picture of too many pixels."""
    return f"{name} has more pixels than a photo should (or is made to fill the memory): make it smaller"


def check_scans(data: bytes, name: str) -> None:
    """Refuse a JPEG of so many scans that it is made to take long. Raises PhotoFormatError."""
    if sniff(data) != "JPEG":
        return
    jpeg = _jpeg_structure(data)
    if jpeg.scans > MAX_JPEG_SCANS or _scan_pixels(jpeg) > MAX_SCAN_PIXELS_IN_ALL:
        raise PhotoFormatError(
            f"{name} is a JPEG of too many scans, which takes too long to decode: open it in an image editor"
            " and save it again"
        )


def is_slow(data: bytes) -> bool:
    """Whether a file may take long to decode, or bring its decoder down."""
    format_ = sniff(data)
    if format_ == "JPEG":
        jpeg = _jpeg_structure(data)
        return _scan_pixels(jpeg) > MAX_SCAN_PIXELS or jpeg.headers > MAX_JPEG_HEADERS
    if format_ == "PNG":
        return has_more_png_chunks(data, MAX_PNG_CHUNKS)
    if format_ == "TIFF":
        try:
            layout = read_layout(data)
        except UnsupportedTiffError:
            return True
        return layout.is_deep or len(layout.offsets) > MAX_SEGMENTS
    if format_ == "WEBP":
        return pixels_of_webp(data) > MAX_WEBP_PIXELS
    return format_ in ISOLATED or (len(data) > MAX_PIECEWISE_BYTES and _is_read_piecewise(data))


def _is_read_piecewise(data: bytes) -> bool:
    """Whether Pillow reads a file piece by piece in Python: a GIF, or a BMP of run lengths."""
    if data.startswith(b"BM"):
        return int.from_bytes(data[BMP_COMPRESSION_AT : BMP_COMPRESSION_AT + 4], "little") in BMP_RUN_LENGTHS
    return data.startswith(b"GIF")


def pixels_of_webp(data: bytes) -> int:
    """Width times height by the header (RFC 9649), without Pillow, whose opening takes the memory already."""
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
    elif kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    return width * height


def _jpeg_structure(data: bytes) -> JpegStructure:
    return read_jpeg_structure(data, MAX_JPEG_SCANS, MAX_JPEG_HEADERS)


def _scan_pixels(jpeg: JpegStructure) -> int:
    """Pixels times scans, which decoding costs; 0 for a single scan, which no file can make expensive."""
    return jpeg.scans * jpeg.pixels if jpeg.scans > 1 else 0
