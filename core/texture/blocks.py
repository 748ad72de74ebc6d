"""Parts of pictures that are worked on one after another, so that what is in between stays small."""

from collections.abc import Iterator

#: Rows of a picture that are worked on at a time: three channels of them, at 2048 texels, stay in the
#: processor's cache; an even number.
BLOCK_ROWS = 128


def row_blocks(rows: slice) -> Iterator[slice]:
    """Rows, BLOCK_ROWS at a time.

    Args:
        rows: From where to where; both are known.
    """
    for start in range(rows.start, rows.stop, BLOCK_ROWS):
        yield slice(start, min(start + BLOCK_ROWS, rows.stop))


def half_span(span: slice, half: int) -> tuple[slice, slice]:
    """What a part of a picture is enlarged from that is kept at half its resolution.

    Those around it belong to it, too: those at its edge are interpolated from them.

    Args:
        span: Rows or columns of the picture, from an even one to an even one.
        half: How many the small picture has.

    Returns:
        Rows or columns of the small picture; and where the span is among twice as many, enlarged from these.
    """
    low, high = max(span.start // 2 - 1, 0), min(span.stop // 2 + 1, half)
    return slice(low, high), slice(span.start - 2 * low, span.stop - 2 * low)
