"""The segmentation network's loss, and the network that its encoder is taken from."""

import pytest
import torch

from core.segmentation.network import SegmentationNetwork
from core.segmentation.segments import SegmentClass
from core.training.segmentation.person import PersonNetwork
from core.training.segmentation.teacher import IGNORED
from core.training.segmentation.trainer import (
    CLASS_WEIGHTS,
    OVERLAP_WEIGHT,
    segmentation_loss,
)
from scripts.build.person_network import layer_names


def test_the_loss_is_cross_entropy_and_overlap_of_what_is_known():
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 8, 12, 12), torch.randint(0, 7, (2, 12, 12))
    labels[:, :3] = IGNORED
    loss, cross_entropy, overlap = segmentation_loss(logits, labels)
    expected = torch.nn.functional.cross_entropy(
        logits, labels, torch.tensor(CLASS_WEIGHTS), ignore_index=IGNORED
    )
    known = labels != IGNORED
    target = torch.nn.functional.one_hot(torch.where(known, labels, 0), 8).movedim(-1, 1) * known[:, None]
    found = torch.softmax(logits, 1) * known[:, None]
    dice = (2 * (found * target).sum((0, 2, 3)) + 1) / ((found + target).sum((0, 2, 3)) + 1)
    assert float(cross_entropy) == pytest.approx(float(expected), rel=1e-5)
    assert float(overlap) == pytest.approx(1 - float(dice[:7].mean()), rel=1e-4)  # no clothes are there
    assert float(loss) == pytest.approx(float(cross_entropy + OVERLAP_WEIGHT * overlap), rel=1e-5)


def test_the_encoder_fits_into_the_network_that_begins_with_it():
    torch.manual_seed(0)
    person, network = PersonNetwork().eval(), SegmentationNetwork().eval()
    network.person.load_state_dict(person.encoder.state_dict())
    names = {name.rsplit(".", 1)[0] for name in person.state_dict()}
    assert names == set(layer_names())
    with torch.inference_mode():
        logits = network(torch.rand(1, 3, 256, 256), torch.zeros(1, 3))
        mask = person(torch.rand(1, 3, 256, 256))
    assert logits.shape == (1, len(SegmentClass), 256, 256)
    assert mask.shape == (1, 1, 256, 256)
