"""A fake Blender worker: the real server, without Blender, with steps that do as the photo is named.

Orders are parts of the photo's stem: "stall-STEP", "segv-STEP", "flaky-STEP" (crashes the first time),
"refuse-STEP", "full-STEP" (the disk is full). With FAKE_BLENDER_WORKER_LOG each step is noted in that file.
"""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from blender_addon.blender_worker.result import StepResult
from blender_addon.blender_worker.server import Server
from blender_addon.engine.protocol_streams import take_over_streams
from blender_addon.errors import RenderError, StepError

LOG = os.environ.get("FAKE_BLENDER_WORKER_LOG")


def files_of(name, options):
    if name == "turntable":
        return [f"turntable/{k:03}.png" for k in range(options["frames"])] + ["turntable.mp4"]
    if name == "render":
        return [f"render_{view}.png" for view in options["views"]]
    if name == "export":
        return [f"head.{name}" for name in options["formats"]]
    return {"preview": ["preview.png"], "retopo": ["retopo.ply", "retopo.glb"]}.get(name, [f"{name}.out"])


def load(name):
    def run(folder, options):
        photo = Path(json.loads((folder / "face.json").read_text())["input"]["name"])
        if LOG:
            with open(LOG, "a") as log:
                print(name, photo.name, file=log)
        if f"stall-{name}" in photo.stem:
            subprocess.run(["sleep", "600"])  # as an encoder would be run
        marker = folder / "tried"
        if f"segv-{name}" in photo.stem or (f"flaky-{name}" in photo.stem and not marker.exists()):
            marker.touch()
            os.kill(os.getpid(), signal.SIGSEGV)
        if f"refuse-{name}" in photo.stem:
            raise StepError("This head cannot be done: take another.")
        if f"full-{name}" in photo.stem:
            try:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError as error:
                raise RenderError("The picture cannot be written.") from error
        time.sleep(float(os.environ.get("FAKE_BLENDER_WORKER_SECONDS", "0")))
        # What is made tells what it was made of, so that stale files show.
        made_of = {"preview": ["surface.ply"], "retopo": ["surface.ply"], "export": ["head.npz"]}
        needed = [folder / file for file in made_of.get(name, ["surface.ply", "head.npz"])]
        source = b"".join(path.read_bytes() for path in needed if path.is_file())
        if name == "asset":
            path = Path(options["library"]) / f"{options['name']}.blend"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source)
            return StepResult({}, {"file": path.name})
        for file in files_of(name, options):
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_bytes(json.dumps(options, sort_keys=True).encode() + source)
        return StepResult(dict.fromkeys(files_of(name, options), f"fake {name}"), {"fake": name})

    return run


if __name__ == "__main__":
    hello = {"version": "fake", "blender": "0.0.0", "formats": ["glb", "fbx", "obj"], "pid": os.getpid()}
    Server(*take_over_streams(), lambda: hello, lambda: "BLENDER_WORKBENCH", load).run()
