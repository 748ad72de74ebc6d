"""What can be set of the hair."""

from dataclasses import dataclass


@dataclass(frozen=True)
class HairSettings:
    """Sizes and limits of the hair's three products.

    Attributes:
        cell_m: Cell of the volume, meters, where so many fit; half a lock of hair.
        most_cells: The volume gets larger cells rather than more than these.
        shell_triangles: Triangles of the shell.
        texture_size: Side of the shell's texture, texels.
        strands: Number of strands.
        strand_points: Points of a strand.
        cards: Number of cards.
        card_rows: Rows of vertices of a card.
        brow_cards: Most cards of both brows.
        brow_strands: Most strands of both brows.
        beard_cards: Most cards of a beard.
        beard_strands: Most strands of a beard.
        seed: Of all random numbers: the same photo always gets the same hair.
    """

    cell_m: float = 0.0032
    most_cells: int = 900_000
    shell_triangles: int = 9000
    texture_size: int = 1024
    strands: int = 8000
    strand_points: int = 16
    cards: int = 400
    card_rows: int = 9
    brow_cards: int = 220
    brow_strands: int = 900
    beard_cards: int = 460
    beard_strands: int = 5000
    seed: int = 0
