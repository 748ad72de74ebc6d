"""What completes skin that was not seen: the albedo model, a small inpainting network, diffusion.

All three complete the same vertices of held-out heads, parts of which are hidden from them; what each is off
by where something was observed goes on smoothly from there, as in the painter.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...image.color import linear_of_bytes_float32, linear_to_bytes
from ...image.sampling import sample_image
from ...template.regions import Regions
from ...template.topology import SKIN, HeadTopology
from ...texture.albedo import OBSERVED
from ...texture.albedo_model import DARK, AlbedoModel
from ...texture.inpainting import SmoothCompletion
from ..evaluation.skin_pictures import color_differences, vertex_colors, vertex_texels

#: Side of the pictures that the network completes, texels.
SIDE = 64
#: Channels of the network's finest level; each coarser one has twice as many.
WIDTH = 24
LEVELS = 4
#: Pictures a step, and the step size at the start.
BATCH = 16
LEARNING_RATE = 2e-3
#: Weight of what is shown to the network beside what is hidden from it.
SHOWN_WEIGHT = 0.2
#: Standard deviation by which whole pictures are made lighter and redder, natural logarithm.
TONE_JITTER = 0.1
#: Value of the region of plain skin from which on a vertex has the person's tone.
PLAIN = 0.9
#: Part of a texel's surroundings that has to be observed for it to be.
SEEN = 0.5
#: Fewer hidden vertices are not compared.
FEWEST = 20


@dataclass(frozen=True)
class ObservedSkin:
    """What is known of the skin of one head.

    Attributes:
        logs: (V, 3) float32, natural logarithm of the linear albedo at the vertices.
        observed: (V,) bool, whether the photo shows them.
        tone: (3,) float32, natural logarithm of the plain skin's.
        picture: (3, SIDE, SIDE) float32, natural logarithm beside the tone; 0 where not observed.
        mask: (1, SIDE, SIDE) float32, 0 or 1, whether it is.
    """

    logs: np.ndarray
    observed: np.ndarray
    tone: np.ndarray
    picture: np.ndarray
    mask: np.ndarray

    @classmethod
    def read(cls, folder: Path, topology: HeadTopology, plain: np.ndarray) -> "ObservedSkin | None":
        """The skin of a head's folder; None if the photo shows too little of it.

        Args:
            folder: With albedo.png and albedo_mask.png, as `scripts/batch.py --head` writes them.
            topology: Of the head.
            plain: (V,) 0..1, plain skin.
        """
        rgb = cv2.imread(str(folder / "albedo.png"))[..., ::-1]
        kinds = cv2.imread(str(folder / "albedo_mask.png"), cv2.IMREAD_GRAYSCALE)
        shown = (kinds == OBSERVED).astype(np.float32)
        vertices = topology.vertices_of(SKIN)
        logs = np.zeros((len(topology.vertices), 3), np.float32)
        colors = np.round(vertex_colors(topology, rgb, vertices) * 255).astype(np.uint8)
        logs[vertices] = np.log(np.maximum(linear_of_bytes_float32()[colors], DARK))
        observed = np.zeros(len(logs), bool)
        observed[vertices] = sample_image(shown, vertex_texels(topology, vertices, len(shown))) > SEEN
        typical = observed & (plain > PLAIN)
        if typical.sum() < FEWEST:
            return None
        tone = np.median(logs[typical], axis=0)
        beside = np.log(np.maximum(linear_of_bytes_float32()[rgb], DARK)) - tone
        size = (SIDE, SIDE)
        weight = cv2.resize(shown, size, interpolation=cv2.INTER_AREA)[..., None]
        mean = cv2.resize(beside * shown[..., None], size, interpolation=cv2.INTER_AREA) / np.maximum(
            weight, 1e-6
        )
        mask = (weight > SEEN).astype(np.float32)
        picture = np.ascontiguousarray((mean * mask).transpose(2, 0, 1), np.float32)
        return cls(logs, observed, tone, picture, np.ascontiguousarray(mask.transpose(2, 0, 1)))


class InpaintingNetwork(nn.Module):
    """A U-Net (Ronneberger et al., 2015) from a picture with holes, and where they are, to the whole one."""

    def __init__(self) -> None:
        """Make the layers."""
        super().__init__()
        widths = [WIDTH * 2**level for level in range(LEVELS)]
        self.down = nn.ModuleList(
            _convolutions(before, width) for before, width in zip([6, *widths[:-1]], widths, strict=True)
        )
        self.up = nn.ModuleList(
            _convolutions(below + width, width)
            for below, width in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.last = nn.Conv2d(WIDTH, 3, 1)

    def forward(self, picture: Tensor, mask: Tensor) -> Tensor:
        """Complete pictures.

        Args:
            picture: (N, 3, SIDE, SIDE) float32, natural logarithm beside the tone.
            mask: (N, 1, SIDE, SIDE) float32, 1 where it is shown, 0 in the holes.

        Returns:
            (N, 3, SIDE, SIDE) float32.
        """
        axis = torch.linspace(-1, 1, SIDE)
        places = torch.stack(torch.meshgrid(axis, axis, indexing="ij"))[None].expand(len(picture), -1, -1, -1)
        x = torch.cat([picture * mask, mask, places], 1)
        kept = []
        for level, layer in enumerate(self.down):
            x = layer(functional.max_pool2d(x, 2) if level else x)
            kept.append(x)
        for layer, beside in zip(self.up, kept[-2::-1], strict=True):
            x = layer(torch.cat([functional.interpolate(x, scale_factor=2.0), beside], 1))
        return self.last(x)


def _convolutions(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1), nn.GroupNorm(8, after), nn.SiLU()]
    return nn.Sequential(*layers)


def random_holes(count: int, rng: np.random.Generator) -> np.ndarray:
    """Masks of what a photo might not show.

    Args:
        count: How many.
        rng: Draws them.

    Returns:
        (count, 1, SIDE, SIDE) float32, 0 in the holes: one to three rectangles, ellipses or half planes.
    """
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    masks = np.ones((count, 1, SIDE, SIDE), np.float32)
    for mask in masks:
        for _ in range(rng.integers(1, 4)):
            y, x = rng.uniform(0.1, 0.9, 2)
            high, wide = rng.uniform(0.05, 0.3, 2)
            kind = rng.integers(3)
            angle = rng.uniform(0, 2 * np.pi)
            across = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
            along = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
            ellipse = (across / wide) ** 2 + (along / high) ** 2 < 1
            rectangle = (np.abs(rows - y) < high) & (np.abs(columns - x) < wide)
            mask[0][(ellipse, rectangle, across > 0.2)[kind]] = 0
    return masks


def train(
    skins: Sequence[ObservedSkin], seconds: float, seed: int = 0
) -> Iterator[tuple[InpaintingNetwork, int, float]]:
    """Train a network to complete what is hidden from it.

    Args:
        skins: To learn from.
        seconds: How long, of the processor's time.
        seed: Of weights, holes and order.

    Yields:
        The network, how many steps it has had, and their mean loss, now and then and at the end.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = InpaintingNetwork().train()
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=0.01)
    pictures = torch.from_numpy(np.stack([skin.picture for skin in skins]))
    masks = torch.from_numpy(np.stack([skin.mask for skin in skins]))
    started, step, losses = time.process_time(), 0, []
    while (spent := time.process_time() - started) < seconds:
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * (1 - spent / seconds)
        chosen = torch.from_numpy(rng.integers(len(skins), size=BATCH))
        known, shown = pictures[chosen], masks[chosen]
        if rng.random() < 0.5:
            known, shown = known.flip(3), shown.flip(3)
        jitter = rng.normal(0, TONE_JITTER, (BATCH, 3, 1, 1)) * [[[[0.3]]]] + rng.normal(
            0, TONE_JITTER, (BATCH, 1, 1, 1)
        )
        known = known + torch.from_numpy(jitter.astype(np.float32))
        visible = shown * torch.from_numpy(random_holes(BATCH, rng))
        weight = shown * (1 - visible) + SHOWN_WEIGHT * visible
        error = (network(known, visible) - known).abs() * weight
        loss = error.sum() / weight.sum().clamp(min=1) / 3
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        step += 1
        if step % 100 == 0:
            yield network, step, float(np.mean(losses))
            losses = []
    yield network.eval(), step, float(np.mean(losses or [np.nan]))


class Completions:
    """Completes the skin of heads in each way."""

    def __init__(self, topology: HeadTopology, model: AlbedoModel, network: InpaintingNetwork) -> None:
        """Prepare.

        Args:
            topology: Of the heads.
            model: Of the albedo, for the template.
            network: Trained.
        """
        self.topology, self.network = topology, network.eval()
        self.model = model.at_vertices(topology.origin)
        self.vertices = topology.vertices_of(SKIN)
        self.plain = Regions.of(topology).plain
        self._smooth = SmoothCompletion(topology)
        self._texels = vertex_texels(topology, self.vertices, SIDE)

    def differences(self, skin: ObservedSkin, hidden: np.ndarray) -> dict[str, float] | None:
        """How far completed colors are from those that were hidden.

        Args:
            skin: Of a head.
            hidden: (V,) bool, what is hidden.

        Returns:
            Mean CIEDE2000 by the way of completing; None if too little of what is hidden was observed.
        """
        shown = skin.observed & ~hidden
        compared = np.flatnonzero(skin.observed & hidden)
        if len(compared) < FEWEST or (shown & (self.plain > PLAIN)).sum() < FEWEST:
            return None
        true = linear_to_bytes(np.exp(skin.logs[compared])) / 255.0
        found = {}
        for way, base in self._bases(skin, shown).items():
            weight = shown.astype(np.float32)
            residual = (skin.logs - base) * weight[:, None]
            plain = weight * self.plain
            anchor = (residual * plain[:, None]).sum(0) / max(float(plain.sum()), 1.0)
            logs = base + self._smooth.smooth(residual, weight, anchor=anchor)
            completed = linear_to_bytes(np.exp(logs[compared])) / 255.0
            found[way] = float(color_differences(completed, true).mean())
        return found

    def _bases(self, skin: ObservedSkin, shown: np.ndarray) -> dict[str, np.ndarray]:
        """(V, 3) natural logarithms by the way: what is gone on with where nothing is shown, (V,) bool."""
        tone = np.median(skin.logs[shown & (self.plain > PLAIN)], axis=0)
        flat = np.tile(tone, (len(skin.logs), 1)).astype(np.float32)
        mask = np.zeros((SIDE, SIDE), np.float32)
        x, y = np.clip(np.round(self._texels), 0, SIDE - 1).astype(int).T
        count, sums = np.zeros_like(mask), np.zeros_like(mask)
        np.add.at(count, (y, x), 1)
        np.add.at(sums, (y, x), shown[self.vertices])
        # Hidden is what lies nearer to a hidden vertex than to a shown one.
        nearest = cv2.distanceTransformWithLabels(
            (count == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )[1]
        of_label = np.zeros(nearest.max() + 1, np.float32)
        of_label[nearest[count > 0]] = (sums / np.maximum(count, 1))[count > 0] > SEEN
        mask = of_label[nearest] * skin.mask[0]
        picture = skin.picture + (skin.tone - tone).astype(np.float32)[:, None, None]
        with torch.no_grad():
            result = self.network(torch.from_numpy(picture[None]), torch.from_numpy(mask[None, None]))
        drawn = np.ascontiguousarray(result[0].numpy().transpose(1, 2, 0))
        learned = flat.copy()
        learned[self.vertices] += sample_image(drawn, self._texels)
        fit = self.model.fit(skin.logs, shown.astype(np.float32))
        return {"diffusion": flat, "albedo model": fit.logs, "network": learned}
