"""A training run: its learning rate, going on after a stop, its log and the weights that it exports."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.training.fitting.run import RunConfig, TrainingRun, export_averaged_weights, mix_weights


class LineRun(TrainingRun[Tensor]):
    """Learns y = 2 x."""

    loss_fields = ("loss", "absolute")

    def __init__(self, folder: Path, config: RunConfig) -> None:
        super().__init__(folder, config, lambda: nn.Linear(1, 1))

    def loss(self, batch: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        error = self.network(batch) - 2 * batch
        return error.square().mean(), [error.abs().mean()]


def batches(count: int) -> list[Tensor]:
    return list(torch.linspace(-1, 1, 8 * count).reshape(count, 8, 1))


@pytest.mark.parametrize("first_rate", [0.0, 0.05])
def test_the_learning_rate_rises_and_falls(first_rate):
    config = RunConfig(rate=1.0, warmup=0.1, first_rate=first_rate)
    rates = [config.learning_rate(fraction) for fraction in (0, 0.05, 0.1, 0.5, 1.0, 1.5)]
    assert rates == pytest.approx([first_rate, (1 + first_rate) / 2, 1, 0.595, 0.01, 0.01], abs=0.005)


def test_a_run_goes_on_where_it_stopped(tmp_path):
    run = LineRun(tmp_path, RunConfig(rate=0.05, warmup=0.0, save_minutes=0.0))
    run.train(batches(30), show_progress=False)
    again = LineRun(tmp_path, run.config)
    assert again.step == run.step == 30 and again.seconds == run.seconds > 0
    assert again.train_batch(batches(1)[0]) == run.train_batch(batches(1)[0])
    with (tmp_path / "log.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["step", "hours", "rate", "loss", "absolute"]
    assert [row["step"] for row in rows] == ["1", "25"]
    assert float(rows[1]["loss"]) < float(rows[0]["loss"])


class Numbers:
    """A dataset of random numbers that counts how often it is refreshed."""

    refreshed = 0

    def batch(self, rng, size):
        return torch.from_numpy(rng.random((size, 1), np.float32))

    def refresh(self):
        self.refreshed += 1


def test_batches_are_others_after_a_stop(tmp_path):
    run, numbers = LineRun(tmp_path, RunConfig(batch=4)), Numbers()
    first = next(run.random_batches(numbers))
    assert first.shape == (4, 1) and torch.equal(first, next(run.random_batches(numbers)))
    batches = run.random_batches(numbers, numbers.refresh, 3)
    for _ in range(7):
        run.train_batch(next(batches))
    assert numbers.refreshed == 2
    assert not torch.equal(first, next(run.random_batches(numbers)))


def test_a_run_whose_time_is_over_stays_as_it_is(tmp_path):
    run = LineRun(tmp_path, RunConfig(hours=1e-9))
    run.train(batches(3), show_progress=False)
    assert run.step == 1
    run.train(batches(3), show_progress=False)
    assert run.step == 1


def test_weights_of_several_runs_are_averaged(tmp_path):
    from safetensors import safe_open

    paths = []
    for k, weight in enumerate((1.0, 2.0)):
        run = LineRun(tmp_path / str(k), RunConfig())
        nn.init.constant_(run.averaged.module.weight, weight)
        run.step, run.seconds = 3 + k, 5400.0
        run.save()
        paths.append(run.checkpoint)
    path = tmp_path / "mean.safetensors"
    export_averaged_weights(paths, path, {"config": "{}"})
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"steps": "3", "hours": "1.50", "config": "{}"}
        assert file.get_tensor("weight").dtype == torch.float16
        assert float(file.get_tensor("weight")) == 1.5


def test_weights_are_mixed_with_those_of_the_beginning(tmp_path):
    from safetensors import safe_open
    from safetensors.torch import save_file

    for name, weight in (("own", 3.0), ("first", 1.0)):
        save_file({"weight": torch.full((2,), weight).half()}, tmp_path / name, {"steps": "7"})
    mix_weights(tmp_path / "own", tmp_path / "first", 0.75)
    with safe_open(tmp_path / "own", "pt") as file:
        assert file.metadata() == {"steps": "7", "share": "0.75"}
        assert file.get_tensor("weight").tolist() == [2.5, 2.5]
