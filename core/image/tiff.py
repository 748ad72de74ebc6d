"""Reads TIFFs that Pillow reads wrongly or not at all: floating point, 32 bits, planes of 16 bits a sample.

Pillow's libtiff still does the decompressing: a TIFF is written around the same strips or tiles that
declares each row of samples to be a row of gray bytes. So every compression that libtiff knows works, and
its limits hold.
"""

import io
import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from .depth import to_8_bits

# Tags (TIFF 6.0, and Adobe's technical note 3 for the floating-point predictor).
WIDTH = 256
HEIGHT = 257
BITS_PER_SAMPLE = 258
COMPRESSION = 259
PHOTOMETRIC = 262
FILL_ORDER = 266
STRIP_OFFSETS = 273
ORIENTATION = 274
SAMPLES_PER_PIXEL = 277
ROWS_PER_STRIP = 278
STRIP_BYTE_COUNTS = 279
MAX_SAMPLE_VALUE = 281
PLANAR_CONFIGURATION = 284
PREDICTOR = 317
TILE_WIDTH = 322
TILE_HEIGHT = 323
TILE_OFFSETS = 324
TILE_BYTE_COUNTS = 325
EXTRA_SAMPLES = 338
SAMPLE_FORMAT = 339
DNG_VERSION = 50706

WHITE_IS_ZERO = 0
BLACK_IS_ZERO = 1
RGB = 2
JPEG_COMPRESSIONS = (6, 7)
SEPARATE_PLANES = 2
HORIZONTAL_PREDICTOR = 2
FLOATING_POINT_PREDICTOR = 3
UNSIGNED = 1
FLOAT = 3
ALPHA_SAMPLES = (1, 2)
#: The field type of whole numbers of 32 bits.
LONG = 4
#: Above this many strips or tiles, Pillow's lists of them take long: no program writes as many.
MAX_SEGMENTS = 200_000
#: Bytes of samples that are decoded at most.
MAX_DECODED_BYTES = 1_000_000_000


class UnsupportedTiffError(ValueError):
    """A TIFF of a kind that is not read here."""


@dataclass(frozen=True)
class TiffLayout:
    """How a TIFF keeps its samples.

    Attributes:
        width, height: Pixels.
        bits: Bits a sample.
        samples: Samples a pixel.
        sample_format: UNSIGNED, FLOAT or another number of tag 339.
        separate_planes: Whether each sample has a plane of its own.
        segment_width, segment_height: Pixels of a tile, or of a strip: then as wide as the picture.
        tiled: Whether it has tiles rather than strips.
        offsets, byte_counts: Of the strips or tiles, bytes.
        order: "<" or ">": the byte order of samples.
        tags: All tags of the first picture.
    """

    width: int
    height: int
    bits: int
    samples: int
    sample_format: int
    separate_planes: bool
    segment_width: int
    segment_height: int
    tiled: bool
    offsets: tuple[int, ...]
    byte_counts: tuple[int, ...]
    order: str
    tags: Any

    @property
    def orientation(self) -> int:
        """The number, 1..8, for how the picture has to be turned."""
        value = self.tags.get(ORIENTATION, 1)
        return value if value in range(1, 9) else 1

    @property
    def is_deep(self) -> bool:
        """Whether Pillow reads it wrongly or not at all."""
        if self.sample_format == FLOAT:
            return (self.bits, self.samples) != (32, 1)
        if self.sample_format != UNSIGNED or self.tags.get(COMPRESSION) in JPEG_COMPRESSIONS:
            return False
        if self.bits == 16:
            return self.samples > 2 and self.separate_planes
        return self.bits == 32 and self.samples > 2


def read_layout(data: bytes) -> TiffLayout:
    """The layout of a TIFF's first picture. Raises UnsupportedTiffError if it is damaged or irregular."""
    from PIL import TiffImagePlugin

    try:
        header = data[:16] if data[2:4] in (b"+\0", b"\0+") else data[:8]
        tags = TiffImagePlugin.ImageFileDirectory_v2(header)
        file = io.BytesIO(data)
        file.seek(tags.next)
        tags.load(file)
        bits = _numbers(tags, BITS_PER_SAMPLE, (1,))
        formats = _numbers(tags, SAMPLE_FORMAT, (UNSIGNED,))
        width, height = (_numbers(tags, tag)[0] for tag in (WIDTH, HEIGHT))
        tiled = TILE_OFFSETS in tags
        offsets = _numbers(tags, TILE_OFFSETS if tiled else STRIP_OFFSETS)
        counts = _numbers(tags, TILE_BYTE_COUNTS if tiled else STRIP_BYTE_COUNTS)
        rows = min(_numbers(tags, TILE_HEIGHT if tiled else ROWS_PER_STRIP, (height,))[0], max(height, 1))
        layout = TiffLayout(
            width=width,
            height=height,
            bits=bits[0],
            samples=_numbers(tags, SAMPLES_PER_PIXEL, (1,))[0],
            sample_format=formats[0],
            separate_planes=_numbers(tags, PLANAR_CONFIGURATION, (1,))[0] == SEPARATE_PLANES,
            segment_width=_numbers(tags, TILE_WIDTH)[0] if tiled else width,
            segment_height=_numbers(tags, TILE_HEIGHT)[0] if tiled else rows,
            tiled=tiled,
            offsets=offsets,
            byte_counts=counts,
            order="<" if data[:2] == b"II" else ">",
            tags=tags,
        )
    except Exception as error:  # Pillow's parser raises all kinds of errors on damaged files
        raise UnsupportedTiffError("its directory is damaged") from error
    sizes = (width, height, layout.samples, layout.segment_width, layout.segment_height)
    if min(sizes) < 1 or len(set(bits)) > 1 or len(set(formats)) > 1 or len(offsets) != len(counts):
        raise UnsupportedTiffError("its directory is irregular")
    return layout


def _numbers(tags: Any, tag: int, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
    """The whole numbers of a tag, at least one."""
    value = tags.get(tag)
    if value is None:
        if default is None:
            raise UnsupportedTiffError(f"it has no tag {tag}")
        return default
    numbers = value if isinstance(value, tuple) else (value,)
    if not numbers or not all(isinstance(number, int) for number in numbers):
        raise UnsupportedTiffError(f"its tag {tag} holds no whole numbers")
    return numbers


def read_deep_tiff(data: bytes, layout: TiffLayout) -> np.ndarray:
    """The picture of a TIFF of 16, 32 or 64 bits a sample, as 8 bits.

    Args:
        data: The file.
        layout: What read_layout found in it.

    Returns:
        (H, W), (H, W, 3), or (H, W, 4) with alpha not multiplied into the colors; uint8, not yet turned
        upright.

    Raises:
        UnsupportedTiffError: It is damaged, or of a kind that is not read.
    """
    photometric = _numbers(layout.tags, PHOTOMETRIC, (RGB if layout.samples >= 3 else BLACK_IS_ZERO,))[0]
    if (
        (layout.sample_format, layout.bits)
        not in ((UNSIGNED, 16), (UNSIGNED, 32), (FLOAT, 16), (FLOAT, 32), (FLOAT, 64))
        or photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB)
        or (photometric == RGB) != (layout.samples >= 3)
        or layout.samples > 8
    ):
        raise UnsupportedTiffError("it keeps its colors in an unusual way")
    if layout.width * layout.height * layout.samples * layout.bits // 8 > MAX_DECODED_BYTES:
        raise MemoryError
    planes = layout.samples if layout.separate_planes else 1
    per_plane = len(layout.offsets) // planes
    if per_plane * planes != len(layout.offsets):
        raise UnsupportedTiffError("its strips do not fit its planes")
    pixels = [_plane(data, layout, per_plane * n, per_plane * (n + 1)) for n in range(planes)]
    values = np.concatenate(pixels, axis=2) if planes > 1 else pixels[0]
    return _to_8_bits(values, layout, photometric)


def _to_8_bits(values: np.ndarray, layout: TiffLayout, photometric: int) -> np.ndarray:
    """(H, W, S) samples -> the picture, and alpha if there is any."""
    colors = 3 if photometric == RGB else 1
    white = float(2**layout.bits - 1) if layout.sample_format == UNSIGNED and layout.bits == 32 else None
    noted = layout.tags.get(MAX_SAMPLE_VALUE)
    if layout.sample_format == UNSIGNED and noted is not None:
        white = float(max(noted if isinstance(noted, tuple) else (noted,))) or white
    picture = to_8_bits(values[..., :colors], white)
    if photometric == WHITE_IS_ZERO:
        picture = 255 - picture
    if colors == 1:
        return picture[..., 0]
    extra = _numbers(layout.tags, EXTRA_SAMPLES, (0,))[0]
    if values.shape[2] > colors and extra in ALPHA_SAMPLES:
        opaque = 1.0 if layout.sample_format == FLOAT else float(2**layout.bits - 1)
        picture = np.dstack([picture, to_8_bits(values[..., colors], opaque)])
    return picture


def _plane(data: bytes, layout: TiffLayout, first: int, last: int) -> np.ndarray:
    """(H, W, samples of the plane) of the strips or tiles from `first` to `last`, in their own type."""
    samples = 1 if layout.separate_planes else layout.samples
    item = layout.bits // 8
    width = math.ceil(layout.width / layout.segment_width) * layout.segment_width
    height = layout.height
    if layout.tiled:
        height = math.ceil(height / layout.segment_height) * layout.segment_height
    rows = _decompress(data, layout, (width * samples * item, height), samples * item, slice(first, last))
    # One row of a segment after the other: predictors start anew with each.
    rows = rows.reshape(-1, layout.segment_width * samples * item)
    predictor = _numbers(layout.tags, PREDICTOR, (1,))[0]
    kind = f"{'f' if layout.sample_format == FLOAT else 'u'}{item}"
    if predictor == FLOATING_POINT_PREDICTOR:
        deltas = rows.reshape(len(rows), -1, samples)
        summed = np.cumsum(deltas, axis=1, dtype=np.uint8).reshape(len(rows), item, -1)
        values = np.ascontiguousarray(summed.swapaxes(1, 2)).view(f">{kind}")
    elif predictor == HORIZONTAL_PREDICTOR:
        whole = rows.view(f"{layout.order}u{item}").reshape(len(rows), -1, samples)
        values = np.cumsum(whole, axis=1, dtype=f"u{item}").view(kind)
    else:
        values = rows.view(f"{layout.order}{kind}")
    return values.reshape(height, width, samples)[: layout.height, : layout.width]


def _decompress(
    data: bytes, layout: TiffLayout, size: tuple[int, int], pixel_bytes: int, segments: slice
) -> np.ndarray:
    """(height, width) uint8: the bytes of some strips or tiles. `size`: (width, height), bytes and rows."""
    from PIL import TiffImagePlugin

    compression = _numbers(layout.tags, COMPRESSION, (1,))[0]
    if compression in JPEG_COMPRESSIONS:
        raise UnsupportedTiffError("its compression does not fit its samples")
    tags = {
        WIDTH: (size[0],),
        HEIGHT: (size[1],),
        BITS_PER_SAMPLE: (8,),
        COMPRESSION: (compression,),
        PHOTOMETRIC: (BLACK_IS_ZERO,),
        FILL_ORDER: _numbers(layout.tags, FILL_ORDER, (1,))[:1],
        SAMPLES_PER_PIXEL: (1,),
    }
    if layout.tiled:
        tags |= {TILE_WIDTH: (layout.segment_width * pixel_bytes,), TILE_HEIGHT: (layout.segment_height,)}
        tags |= {TILE_OFFSETS: layout.offsets[segments], TILE_BYTE_COUNTS: layout.byte_counts[segments]}
    else:
        tags |= {ROWS_PER_STRIP: (layout.segment_height,)}
        tags |= {STRIP_OFFSETS: layout.offsets[segments], STRIP_BYTE_COUNTS: layout.byte_counts[segments]}
    # Not through Image.open, whose limit counts these bytes as pixels.
    with TiffImagePlugin.TiffImageFile(io.BytesIO(_with_directory(data, tags))) as image:
        if image.mode != "L" or image.size != size:
            raise UnsupportedTiffError("its directory is damaged")
        image.load()
        return np.frombuffer(image.tobytes(), np.uint8)


def _with_directory(data: bytes, tags: dict[int, tuple[int, ...]]) -> bytes:
    """The file's data behind another header and another directory, of LONG fields only, at their end."""
    at = len(data) + len(data) % 2
    values_at = at + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for tag, numbers in sorted(tags.items()):
        packed = struct.pack(f"<{len(numbers)}I", *numbers)
        field = packed if len(numbers) == 1 else struct.pack("<I", values_at + len(values))
        if len(numbers) > 1:
            values += packed
        entries += struct.pack("<HHI", tag, LONG, len(numbers)) + field
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0) + values
    return b"II*\0" + struct.pack("<I", at) + data[8:] + b"\0" * (len(data) % 2) + directory
