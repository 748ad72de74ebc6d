"""Errors by groups of people: who belongs to which, and that the figures are what they say."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from core.errors import PhotobustError
from core.image.photo import Photo
from core.template.symmetry import Mirror
from core.training.evaluation.bias import (
    GROUPS,
    VERSIONS,
    Person,
    agreement_table,
    disagreements,
    group_samples,
    group_table,
    members,
    portrait_versions,
    read_people,
    typology_angle,
)
from core.training.evaluation.evaluate import FIGURES, EvaluationRecord
from tests.core.training.conftest import MODELS


@pytest.mark.parametrize(
    "rgb, low, high",
    [((0.95, 0.80, 0.72), 50, 70), ((0.60, 0.45, 0.35), -20, 15), ((0.25, 0.17, 0.13), -90, -50)],
)
def test_typology_angles_grow_with_lightness(rgb, low, high):
    assert low < typology_angle(np.array(rgb)) < high


def test_everybody_belongs_to_one_group_of_each_kind():
    people = [
        Person("a", "female", 29, 50.0),
        Person("b", "male", 30, 28.5),
        Person("c", "male", 49, 27.5),
        Person("d", "female", 50, -40.0),
    ]
    assert people[0].groups == ("female", "under 30", "light skin")
    assert people[1].groups == ("male", "30 to 49", "light skin")
    assert people[2].groups == ("male", "30 to 49", "tan skin")
    assert people[3].groups == ("female", "50 and over", "dark skin")
    counts = np.sum([members(people, group) for group in GROUPS], axis=0)
    assert (counts == 3).all()


def test_people_are_read_or_missed_by_name(tmp_path):
    textures = np.full((1, 64, 64, 3), (242, 204, 184), np.uint8)
    with pytest.raises(PhotobustError, match=r"people\.json"):
        read_people(tmp_path, ["female_00"], textures)
    (tmp_path / "people.json").write_text(json.dumps({"female_00": {"sex": "female", "age": 22}}))
    (person,) = read_people(tmp_path, ["female_00"], textures)
    assert person.groups == ("female", "under 30", "light skin")
    with pytest.raises(PhotobustError, match="male_01"):
        read_people(tmp_path, ["male_01"], textures)


@dataclass(frozen=True)
class FakeTextures:
    held_out: np.ndarray


@dataclass(frozen=True)
class FakeAppearance:
    textures: FakeTextures


@dataclass(frozen=True)
class FakeSample:
    head: float
    skins: tuple[int, ...]
    turned: bool


class FakeSynthesizer:
    """Finds no face with the second person's skin where a random number says so."""

    def __init__(self):
        self.appearance = FakeAppearance(FakeTextures(np.zeros(3, bool)))

    def sample(self, rng):
        head, turned = rng.random(2)
        skins = tuple(np.flatnonzero(self.appearance.textures.held_out))
        missed = skins == (1,) and head < 0.3
        return (None if missed else FakeSample(head, skins, turned < 0.1)), None


def test_groups_are_measured_on_the_same_heads():
    synthesizer = FakeSynthesizer()
    before = synthesizer.appearance
    groups = {"male": np.array([True, False, True]), "female": np.array([False, True, False])}
    pictures = list(group_samples(synthesizer, groups, 40))
    assert 10 < len(pictures) < 40
    for one in pictures:
        assert one["male"].head == one["female"].head and not one["male"].turned
        assert one["male"].skins == (0, 2) and one["female"].skins == (1,)
        assert one["female"].head >= 0.3
    assert synthesizer.appearance is before


def test_versions_of_a_portrait_give_nearly_the_same_head(astronaut, detector, lifter):
    photo = Photo.from_array(astronaut)
    points = detector.detect(astronaut, max_faces=1)[0].points
    versions = portrait_versions(photo, points)
    assert set(versions) == set(VERSIONS)
    np.testing.assert_array_equal(versions["mirrored"].rgb, astronaut[:, ::-1])
    assert versions["cropped"].width < photo.width and versions["recompressed"].width < photo.width
    found = disagreements(photo, detector, lifter, Mirror.load(MODELS))
    assert found is not None and 0 <= found["mirrored"] < 0.5
    assert all(0 < found[name] < 2 for name in ("cropped", "recompressed"))
    assert disagreements(Photo.from_array(np.zeros((64, 64, 3), np.uint8)), detector, lifter, None) is None


def test_tables_name_each_group_and_what_was_not_found():
    figures = dict.fromkeys(FIGURES, 1.0)
    record = EvaluationRecord("network", 0, "ict", 0.0, 0, False, figures)
    failed = replace(record, failed=True, figures=dict.fromkeys(FIGURES, float("nan")))
    table = group_table(
        {"female": (3, [record, failed, replace(record, figures={**figures, "median": 3.0})])}
    )
    assert "| female | 3 | network | 2 | 2.00 | 1.00 | 1.00 |" in table
    person = Person("a", "male", 80, 0.0)
    table = agreement_table(
        {person: {"mirrored": 0.1, "cropped": 0.3, "recompressed": 0.2}, replace(person, age=81): None}
    )
    assert "| male | 2 | 1 | 0.10 | 0.30 | 0.20 |" in table and "| female | 0 | 0 |" in table
