"""Previews of pins: what is asked, what is answered, and an engine that is busy."""

import time

import pytest

from blender_addon.errors import EngineTimeoutError
from blender_addon.state.pin_preview import PinPreview
from tests.conftest import PATIENCE_SECONDS


@pytest.fixture
def preview(client, tmp_path):
    def make(**more):
        return PinPreview(client, tmp_path / "head", tmp_path / "adjusted.npz", **more)

    return make


def poll(preview):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (answer := preview.poll()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return answer


def corrections(x):
    return {"version": 1, "pins": [{"name": "nose_tip", "x": x, "y": 0.0}], "sliders": {}}


def test_the_last_of_several_questions_is_answered(preview, client, tmp_path):
    asking = preview()
    assert client.pid is None and asking.poll() is None and not asking.busy
    for x in (1.0, 2.0, 3.0):  # the engine starts with the first, which is on its way before the others come
        asking.ask(corrections(x))
    answer = poll(asking)
    assert answer.adjustments == corrections(1.0) and answer.file == tmp_path / "adjusted.npz"
    assert asking.busy and asking.poll() is None  # nothing is asked before that file was read
    asking.go_on()
    assert poll(asking).adjustments == corrections(3.0)
    assert not asking.busy

    asking.ask(corrections(4.0))
    asking.ask(corrections(5.0))
    assert asking.wait().adjustments == corrections(5.0)


def test_an_engine_that_is_busy_is_not_ended(preview, client, tmp_path):
    client.start()
    photo = tmp_path / "slow.jpg"
    photo.write_bytes(b"a photo")
    run, engine = client.submit_reconstruct(photo, tmp_path / "out"), client.pid
    asking = preview(timeout=0.0, start_timeout=0.0)
    asking.ask(corrections(1.0))
    with pytest.raises(EngineTimeoutError, match="less busy"):
        poll(asking)
    run.poll()
    assert client.pid == engine and not run.done and not asking.busy

    # Its next question is answered as if nothing had been.
    run.cancel(grace=PATIENCE_SECONDS)
    later = preview()
    later.ask(corrections(2.0))
    assert poll(later).adjustments == corrections(2.0)
    assert client.pid == engine
