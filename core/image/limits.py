"""What a picture file may cost: told by its first bytes, before anything is decoded."""

from ..errors import PhotoTooLargeError
from .formats import HEIF, JXL, sniff
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
#: A JPEG may cost its pixels times its scans: what decodes in about three seconds.
MAX_SCAN_PIXELS = 1_000_000_000
#: A large WebP takes some seconds.
MAX_WEBP_PIXELS = 30_000_000
#: Start of frame (SOF0 to SOF3): baseline, extended, progressive and lossless.
JPEG_FRAME_HEADERS = (b"\xff\xc0", b"\xff\xc1", b"\xff\xc2", b"\xff\xc3")


def check_pixels(pixels: int, format_: str | None, name: str) -> None:
    """Refuse a picture of too many pixels. Raises PhotoTooLargeError."""
    if pixels > min(MAX_PIXELS, MAX_PIXELS_OF_FORMAT.get(format_ or "", MAX_PIXELS)):
        raise PhotoTooLargeError(too_many_pixels(name))


def too_many_pixels(name: str) -> str:
    """What to tell of a picture of too many pixels."""
    return f"{name} has more pixels than a photo should (or is made to fill the memory): make it smaller"


def is_slow(data: bytes) -> bool:
    """Whether a file may take long to decode, or bring its decoder down."""
    format_ = sniff(data)
    if format_ == "JPEG":
        scans = data.count(b"\xff\xda")
        return scans > 1 and scans * pixels_of_jpeg(data) > MAX_SCAN_PIXELS
    if format_ == "TIFF":
        try:
            layout = read_layout(data)
        except UnsupportedTiffError:
            return True
        return layout.is_deep or len(layout.offsets) > MAX_SEGMENTS
    if format_ == "WEBP":
        return pixels_of_webp(data) > MAX_WEBP_PIXELS
    return format_ in ISOLATED


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


def pixels_of_jpeg(data: bytes) -> int:
    """Width times height of the largest frame header in the file (ITU-T T.81, B.2.2)."""
    largest = 0
    for marker in JPEG_FRAME_HEADERS:
        at = data.find(marker)
        while 0 <= at < len(data) - 8:
            height, width = (int.from_bytes(data[at + n : at + n + 2], "big") for n in (5, 7))
            largest = max(largest, width * height)
            at = data.find(marker, at + 2)
    return largest
