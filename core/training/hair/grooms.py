"""Synthetic grooms: what is asked of a hairstyle, and random ones of fourteen kinds."""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np


class GroomKind(StrEnum):
    """The kinds of hairstyles."""

    SHORT = "short"
    BOB = "bob"
    LONG = "long"
    SWEPT_BACK = "swept back"
    PULLED_BACK = "pulled back"
    PONYTAIL = "ponytail"
    BUN = "bun"
    AFRO = "afro"
    CURLS = "curls"
    RECEDING = "receding"
    BALD = "bald"
    CROPPED = "cropped"
    TAILS = "tails"
    LOCKS = "locks"


@dataclass(frozen=True)
class GroomSpec:
    """What is asked of a groom. Lengths are meters; sides are the subject's.

    Attributes:
        kind: Of hairstyle.
        top: Length of the strands on top.
        sides: Length of those above the ears.
        back: Length of those behind.
        fringe: Length of those at the forehead's hairline; 0 for no fringe: combed with the rest.
        fringe_width: Half of the fringe's width.
        cut_height: Height, head frame, below which strands are cut off; -inf for no cut.
        layers: How much shorter than asked strands on top are, 0..1.
        flow: "parting", "whorl" (from the crown outward), "back", "radial" or "gathered".
        parting: Where the parting is, x in the head frame.
        parting_slope: How much further to the left it is per meter behind.
        parting_end: y in the head frame up to which it reaches.
        swirl: How far strands turn about the whorl, radians.
        lift: How high the outermost strands stand over the scalp.
        back_lift: The same behind, of the lift.
        gravity: 0 (hair stands) to 1 (hangs).
        forward: -1 (hair at the sides goes behind the shoulders) to 1 (before them).
        curl_radius: Of curls.
        curl_length: Along the strand, for one turn.
        clumps: Number of clumps.
        clumping: 0 (none) to 1 (tips come together).
        frizz: Random offset of points.
        recession: How far the hairline has gone back at the temples.
        crown: Radius of the bald patch on the crown.
        bald_above: Height, head frame, above which the scalp is bald.
        tie_angle: Of gathered hair, where it is tied: radians above the horizontal, behind.
        tie_side: How far to the left of the middle it is tied, radians.
        twin: Whether it is tied on both sides, each half of the hair on its own.
        braid: How much the tail's radius changes along a braid, of the radius; 0 for none.
        tail: Length of the tail from the tie; 0 for none.
        tail_radius: Radius of the tail.
        bun_radius: Radius of the bun; 0 for none.
        length_spread: Relative spread of the lengths.
        down: Direction of gravity, head frame: hair of a tilted head does not hang along the head.
    """

    kind: GroomKind
    top: float = 0.06
    sides: float = 0.03
    back: float = 0.03
    fringe: float = 0.0
    fringe_width: float = 0.055
    cut_height: float = -np.inf
    layers: float = 0.0
    flow: str = "whorl"
    parting: float = 0.0
    parting_slope: float = 0.0
    parting_end: float = 0.11
    swirl: float = 0.0
    lift: float = 0.012
    back_lift: float = 0.7
    gravity: float = 1.0
    forward: float = 0.0
    curl_radius: float = 0.0
    curl_length: float = 0.05
    clumps: int = 150
    clumping: float = 0.3
    frizz: float = 0.001
    recession: float = 0.0
    crown: float = 0.0
    bald_above: float = np.inf
    tie_angle: float = 0.3
    tie_side: float = 0.0
    twin: bool = False
    braid: float = 0.0
    tail: float = 0.0
    tail_radius: float = 0.02
    bun_radius: float = 0.0
    length_spread: float = 0.08
    down: tuple[float, float, float] = (0.0, 0.0, -1.0)

    @property
    def parting_side(self) -> str:
        """The parting as a word: left, middle or right of the subject; none without one."""
        if self.flow != "parting":
            return "none"
        if abs(self.parting) <= MIDDLE:
            return "middle"
        return "left" if self.parting > 0 else "right"


#: Up to this distance from the middle, meters, a parting is in the middle.
MIDDLE = 0.012
#: How often each kind is among random grooms, about as among people: hair that is flat in front is mostly
#: short, seldom gathered behind.
FREQUENCY = {
    GroomKind.SHORT: 9,
    GroomKind.BOB: 5,
    GroomKind.LONG: 6,
    GroomKind.SWEPT_BACK: 3,
    GroomKind.PULLED_BACK: 2,
    GroomKind.PONYTAIL: 2,
    GroomKind.BUN: 2,
    GroomKind.AFRO: 4,
    GroomKind.CURLS: 4,
    GroomKind.RECEDING: 5,
    GroomKind.BALD: 3,
    GroomKind.CROPPED: 6,
    GroomKind.TAILS: 2,
    GroomKind.LOCKS: 3,
}


def random_spec(rng: np.random.Generator, kind: GroomKind | None = None) -> GroomSpec:
    """A random groom.

    Args:
        rng: Random numbers.
        kind: Of hairstyle; by default a random one.

    Returns:
        What to ask for.
    """
    if kind is None:
        weights = np.array(list(FREQUENCY.values()), float)
        kind = list(FREQUENCY)[rng.choice(len(weights), p=weights / weights.sum())]
    between = rng.uniform
    base = GroomSpec(
        kind,
        swirl=rng.normal(0, 0.3),
        parting=_parting(rng),
        parting_slope=rng.normal(0, 0.15),
        parting_end=between(0.08, 0.13),
        clumps=int(between(60, 400)),
        clumping=between(0, 0.6),
        frizz=between(0.0003, 0.002),
        length_spread=between(0.03, 0.15),
        back_lift=between(0.4, 1.0),
        recession=between(-0.004, 0.008),
    )
    return MAKERS[kind](base, rng)


def _parting(rng: np.random.Generator) -> float:
    side = rng.choice([-1, 0, 0, 1])
    return float(side * rng.uniform(0.02, 0.045) + rng.normal(0, 0.003))


def _short(base: GroomSpec, rng: np.random.Generator) -> GroomSpec:
    between = rng.uniform
    top = between(0.02, 0.10)
    return replace(
        base,
        top=top,
        sides=between(0.006, min(top, 0.05)),
        back=between(0.006, min(top, 0.05)),
        fringe=between(0.02, 0.06) if rng.random() < 0.3 else 0.0,
        flow=str(rng.choice(["parting", "whorl", "back"])),
        lift=between(0.006, 0.03),
        gravity=between(0.3, 0.9),
        curl_radius=between(0.002, 0.006) if rng.random() < 0.25 else 0.0,
        curl_length=between(0.02, 0.05),
    )


def _bob(base: GroomSpec, rng: np.random.Generator) -> GroomSpec:
    between = rng.uniform
    return replace(
        base,
        top=0.42,
        sides=0.32,
        back=0.32,
        fringe=between(0.05, 0.08) if rng.random() < 0.4 else 0.0,
        fringe_width=between(0.035, 0.06),
        cut_height=between(-0.15, -0.04),
        layers=between(0, 0.3),
        flow="parting" if rng.random() < 0.75 else "whorl",
        lift=between(0.012, 0.04),
        forward=between(-0.4, 0.6),
        curl_radius=between(0.003, 0.008) if rng.random() < 0.3 else 0.0,
        curl_length=between(0.05, 0.12),
    )


def _long(base: GroomSpec, rng: np.random.Generator) -> GroomSpec:
    between = rng.uniform
    length = between(0.28, 0.62)
    return replace(
        base,
        top=length + 0.1,
        sides=length,
        back=length,
        layers=between(0, 0.45),
        fringe=between(0.05, 0.08) if rng.random() < 0.2 else 0.0,
        flow="parting" if rng.random() < 0.8 else "back",
        lift=between(0.01, 0.035),
        forward=between(-0.9, 0.9),
        curl_radius=between(0.004, 0.013) if rng.random() < 0.45 else 0.0,
        curl_length=between(0.07, 0.18),
    )


def _swept_back(base: GroomSpec, rng: np.random.Generator) -> GroomSpec:
    between = rng.uniform
    length = between(0.06, 0.30)
    return replace(
        base,
        top=length + 0.04,
        sides=length,
        back=length,
        flow="back",
        lift=between(0.006, 0.03),
        forward=between(-1.0, -0.4),
        curl_radius=between(0.003, 0.008) if rng.random() < 0.3 else 0.0,
        curl_length=between(0.05, 0.12),
    )


def _gathered(base: GroomSpec, rng: np.random.Generator) -> GroomSpec:
    between = rng.uniform
    return replace(
        base,
        top=0.3,
        sides=0.3,
        back=0.3,
        flow="gathered",
        lift=between(0.003, 0.012),
        tie_angle=between(-0.5, 1.1),
        clumping=between(0, 0.3),
        parting=0.0,
    )


def _pulled_back(base: GroomSpec, rng: np.random.Generator) -> GroomSpec:
    spec = _gathered(base, rng)
    return replace(spec, tie_angle=rng.uniform(-0.5, 0.1), tail=rng.uniform(0.02, 0.06), tail_radius=0.012)


def _ponytail(base: GroomSpec, rng: np.random.Generator) -> GroomSpec:
    between = rng.uniform
    return replace(
        _gathered(base, rng),
        tail=between(0.12, 0.42),
        tail_radius=between(0.015, 0.045),
        curl_radius=between(0.003, 0.009) if rng.random() < 0.4 else 0.0,
        curl_length=between(0.06, 0.14),
    )


def _bun(base: GroomSpec, rng: np.random.Generator) -> GroomSpec:
    return replace(_gathered(base, rng), bun_radius=rng.uniform(0.022, 0.05))


def _afro(base: GroomSpec, rng: np.random.Generator) -> GroomSpec:
    between = rng.uniform
    length = between(0.015, 0.12)
    return replace(
        base,
        top=length,
        sides=length * between(0.6, 1.0),
        back=length * between(0.6, 1.0),
        flow="radial",
        lift=0.2,
        back_lift=1.0,
        gravity=between(0, 0.15),
        frizz=between(0.002, 0.005),
        clumping=between(0, 0.25),
    )


def _curls(base: GroomSpec, rng: np.random.Generator) -> GroomSpec:
    between = rng.uniform
    length = between(0.07, 0.38)
    return replace(
        base,
        top=length,
        sides=length * between(0.5, 1.0),
        back=length * between(0.5, 1.0),
        layers=between(0, 0.3),
        flow="parting" if rng.random() < 0.6 else "whorl",
        lift=between(0.025, 0.06),
        gravity=between(0.35, 0.8),
        forward=between(-0.5, 0.5),
        curl_radius=between(0.005, 0.012),
        curl_length=between(0.03, 0.07),
        clumps=int(between(200, 600)),
        clumping=between(0.4, 0.85),
        frizz=between(0.001, 0.003),
    )


def _receding(base: GroomSpec, rng: np.random.Generator) -> GroomSpec:
    spec = _short(base, rng)
    return replace(
        spec,
        fringe=0.0,
        top=min(spec.top, 0.05),
        lift=min(spec.lift, 0.014),
        recession=rng.uniform(0.012, 0.045),
        crown=rng.uniform(0.02, 0.05) if rng.random() < 0.4 else 0.0,
    )


def _bald(base: GroomSpec, rng: np.random.Generator) -> GroomSpec:
    between = rng.uniform
    return replace(
        base,
        top=0.015,
        sides=between(0.006, 0.03),
        back=between(0.006, 0.03),
        lift=between(0.004, 0.012),
        bald_above=between(0.02, 0.07),
    )


def _cropped(base: GroomSpec, rng: np.random.Generator) -> GroomSpec:
    between = rng.uniform
    top = between(0.003, 0.012)
    return replace(
        base,
        top=top,
        sides=top * between(0.4, 1.0),
        back=top * between(0.4, 1.0),
        lift=top * between(0.4, 1.0),
        gravity=between(0.0, 0.4),
        frizz=between(0.0002, 0.0008),
        recession=between(0.0, 0.035),
        crown=between(0.015, 0.04) if rng.random() < 0.15 else 0.0,
        clumping=between(0, 0.2),
    )


def _tails(base: GroomSpec, rng: np.random.Generator) -> GroomSpec:
    between = rng.uniform
    spec = _ponytail(base, rng)
    twin = bool(rng.random() < 0.5)
    return replace(
        spec,
        tie_angle=between(-0.6, 0.6),
        tie_side=between(0.5, 1.25) if twin else between(0.3, 1.2) * rng.choice([-1, 1]),
        twin=twin,
        tail_radius=spec.tail_radius * (0.75 if twin else 1.0),
        braid=between(0.2, 0.45) if rng.random() < 0.5 else 0.0,
    )


def _locks(base: GroomSpec, rng: np.random.Generator) -> GroomSpec:
    between = rng.uniform
    length = between(0.40, 0.80)
    return replace(
        _long(base, rng),
        top=length + 0.1,
        sides=length,
        back=length,
        clumps=int(between(25, 110)),
        clumping=between(0.6, 0.95),
        curl_radius=between(0.004, 0.016) if rng.random() < 0.6 else 0.0,
    )


MAKERS = {
    GroomKind.SHORT: _short,
    GroomKind.BOB: _bob,
    GroomKind.LONG: _long,
    GroomKind.SWEPT_BACK: _swept_back,
    GroomKind.PULLED_BACK: _pulled_back,
    GroomKind.PONYTAIL: _ponytail,
    GroomKind.BUN: _bun,
    GroomKind.AFRO: _afro,
    GroomKind.CURLS: _curls,
    GroomKind.RECEDING: _receding,
    GroomKind.BALD: _bald,
    GroomKind.CROPPED: _cropped,
    GroomKind.TAILS: _tails,
    GroomKind.LOCKS: _locks,
}
