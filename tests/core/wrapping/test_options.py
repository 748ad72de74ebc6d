import hashlib

import pytest

from core.errors import RequestError
from core.worker.params import adjustments_param, head_param, person_adjustments_param
from core.wrapping.options import HeadOptions


def test_no_head_unless_asked_for():
    assert head_param({}) is None
    assert head_param({"head": False, "texture": 1024}) is None


def test_what_is_asked_for():
    assert head_param({"head": True}) == HeadOptions(2048, True)
    assert head_param({"head": True, "texture": 0, "delight": False}) == HeadOptions(0, False)
    assert head_param({"head": True, "uv": "makehuman"}) == HeadOptions(uv="makehuman")
    assert head_param({"head": True, "beard": False, "maps": False}) == HeadOptions(beard=False, maps=False)


@pytest.mark.parametrize(
    "params",
    [
        {"head": 1},
        {"head": True, "texture": 1000},
        {"head": True, "texture": True},
        {"delight": None},
        {"uv": 1},
        {"maps": 0},
        {"beard": "no"},
    ],
)
def test_nonsense_is_refused(params):
    with pytest.raises(RequestError):
        head_param(params)


def test_corrections_of_one_photo_or_of_several():
    pin = {"name": "chin", "x": 1.0, "y": 2.0}
    one = {"photo": "folder/a.jpg", "adjustments": {"1": {"pins": [pin]}, "2": {}}}
    several = [{"photo": "a.jpg", "face": 1, "pins": [pin]}, {"photo": "b.jpg", "pins": [pin]}]
    assert adjustments_param(one) == adjustments_param({**one, "adjustments": several})
    assert list(adjustments_param(one)) == [1] and adjustments_param({}) == {}
    wrong_digest = [{"photo": "a.jpg", "sha256": 3}]
    for wrong in ("x", {"a": {}}, {"-1": {}}, [1], [{"photo": "a.jpg", "face": "0"}], wrong_digest):
        with pytest.raises(RequestError):
            adjustments_param({**one, "adjustments": wrong})


def test_corrections_with_a_digest_are_of_this_file_only(tmp_path):
    photos = {name: tmp_path / name / "front.jpg" for name in ("ann", "bob")}
    for name, photo in photos.items():
        photo.parent.mkdir()
        photo.write_bytes(name.encode())
    ann, other = hashlib.sha256(b"ann").hexdigest(), {"photo": "front.jpg", "sliders": {"age": 0.5}}
    own = {"photo": "before.jpg", "sha256": ann, "sliders": {"age": 0.1}}

    def ages(given, name="ann"):
        params = {"photo": str(photos[name]), "adjustments": given}
        person = {"photos": [str(photos[name])], "adjustments": given}
        found = {face: one.sliders["age"] for face, one in adjustments_param(params).items()}
        assert [one.sliders["age"] for one in person_adjustments_param(person).values()] == list(
            found.values()
        )
        return found

    assert ages([own]) == {0: 0.1} and ages([own], "bob") == {}
    assert ages([own, other]) == ages([other, own]) == {0: 0.1} and ages([own, other], "bob") == {0: 0.5}
    photos["ann"].unlink()
    assert ages([own]) == {}
