"""Damages files the way transfers, disks and attackers do."""

import random

#: Numbers that break arithmetic, as bytes.
INTERESTING = [
    number.to_bytes(width, order)
    for width in (1, 2, 4, 8)
    for order in ("big", "little")
    for number in (0, 1, 2 ** (8 * width - 1) - 1, 2 ** (8 * width - 1), 2 ** (8 * width) - 1)
]
#: Pieces that break parsers of text.
TOKENS = [
    *(
        b"null",
        b"true",
        b"-1",
        b"1e999",
        b"NaN",
        b'""',
        b"[]",
        b"{}",
        b"[[",
        b'{"a":',
        b"\\u0000",
        b"\\ud800",
    ),
    *(b"../..", b"/etc/passwd", b"99999999999999999999", b"\xff", b"\0", b"\n", b'"', b",", b":"),
]


def mutated(data: bytes, dice: random.Random) -> bytes:
    """A file with one to eight faults."""
    out = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4, 8))):
        at = dice.randrange(len(out) + 1)
        # Most of what a decoder decides by stands at the beginning.
        if dice.random() < 0.5:
            at = dice.randrange(min(len(out), 256) + 1)
        end = min(len(out), at + dice.choice((1, 1, 2, 4, 16, 256)))
        kind = dice.randrange(8)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << dice.randrange(8)
        elif kind == 1 and at < len(out):
            out[at] = dice.randrange(256)
        elif kind == 2:
            value = dice.choice(INTERESTING)
            out[at : at + len(value)] = value
        elif kind == 3:
            out[at:at] = dice.choice(TOKENS)
        elif kind == 4:
            del out[at:end]
        elif kind == 5:
            out[at:at] = out[at:end] * dice.choice((1, 2, 20))
        elif kind == 6 and dice.random() < 0.3:
            del out[at:]
        else:
            out[at:end] = dice.choice(TOKENS)
    return bytes(out)
