"""What came of retopologizing a mesh; how many quads may be asked for. numpy, no bpy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: How many quads can be asked for.
MIN_QUADS = 50
MAX_QUADS = 1_000_000
#: Fraction of the covered texels that may be covered twice before it is mentioned.
MAX_UV_OVERLAP = 1e-4
#: A number of quads that differs from the wanted one by more than this fraction of it is mentioned.
COUNT_TOLERANCE = 0.15


@dataclass(frozen=True)
class RetopologyReport:
    """What came of it.

    Attributes:
        quads: How many were made.
        wanted: How many were asked for.
        attempts: How often QuadriFlow was called.
        p95_distance: 95 % of the original are nearer to the result than this, world units.
        max_distance: All of the original is, world units.
        repairs: What was wrong with the original, in words.
        lost: Names of attributes that could not be carried over.
        uv_islands: How many, of texture coordinates made anew; None if the original had some.
        uv_overlap: Fraction of the texels that more than one quad covers.
        picture: (size, size, 3) uint8 sRGB, row 0 on top: the colors baked for these coordinates, if wanted.
    """

    quads: int
    wanted: int
    attempts: int
    p95_distance: float
    max_distance: float
    repairs: tuple[str, ...]
    lost: tuple[str, ...]
    uv_islands: int | None
    uv_overlap: float
    picture: np.ndarray | None

    def facts(self) -> dict[str, object]:
        """What is worth keeping, as JSON can hold it; distances in thousandths of a unit."""
        islands = {} if self.uv_islands is None else {"uv_islands": self.uv_islands}
        return {
            "quads": self.quads,
            "attempts": self.attempts,
            "distance_mm": {
                "p95": round(1000 * self.p95_distance, 3),
                "max": round(1000 * self.max_distance, 3),
            },
            "mended": list(self.repairs),  # the file format's word
            **islands,
        }

    def remarks(self) -> list[str]:
        """What the user should know: what of the original was wrong, or is not there any more."""
        remarks = []
        if abs(self.quads - self.wanted) > COUNT_TOLERANCE * self.wanted:
            remarks.append(
                f"Blender's QuadriFlow could not cover this mesh with about {self.wanted:,} quads; with "
                f"{self.quads:,} it could."
            )
        if self.repairs:
            remarks.append(f"The mesh had {_listed(self.repairs)}.")
        if self.lost:
            remarks.append(f"Not carried over: {_listed(self.lost)}.")
        if self.uv_overlap > MAX_UV_OVERLAP:
            overlap = f"{100 * self.uv_overlap:.2g} %"
            remarks.append(f"The UVs made for it overlap ({overlap}): unwrap it by hand before painting.")
        return remarks


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
