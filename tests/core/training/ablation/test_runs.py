"""The comparison of networks: its samples are the real ones made smaller, and every variant learns."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from core.training.ablation import runs as comparison
from core.training.ablation.measures import measure
from core.training.ablation.networks import CONVNEXT, HOURGLASS, UNET, build_network, with_twice_the_slices
from core.training.ablation.runs import (
    ShortRun,
    cost_of,
    evaluation_samples,
    in_large_voxels,
    run_variant,
    samples_in_order,
)
from core.training.ablation.samples import (
    FITTED,
    HALF_SIZE,
    HALF_SLICES,
    RIGID,
    RigidLifter,
    SmallSample,
    SmallShard,
    halve_columns,
    pack,
    prepare,
)
from core.training.ablation.table import markdown
from core.training.ablation.variants import KEPT, VARIANTS, variant
from core.training.data.dataset import DropRates, TargetBuilder
from core.training.data.shards import write_shard
from core.training.face_models.heads import ICT
from core.training.fitting.loss import LossWeights, volume_loss
from core.volume.guidance import TEMPLATE_LOGIT
from core.volume.network import INPUT_CHANNELS
from core.volume.torch_predictor import fold_normalization
from tests.core.training.conftest import projected_sample
from tests.core.volume.test_network import SMALL

TRAINED = [v for v in VARIANTS if not v.untrained]


def ball(size: int, radius: float, reach: float, z: float = 50.0) -> np.ndarray:
    """(size, size, 100) uint8 columns of a ball, soft over `reach` voxels on both sides of its surface."""
    y, x, depth = np.mgrid[:size, :size, :HALF_SLICES]
    middle = (size - 1) / 2
    distance = radius - np.sqrt((y - middle) ** 2 + (x - middle) ** 2 + (depth - z) ** 2)
    return np.round(np.clip(distance / (2 * reach) + 0.5, 0, 1) * 255).astype(np.uint8)


def ball_sample(seed: int, size: int = 32) -> SmallSample:
    """A ball that is a little smaller than its template says."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(0, 0.3, (INPUT_CHANNELS, size, size)).astype(np.float32)
    # The face: rays in the middle of the ball, where it hardly slopes.
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    face = y**2 + x**2 < (0.12 * size) ** 2
    inputs[3:7] *= face
    template = ball(size, 0.4 * size, 3)
    rays = np.where(face, np.float32(4), np.float32(1))
    return SmallSample(inputs, template, ball(size, 0.4 * size - 1.5, 1), rays, 30)


def ball_shard(path, count: int = 3) -> None:
    """A prepared file of balls, as large as real samples."""
    samples = [ball_sample(i, HALF_SIZE) for i in range(count)]
    arrays = {
        "picture": np.full((count, 3, HALF_SIZE, HALF_SIZE), 99, np.uint8),
        "yaw_bin": [0, 30, 60][:count],
    }
    arrays["mesh"] = np.stack([s.inputs[3:7] for s in samples]).astype(np.float16)
    for name in (FITTED, RIGID):
        arrays[f"{name}_maps"] = np.stack([s.inputs[7:] for s in samples]).astype(np.float16)
        for kind in ("template", "target"):
            packed = pack([getattr(s, kind) for s in samples])
            arrays[f"{name}_{kind}"], arrays[f"{name}_{kind}_end"] = packed
    np.savez(path, **arrays)


@pytest.mark.parametrize("name", [v.name for v in TRAINED])
def test_every_variant_learns(name, monkeypatch):
    monkeypatch.setattr(comparison, "build_network", partial(build_network, config=SMALL))
    samples = [ball_sample(i) for i in range(2)]
    run = ShortRun(replace(variant(name), rate=20 * variant(name).rate))  # so small a network learns slowly
    before = run.network.head.weight.clone()
    losses = [run.step(samples, 0.1) for _ in range(10)]
    assert np.isfinite(losses).all() and losses[-1] < 0.97 * losses[0]
    assert (run.steps, run.samples) == (10, 20)
    assert run.coarse == (variant(name).coarse > 0)
    assert not torch.equal(before, run.network.head.weight)
    raw, averaged = (n.head.weight.detach() for n in (run.network, run.averaged.module))
    assert 0 < float(averaged.norm()) < float(raw.norm())


@pytest.mark.parametrize("architecture", [UNET, HOURGLASS, CONVNEXT])
def test_networks_are_of_like_size_and_start_as_the_template(architecture):
    network = build_network(architecture, HALF_SLICES).eval()
    inputs = torch.randn(1, INPUT_CHANNELS, HALF_SIZE, HALF_SIZE)
    with torch.no_grad():
        out = network(inputs)
    assert out.shape == (1, HALF_SLICES, HALF_SIZE, HALF_SIZE) and not out.any()
    figures = cost_of(network)
    kept = cost_of(build_network(UNET, HALF_SLICES))
    assert figures["gflop"] == pytest.approx(kept["gflop"], rel=0.1)
    assert figures["parameters"] == pytest.approx(kept["parameters"], rel=0.15)


def test_folding_knows_the_blocks_of_convnext():
    network = build_network(CONVNEXT, 4).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    torch.nn.init.normal_(network.head.weight, 0, 0.1)
    inputs = torch.randn(1, INPUT_CHANNELS, 32, 32)
    with torch.no_grad():
        before = network(inputs)
        after = fold_normalization(network)(inputs)
    assert float(before.std()) > 0.01
    torch.testing.assert_close(before, after, atol=1e-4, rtol=1e-4)


def test_a_coarse_network_says_the_same_at_twice_the_slices():
    coarse = build_network(UNET, 8).eval()
    torch.nn.init.normal_(coarse.head.weight, 0, 0.1)
    fine = build_network(UNET, 16).eval()
    fine.load_state_dict(with_twice_the_slices(coarse.state_dict()))
    inputs = torch.randn(1, INPUT_CHANNELS, 32, 32)
    with torch.no_grad():
        a, b = coarse(inputs), fine(inputs)
    assert float(a.std()) > 0.01
    torch.testing.assert_close(a.repeat_interleave(2, 1), b)


def test_coarse_first_goes_on_at_half_size(monkeypatch):
    monkeypatch.setattr(comparison, "build_network", partial(build_network, config=SMALL))
    samples = [ball_sample(i) for i in range(2)]
    run = ShortRun(variant("coarse for half of the time"))
    coarse = [run.step(samples, 0.1) for _ in range(8)]
    fine = [run.step(samples, 0.6) for _ in range(2)]
    assert not run.coarse and run.network.head.out_channels == HALF_SLICES * 4
    # What was learned is carried over: the first loss at half size is not that of the template.
    fresh = ShortRun(KEPT).step(samples, 0.6)
    assert coarse[-1] < coarse[0] and fine[0] < fresh


def test_the_loss_says_the_same_at_half_size():
    y, x, z = np.mgrid[:192, :192, :200].astype(np.float32)
    distance = np.sqrt((y - 95.5) ** 2 + (x - 95.5) ** 2 + (z - 99.5) ** 2)
    template, target = (
        np.round(np.clip((r - distance) / reach + 0.5, 0, 1) * 255).astype(np.uint8)
        for r, reach in ((62.0, 12), (60.0, 4))
    )
    full = SmallSample(
        np.zeros((INPUT_CHANNELS, 192, 192), np.float32), template, target, np.ones((192, 192)), 0
    )
    values = []
    for sample in (full, full.halved()):
        template, target = torch.from_numpy(sample.template)[None], torch.from_numpy(sample.target)[None]
        weights = in_large_voxels(LossWeights(1, 1, 0), len(sample.target))
        size = len(sample.target)
        loss, parts = volume_loss(
            torch.zeros_like(template).permute(0, 3, 1, 2).float(),
            template,
            target,
            torch.ones(1, size, size),
            weights,
        )
        values.append([float(loss), float(parts[0]), float(parts[1]) * 192 / size])
    np.testing.assert_allclose(values[1], values[0], rtol=0.15)


def test_narrow_band_leaves_sure_voxels_alone():
    sample = ball_sample(0)
    template, target = torch.from_numpy(sample.template)[None], torch.from_numpy(sample.target)[None]
    delta = torch.full((1, HALF_SLICES, 32, 32), 0.1, requires_grad=True)
    rays = torch.from_numpy(sample.rays)[None]
    volume_loss(delta, template, target, rays, LossWeights(narrow=True))[0].backward()
    gradient = delta.grad.permute(0, 2, 3, 1)
    sure = (template == target) & ((template == 0) | (template == 255))
    assert 0.5 < sure.float().mean() < 1
    assert not gradient[sure].any() and gradient[~sure].any()


def test_measure_of_a_ball_moved_toward_the_camera():
    """Two voxels at half size are four; they are all offset, and turn nothing."""
    target, template = ball(64, 25, 1), ball(64, 25, 3, z=52)
    y, x = np.mgrid[:64, :64] - 31.5
    rays = np.where(x**2 + y**2 < 15**2, 4, 1)
    found = measure(np.zeros(target.shape, np.float32), template, target, rays)
    assert found.depth == pytest.approx(2 * 192 / 64, rel=0.02)
    assert found.shape < 0.05 and found.normal < 1
    assert 0.8 < found.iou < 0.95
    # A correction by two voxels' worth of logits puts it right.
    right = measure(np.full(target.shape, -2 / 3 * TEMPLATE_LOGIT, np.float32), template, target, rays)
    assert right.depth < 1 < found.depth
    # A head that is not there at all is as wrong as can be, and no error.
    absent = measure(np.full(target.shape, -99, np.float32), template, target, rays)
    assert (absent.depth, absent.normal, absent.iou) == (20.0, 90.0, 0.0)


def test_prepared_samples_are_the_real_ones_made_smaller(heads, lifter, tmp_path):
    samples = [replace(projected_sample(heads, ICT, i), turned=i == 1) for i in range(2)]
    write_shard(tmp_path / "train_00000.npz", samples)
    folder = tmp_path / "small"
    shards = [tmp_path / "train_00000.npz"]
    assert len(list(prepare(shards, folder, heads, lifter))) == 1
    assert list(prepare(shards, folder, heads, lifter)) == []  # resumable
    list(prepare(shards, tmp_path / "unturned", heads, lifter, turned=False))
    assert len(SmallShard(tmp_path / "unturned" / "train_00000.npz")) == 1
    for template, builder in (
        (FITTED, TargetBuilder(heads, lifter)),
        (RIGID, TargetBuilder(heads, RigidLifter(lifter))),
    ):
        shard = SmallShard(folder / "train_00000.npz", template)
        full = builder.build(samples[0], np.random.default_rng(0))
        small = shard[0]
        assert len(shard) == 2 and small.yaw_bin == samples[0].yaw_bin
        means = full["inputs"].reshape(INPUT_CHANNELS, HALF_SIZE, 2, HALF_SIZE, 2).mean((2, 4))
        np.testing.assert_allclose(small.inputs, means, atol=5e-3)
        for name in ("template", "target"):
            np.testing.assert_array_equal(getattr(small, name), halve_columns(full[name]))
        assert set(np.unique(small.rays)) == {1, 4}
    rigid = SmallShard(folder / "train_00000.npz", RIGID)[0]
    fitted = SmallShard(folder / "train_00000.npz", FITTED)[0]
    assert (rigid.template != fitted.template).any() and (rigid.target != fitted.target).any()
    np.testing.assert_array_equal(rigid.inputs[:7], fitted.inputs[:7])


def test_halved_columns_are_means():
    columns = np.random.default_rng(0).integers(0, 256, (6, 4, 8), dtype=np.uint8)
    means = columns.astype(float).reshape(3, 2, 2, 2, 4, 2).mean((1, 3, 5))
    np.testing.assert_allclose(halve_columns(columns), means, atol=0.5)


def test_inputs_are_withheld_at_their_rates():
    rng = np.random.default_rng(0)
    rates = DropRates(picture=0.03, mesh=0.1, mesh_depth=0.1)
    drawn = [rates.sample(rng) for _ in range(4000)]
    assert np.mean([0 in d for d in drawn]) == pytest.approx(0.03, abs=0.01)
    assert np.mean([3 in d for d in drawn]) == pytest.approx(0.1, abs=0.02)
    assert np.mean([6 in d and 3 not in d for d in drawn]) == pytest.approx(0.09, abs=0.02)


def test_order_is_that_of_the_seed(tmp_path):
    for i in range(2):
        ball_shard(tmp_path / f"train_{i:05d}.npz")

    def first(name: str) -> list[bytes]:
        stream = samples_in_order(tmp_path, variant(name))
        return [next(stream).target.tobytes() + bytes([next(stream).yaw_bin]) for _ in range(4)]

    assert first("as now") == first("stacked hourglasses") == first("no picture")
    sample = next(samples_in_order(tmp_path, variant("no picture")))
    assert not sample.inputs[:3].any() and sample.inputs[3:].any()
    with pytest.raises(FileNotFoundError, match="prepare"):
        next(samples_in_order(tmp_path / "nowhere", KEPT))


def test_results_are_kept_and_tabled(tmp_path, monkeypatch):
    monkeypatch.setattr(comparison, "BATCH", 2)
    monkeypatch.setattr(comparison, "build_network", partial(build_network, config=SMALL))
    ball_shard(tmp_path / "train_00000.npz")
    ball_shard(tmp_path / "eval_00000.npz")
    assert len(list(evaluation_samples(tmp_path, KEPT, 2))) == 2
    results = tmp_path / "results"
    for name in ("fitted template alone", "as now", "rigid template"):
        run_variant(variant(name), tmp_path, results, 0.2)
    kept = json.loads((results / "as now.json").read_text())
    assert kept["samples"] >= 2 and len(kept["averaged"]) == len(kept["raw"]) == 3
    assert kept["variant"]["loss"]["normal"] == 3.0
    assert "done before" in run_variant(KEPT, tmp_path, results, 1000.0)
    text = markdown(results)
    template = text.split("### Template")[1].split("###")[0].splitlines()
    assert [row.split("|")[1].strip() for row in template if row.startswith("| ")][2:] == [
        "fitted template alone",
        "as now",
        "rigid template",
    ]
    # A ball 1.5 voxels of half size too large stands three too near.
    alone = float(template[4].split("|")[2])
    assert alone == pytest.approx(3, abs=0.2)
    assert "### Loss" not in text and "Not run: " in text and "stacked hourglasses, " in text
