"""What a place of the photo belongs to: asked while Blender goes on, answered, or not."""

import pytest

from blender_addon.errors import AddonError, EngineTimeoutError
from blender_addon.state.segment_question import WORDS, SegmentQuestion
from core.segmentation.segments import SegmentClass
from tests.conftest import PATIENCE_SECONDS, wait_for


@pytest.fixture
def ask(client, tmp_path):
    def make(photo, **more):
        return SegmentQuestion(client, tmp_path / "head", tmp_path / photo, (3.0, 4.0), (8, 6), **more)

    return make


def answer_of(question):
    found = []
    wait_for(lambda: found.append(question.poll()) or found[-1], "the answer")
    return found[-1]


def test_a_thing_is_named_and_comes_with_its_mask(ask, client):
    question = ask("good.jpg", view="side.jpg")
    assert client.pid is not None and question.view == "side.jpg"  # it has started, and nobody waits for it
    assert answer_of(question) == ("head wear", [[2, 1, 3]])


def test_words_are_of_classes_that_there_are():
    assert set(WORDS) <= {kind.name.lower() for kind in SegmentClass}


def test_what_cannot_be_told_apart_is_said(ask):
    with pytest.raises(AddonError, match="paint over it"):
        answer_of(ask("wall.jpg"))


def test_an_engine_that_does_not_answer_is_not_waited_for(ask, client, tmp_path):
    client.start()
    photo = tmp_path / "slow.jpg"
    photo.write_bytes(b"a photo")
    run, engine = client.submit_reconstruct(photo, tmp_path / "out"), client.pid
    question = ask("good.jpg", timeout=-1.0)
    with pytest.raises(EngineTimeoutError, match="paint over it"):
        answer_of(question)
    assert client.pid == engine
    run.cancel(grace=PATIENCE_SECONDS)
