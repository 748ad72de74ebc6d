"""A worker that does what the photo's name says: crash, hang, die once, be slow until it is cancelled, find
no face, find two...
"""

import base64
import hashlib
import json
import os
import queue
import signal
import struct
import sys
import threading
import time
from pathlib import Path

import numpy as np


def ball(color=(200, 150, 120), rings=24, sectors=48):
    """A head-sized ball in the head frame: vertices, triangles seen from outside, colors, confidence."""
    theta = np.linspace(0, np.pi, rings + 1)[1:-1]
    phi = np.linspace(0, 2 * np.pi, sectors, endpoint=False)
    ring = np.stack(
        [
            np.outer(np.sin(theta), np.cos(phi)),
            np.outer(np.sin(theta), np.sin(phi)),
            np.outer(np.cos(theta), phi * 0 + 1),
        ],
        -1,
    ).reshape(-1, 3)
    points = np.concatenate([ring, [[0, 0, 1], [0, 0, -1]]])
    i, j = np.meshgrid(np.arange(rings - 2), np.arange(sectors), indexing="ij")
    a, b = (i * sectors + j).ravel(), (i * sectors + (j + 1) % sectors).ravel()
    c, d = a + sectors, b + sectors
    s = np.arange(sectors)
    top, bottom, last = len(ring), len(ring) + 1, (rings - 2) * sectors
    faces = np.concatenate(
        [
            np.stack([a, c, b], 1),
            np.stack([b, c, d], 1),
            np.stack([s * 0 + top, s, (s + 1) % sectors], 1),
            np.stack([s * 0 + bottom, last + (s + 1) % sectors, last + s], 1),
        ]
    )
    colors = np.tile(np.array(color, np.uint8), (len(points), 1))
    colors[points[:, 1] < -0.9] = (220, 30, 30)  # a nose: the face looks along -y
    vertices = (points * 0.1 + [0, 0.065, -0.01]).astype(np.float32)
    return vertices, faces.astype(np.int32), colors, (0.5 - points[:, 1] / 2).astype(np.float32)


def write_ply(path, vertices, faces, colors, confidence):
    header = (
        "ply\nformat binary_little_endian 1.0\n"
        f"element vertex {len(vertices)}\nproperty float x\nproperty float y\nproperty float z\n"
        "property uchar red\nproperty uchar green\nproperty uchar blue\nproperty float confidence\n"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    with open(path, "wb") as file:
        file.write(header.encode())
        for v, c, q in zip(vertices, colors, confidence, strict=True):
            file.write(struct.pack("<3f3Bf", *v, *c, q))
        for f in faces:
            file.write(struct.pack("<B3i", 3, *f))


def described(path):
    data = path.read_bytes()
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def answer(request, event, **data):
    print(json.dumps({"id": request["id"], "event": event, **data}), flush=True)


def detect(request):
    """As many faces as the photo's name says, the last of three too small; a picture of each."""
    photo, folder = Path(request["params"]["photo"]), request["params"]["thumbnails"]
    if "nonsense" in photo.stem:
        answer(request, "result", result={"faces": 3})
        return
    if "unreadable" in photo.stem:
        message = f"{photo.name} ends too early: copy it again"
        answer(request, "error", error={"type": "PhotoFormatError", "message": message})
        return
    count = 3 if "three" in photo.stem else 2 if "two" in photo.stem else 1
    faces = []
    for n in range(count):
        picture = Path(folder) / f"face_{n + 1}.png" if folder else None
        if picture:
            picture.parent.mkdir(parents=True, exist_ok=True)
            picture.write_bytes(b"picture")
        box = [100.0 * (count - n), 10.0, 100.0 * (count - n) + 80.0, 90.0]
        picture_path = str(picture) if picture else None
        faces.append({"index": n, "box": box, "usable": n < 2, "thumbnail": picture_path})
    problem = {"type": "NoFaceError", "message": f"No face found in {photo.name}."}
    answer(
        request,
        "result",
        result={"faces": faces, "problem": problem if "noface" in photo.stem else None},
    )


def about_views(photos):
    """What face.json says of several photos of a person: the second is the main one, "unlike" is left out."""
    views = []
    for k, name in enumerate(Path(photo).name for photo in photos):
        view = {"name": name, "verdict": "used", "main": k == 1, "width": 60, "height": 40}
        if "unlike" in name:
            view |= {"verdict": "someone else", "reason": f"{name} seems to show somebody else"}
        else:
            view["camera"] = {"focal_length_px": 50.0 + 10 * k, "principal_point_px": [29.5, 19.5]}
            rotation = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
            view["pose"] = {"rotation_head_to_camera": rotation, "translation_m": [0.0, 0.0, 0.5 + k]}
        views.append(view)
    return {"views": views} if views else {}


def reconstruct(request, cancelled):  # noqa: C901 (a branch for each order)
    photo, out = Path(request["params"]["photo"]), Path(request["params"]["out"])
    if os.environ.get("FAKE_ENGINE_LOG"):
        with open(os.environ["FAKE_ENGINE_LOG"], "a") as log:
            print(photo.name, file=log)
    for k, step in enumerate(("load", "detect", "network", "surface")):
        answer(request, "progress", step=step, fraction=k / 4, message=f"Doing {step}")
        time.sleep(0.02)
        if request["params"] and "slow" in photo.stem:
            while request["id"] not in cancelled:
                time.sleep(0.05)
            answer(request, "error", error={"type": "Cancelled", "message": "Cancelled."})
            return
    if "crash" in photo.stem:
        print("something broke deep inside", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if "once" in photo.stem:
        marker = photo.with_suffix(".marker")
        if not marker.exists():
            marker.touch()
            os._exit(11)
    if "reaper" in photo.stem:
        os.kill(os.getppid(), signal.SIGKILL)
    several = [Path(one) for one in request["params"].get("photos") or ()]
    if any("hang" in one.stem for one in (photo, *several)):
        time.sleep(600)
    if "noise" in photo.stem:
        print("a native library speaks up on stdout", flush=True)
        print('{"not": "ours"}', flush=True)
        print("[1, 2]", flush=True)
    if "noface" in photo.stem or not all(one.is_file() for one in several or [photo]):
        answer(
            request,
            "error",
            error={"type": "NoFaceError", "message": f"No face found in {photo.name}: try a closer one."},
        )
        return
    if request["params"].get("surfaces"):
        surface = Path(request["params"]["surfaces"]) / "surface_1.glb"
        surface.parent.mkdir(parents=True, exist_ok=True)
        surface.write_bytes(b"glTF")
        told = {"step": "surface_ready", "fraction": 0.8, "message": "The surface is there"}
        answer(request, "progress", **told, files={surface.name: str(surface)})
    if request["params"].get("stages"):
        stages = Path(request["params"]["stages"])
        stages.mkdir(parents=True, exist_ok=True)
        for k, name in enumerate(("prior_1.ply", "surface_1.ply")):
            write_ply(stages / name, *ball((10, 20, 30 + k)))
            if "damaged" in photo.stem:
                (stages / name).write_bytes(b"ply")
            told = {"step": name.replace("_1.ply", "_ready"), "fraction": 0.8, "message": "To be looked at"}
            answer(request, "progress", **told, files={name: str(stages / name)})
    told = {name: value for name, value in request["params"].items() if name not in ("out", "stages")}
    count = min(2 if "two" in photo.stem else 1, request["params"]["max_faces"])
    faces = []
    for n in range(count):
        folder = out / (photo.stem if count == 1 else f"{photo.stem}_{n + 1}")
        folder.mkdir(parents=True, exist_ok=True)
        surface = ball((200, 150 - 60 * n, 120))
        write_ply(folder / "surface.ply", *surface)
        (folder / "landmarks.json").write_text(json.dumps({"points": [None] * 478}))
        names = ["surface.ply", "landmarks.json"]
        if request["params"].get("head"):
            names.append("head.npz")
            options = [request["params"].get(name) for name in ("texture", "delight")]
            (folder / "head.npz").write_text(json.dumps(options))
        if request["params"].get("preview_model"):
            names.append("view.js")
            made_of = [folder / name for name in ("surface.ply", "head.npz")]
            model = base64.b64encode(b"".join(p.read_bytes() for p in made_of if p.is_file())).decode("ascii")
            script = f"photobustView({json.dumps({'version': 1, 'model': model})});\n"
            (folder / "view.js").write_text(script, "ascii")
        name = os.fsencode(photo.name).decode("utf-8", "replace")
        listed = {file: described(folder / file) for file in names}
        (folder / "face.json").write_text(
            json.dumps(
                {
                    "input": {"name": name},
                    "params": told,
                    "files": listed,
                    **about_views(request["params"].get("photos", ())),
                }
            )
        )
        names.append("face.json")
        verdict = next((word for word in ("poor", "check", "good") if word in photo.stem), None)
        quality = {"verdict": verdict, "reasons": [f"It is {verdict}."]} if verdict else {}
        files = {name: str(folder / name) for name in names}
        faces.append(
            {
                "folder": str(folder),
                "files": files,
                "timings": {"network": 0.01},
                "vertices": len(surface[0]),
                "faces": len(surface[1]),
                "quality": quality,
                "views": [
                    {"name": one.name, "verdict": "used"}
                    if "unlike" not in one.name
                    else {"name": one.name, "verdict": "someone else", "reason": "It is unlike."}
                    for one in several
                ],
            }
        )
    answer(
        request,
        "result",
        result={"faces": faces, "photo": {"name": photo.name}, "timings": {"load": 0.02, "detect": 0.03}},
    )


def adjust(request):
    """What the engine says of a head with corrections: here no more than what they are."""
    params = request["params"]
    result = {"file": params["out"], "pins": []}
    if params.get("segment"):
        seen = "wall" not in params["segment"]["photo"]
        result["segment"] = {"class": "head_wear", "runs": [[2, 1, 3]] if seen else []}
    answer(request, "result", result=result)


def main():
    requests, cancelled = queue.Queue(), set()

    def read():
        for line in sys.stdin:
            request = json.loads(line)
            if request["method"] == "cancel":
                cancelled.add(request["params"]["id"])
            else:
                requests.put(request)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    print("fake engine up", file=sys.stderr, flush=True)
    while True:
        request = requests.get()
        if request["method"] == "shutdown":
            return
        if request["method"] == "hello":
            answer(
                request,
                "result",
                result={
                    "version": "fake",
                    "capabilities": ["person"],
                    "pythonpath": os.environ["PYTHONPATH"],
                },
            )
        elif request["method"] == "detect":
            detect(request)
        elif request["method"] == "adjust":
            adjust(request)
        else:
            reconstruct(request, cancelled)


if __name__ == "__main__":
    main()
