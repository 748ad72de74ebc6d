"""What is compared: each variant differs from the kept way in one thing."""

from dataclasses import dataclass, field

from ..data.dataset import DropRates
from ..fitting.loss import LossWeights
from .networks import CONVNEXT, HOURGLASS, UNET
from .samples import FITTED, RIGID

#: Channels of the inputs: the picture.
PICTURE = (0, 1, 2)
#: And everything that is drawn of landmarks and template.
GUIDANCE = (3, 4, 5, 6, 7, 8, 9)
#: Schedules of the learning rate.
COSINE = "cosine"
CONSTANT = "constant"
#: The questions, in the order of the tables.
NOTHING = "Nothing: the noise of the comparison"
NETWORK = "Architecture"
TEMPLATE = "Template"
LOSS = "Loss"
WITHHELD = "Guidance withheld at random"
RATE = "Learning rate"
SIZE = "Coarse first"
INPUTS = "What each input is worth"


@dataclass(frozen=True)
class Variant:
    """One way of building and training the network.

    question: the table that it stands in. untrained: the template alone is measured. without: channels of the
    inputs that it never gets. coarse: fraction of the time at a quarter of the full size, before half size.
    """

    name: str
    question: str
    untrained: bool = False
    architecture: str = UNET
    template: str = FITTED
    loss: LossWeights = field(default_factory=LossWeights)
    drop: DropRates = field(default_factory=DropRates)
    without: tuple[int, ...] = ()
    rate: float = 1e-3
    schedule: str = COSINE
    coarse: float = 0.0
    seed: int = 0


KEPT = Variant("as now", NOTHING)
VARIANTS = (
    Variant("fitted template alone", TEMPLATE, untrained=True),
    Variant("rigid template alone", TEMPLATE, untrained=True, template=RIGID),
    KEPT,
    Variant("rigid template", TEMPLATE, template=RIGID),
    Variant("stacked hourglasses", NETWORK, architecture=HOURGLASS),
    Variant("U-Net of ConvNeXt blocks", NETWORK, architecture=CONVNEXT),
    Variant("narrow band", LOSS, loss=LossWeights(narrow=True)),
    Variant("without depth", LOSS, loss=LossWeights(depth=0)),
    Variant("without normals", LOSS, loss=LossWeights(normal=0)),
    Variant("only cross-entropy", LOSS, loss=LossWeights(depth=0, normal=0)),
    Variant("coarse for half of the time", SIZE, coarse=0.5),
    Variant("three times the rate", RATE, rate=3e-3),
    Variant("a third of the rate", RATE, rate=1e-3 / 3),
    Variant("constant rate", RATE, schedule=CONSTANT),
    Variant("no picture", INPUTS, without=PICTURE),
    Variant("no guidance maps", INPUTS, without=GUIDANCE),
    Variant("picture and rigid template only", INPUTS, template=RIGID, without=GUIDANCE),
    Variant("another seed", NOTHING, seed=1),
    Variant("guidance never withheld", WITHHELD, drop=DropRates(mesh=0, mesh_depth=0)),
    Variant("guidance withheld from 30 %", WITHHELD, drop=DropRates(mesh=0.3)),
)


def variant(name: str) -> Variant:
    """The variant of that name; KeyError if there is none."""
    return {v.name: v for v in VARIANTS}[name]
