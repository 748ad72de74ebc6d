"""The command line of the profile network's training."""

import pytest

from core.errors import PhotobustError
from core.runtime.backend import PROFILE_NAME
from scripts.training import profile_network


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int | None:
    monkeypatch.setattr("sys.argv", ["profile_network.py", *(str(one) for one in arguments)])
    return profile_network.main()


@pytest.mark.parametrize(
    ("what", "missing"), [("export", r"checkpoint\.pt"), ("lifter", r"profile_network\.safetensors")]
)
def test_what_a_step_lacks_is_named(monkeypatch, tmp_path, what, missing):
    folders = ("--data", tmp_path / "data", "--cache", tmp_path / "cache", "--run", tmp_path / "run")
    with pytest.raises(PhotobustError, match=missing):
        run(monkeypatch, what, *folders)
    assert not (tmp_path / "run").exists()


def test_pictures_of_another_network_are_made_again(monkeypatch, tmp_path):
    """They hold its landmarks."""
    made, fitted = [], []

    def make(pictures, finder, path, seed, size):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("shard")
        made.append(path)
        return size

    lifting = "core.training.profile.lifting"
    monkeypatch.setattr(f"{lifting}.make_lifting_shard", make)
    monkeypatch.setattr(
        f"{lifting}.train_profile_lifter", lambda paths, folder, models: fitted.append(folder) or []
    )
    monkeypatch.setattr("core.training.profile.pictures.ProfilePictures", lambda paths, split: split)
    monkeypatch.setattr("core.detection.profile_finder.ProfileFinder.from_pretrained", lambda models: models)
    weights = tmp_path / "run" / "models" / PROFILE_NAME
    weights.parent.mkdir(parents=True)
    counts = []
    for content in ("first", "first", "second one"):
        weights.write_text(content)
        run(monkeypatch, "lifter", "--count", 3, "--run", tmp_path / "run", "--cache", tmp_path)
        counts.append(len(made))
    each = 3 + profile_network.HELD_OUT
    assert counts == [each, each, 2 * each]
    assert fitted[0] == fitted[1] != fitted[2] == made[-1].parent
