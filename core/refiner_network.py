"""RefinerNetwork: picture, drawn face mesh and the head so far in; a correction of its pose and shape out."""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.network import ResidualBlock, conv_step
from core.refiner import MAPS


@dataclass(frozen=True)
class RefinerConfig:
    """Channels and residual blocks at 1/4, 1/8, 1/16, 1/32 of the crop's size; channels that are flattened,
    hidden units; length of the state; outputs.
    """

    channels: tuple[int, ...] = (48, 96, 192, 256)
    blocks: tuple[int, ...] = (1, 2, 2, 1)
    flat: int = 64
    hidden: int = 512
    state: int = 112
    outputs: int = 106

    def to_dict(self) -> dict:
        return asdict(self)


class RefinerNetwork(nn.Module):
    """A small residual network; where things are in the crop matters, so nothing is averaged over it."""

    def __init__(self, config: RefinerConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or RefinerConfig()
        stages: list[nn.Module] = []
        previous = (3 + MAPS) * 16
        for level, (channels, blocks) in enumerate(zip(config.channels, config.blocks, strict=True)):
            stages.append(conv_step(previous, channels, stride=2 if level else 1))
            stages += [ResidualBlock(channels) for _ in range(blocks)]
            previous = channels
        self.trunk = nn.Sequential(*stages)
        self.flat = conv_step(previous, config.flat, kernel=1)
        self.hidden = nn.Linear(config.flat * 36 + config.state, config.hidden)
        self.out = nn.Linear(config.hidden, config.outputs)
        # Nothing learned yet: the answer is the lifted head.
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, images: Tensor, state: Tensor) -> Tensor:
        """(B, 10, 192, 192) and (B, S) -> (B, 6 + K), in the lifter's normalised outputs."""
        x = self.flat(self.trunk(functional.pixel_unshuffle(images, 4)))
        x = functional.relu(self.hidden(torch.cat([x.flatten(1), state.to(x.dtype)], 1)))
        return self.out(x)
