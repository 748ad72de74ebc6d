"""Two photos in one pair of programs: one in the engine while the other is in the Blender worker."""

import threading
from pathlib import Path

from blender_addon.batch.local_processor import LocalProcessor, PhotoTask
from blender_addon.batch.plan import BatchPlan, StepPlan

#: Seconds after which a test gives up waiting for another thread.
PATIENCE_S = 60.0


class Program:
    """Stands in for a client: runs one request after the other, and says so if two come at once."""

    pid = 1

    def __init__(self, work):
        self._work = work
        self._busy = threading.Lock()

    def submit_reconstruct(self, photo, folder, **_):
        return self._request(Path(photo), Path(folder))

    def submit(self, _, step, folder, options):
        return self._request(step, Path(folder))

    def kill(self):
        pass

    def _request(self, *arguments):
        program = self

        class Request:
            def wait(self, *_):
                assert program._busy.acquire(blocking=False), "two requests at once"
                try:
                    return program._work(*arguments)
                finally:
                    program._busy.release()

        return Request()


def test_a_photo_is_in_the_engine_while_another_is_in_the_blender_worker(tmp_path):
    second_is_made = threading.Event()

    def reconstruct(photo, folder):
        head = folder / photo.stem
        head.mkdir(parents=True)
        if photo.stem == "second":
            second_is_made.set()
        return {"faces": [{"folder": str(head.absolute())}]}

    def run_step(_, folder):
        # The first head's step waits until the engine has made the second head.
        assert second_is_made.wait(PATIENCE_S)
        return {"files": {}, "facts": {}}

    first = LocalProcessor(None, None)
    first.engine, first.blender_worker = Program(reconstruct), Program(run_step)
    plan = BatchPlan(engine={}, steps=(StepPlan("preview", {}, ("surface",)),))
    results = {}

    def do(name, processor):
        staging = tmp_path / name
        staging.mkdir()
        results[name] = processor.run(PhotoTask(f"/photos/{name}.jpg", plan), staging)

    one = threading.Thread(target=do, args=("first", first))
    two = threading.Thread(target=do, args=("second", first.companion()))
    one.start()
    two.start()
    one.join(2 * PATIENCE_S)
    two.join(2 * PATIENCE_S)
    assert sorted(results) == ["first", "second"]
    for result in results.values():
        assert [head.steps["preview"].error for head in result.heads] == [None]
