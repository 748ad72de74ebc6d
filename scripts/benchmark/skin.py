"""Measure the albedo: python scripts/benchmark/skin.py --count 14 --out out/skin

Held-out portraits are reconstructed; their heads, with the skin that was painted, are rendered in the light
of held-out panoramas: bald, three times, in other lights and exposures; and with hair, glasses and hats. From
these pictures the skin is painted again, and compared with what was rendered (CIEDE2000 at the vertices of
the skin, weighted by area): what the picture showed, and what it did not. "before" goes by colors alone, as
version 0.2.0 did.

Then parts of what the portraits themselves show are hidden from the painter, which has to complete them: by
the albedo model, and without it, by diffusion from what is around. Each photo is put into extreme light, and
the tone that its skin then gets is held against that of the photo as it is. At last each photo is taken
again: the texture with the photo's own light in it is held against the photo, where it shows skin, and the
irises of the head, as the camera sees them, against the detected ones. Writes skin.md and skin.json.

With --speed 20 it measures how long segmentation, texture and maps at 2048 take, warm, and nothing else.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np

from scripts.training.arguments import data_paths, run_main, training_parser

if TYPE_CHECKING:
    from core.image.photo import Photo
    from core.reconstructor import Reconstruction, Reconstructor
    from core.segmentation.segments import Segmentation
    from core.texture.albedo import Albedo
    from core.texture.albedo_model import AlbedoModel
    from core.texture.painter import AlbedoPainter
    from core.texture.skin_painter import SkinPainter
    from core.training.evaluation.skin_pictures import KnownHead, SkinPicture
    from core.wrapping.head import Head

#: Side of the textures, texels.
SIZE = 1024
#: The same where time is measured.
SPEED_SIZE = 2048
#: What albedo_mask.png has where the photo shows the skin.
OBSERVED = 255
#: Value of the region of plain skin from which on a vertex has the person's tone.
PLAIN = 0.9
#: Fewer hidden vertices are not compared.
FEWEST = 20
#: Boxes of the average head, head frame, meters, that are hidden: low and high x, y, z.
HIDDEN = {
    "forehead": ((-0.1, -0.1, 0.030), (0.1, 0.1, 0.2)),
    "eyes": ((-0.07, -0.1, -0.022), (0.07, 0.04, 0.024)),
    "a cheek": ((0.02, -0.1, -0.075), (0.1, 0.1, -0.015)),
    "mouth and chin": ((-0.06, -0.1, -0.125), (0.06, 0.03, -0.052)),
}
#: Light that photos are put into: factors of red, green and blue, linear.
EXTREME_LIGHTS = {
    "two stops under": (0.25, 0.25, 0.25),
    "three stops under": (0.125, 0.125, 0.125),
    "four stops under": (0.0625, 0.0625, 0.0625),
    "one stop over": (2.0, 2.0, 2.0),
    "a lamp's": (1.3, 1.0, 0.55),
    "red": (1.0, 0.25, 0.15),
    "deep red": (1.0, 0.08, 0.06),
    "blue": (0.25, 0.4, 1.0),
    "deep blue": (0.12, 0.18, 1.0),
    "magenta": (1.0, 0.3, 1.0),
    "deep blue, two stops under": (0.08, 0.13, 0.3),
}
NO_COLORS = "black and white"


def held_out(
    paths: Any, reconstructor: "Reconstructor", count: int
) -> "Iterator[tuple[Photo, Reconstruction]]":
    """Held-out portraits and their heads."""
    from core.errors import NoHeadError
    from core.image.photo import load_photo
    from core.training.synthesis.portrait_library import HOLD_OUT
    from core.wrapping.options import HeadOptions

    for path in sorted(paths.portraits.glob("*.jpg"))[::HOLD_OUT][:count]:
        photo = load_photo(path)
        try:
            options = HeadOptions(texture=SIZE, rig=False, maps=False, hair="none")
            yield photo, reconstructor.reconstruct(photo, max_faces=1, head=options)[0]
        except NoHeadError as error:
            print(f"{path.name} is left out: {error}", file=sys.stderr)


class SkinBenchmark:
    """Collects the differences."""

    def __init__(self, reconstructor: "Reconstructor", panoramas: Path, labels: str) -> None:
        """Take the engine.

        Args:
            reconstructor: With the models that are measured.
            panoramas: File of the light.
            labels: "network" or "true": whether pictures are segmented by the network, or perfectly.
        """
        from core.geometry.mesh import corner_sum
        from core.template.topology import SKIN
        from core.training.evaluation.skin_pictures import SkinStudio
        from core.training.synthesis.lighting import LightLibrary

        self.reconstructor, self.labels = reconstructor, labels
        self.topology = reconstructor.topology
        self.painter = reconstructor.albedo_painter(SIZE)
        self.studio = SkinStudio(self.topology, LightLibrary.load(panoramas))
        self.skin = self.topology.vertices_of(SKIN)
        triangles = self.topology.triangles[np.repeat(self.topology.face_part, 2) == 0]
        a, b, c = (self.topology.vertices[triangles[:, k]] for k in range(3))
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        self.area = corner_sum(area[:, None], triangles, len(self.topology.vertices))[self.skin, 0]
        self.rows: list[dict[str, Any]] = []

    def measure(self, photo: "Photo", one: "Reconstruction", seed: int) -> None:
        """Measure with one person's head."""
        from core.training.evaluation.skin_pictures import DRESSES, EXPOSURES, TINTS, KnownHead

        segmentation = one.segmentation
        if one.head is None or one.albedo is None or segmentation is None:
            return
        rng = np.random.default_rng(seed)
        head = KnownHead(photo.name, one.head.vertices, one.albedo.image[..., :3])
        tones = []
        for exposure, tint in zip(EXPOSURES, TINTS, strict=True):
            picture = self.studio.picture(rng, head, None, exposure, tint)
            tones.append([self._tone(image) for image in self._painted(picture, head).values()])
        for k, way in enumerate(("before", "after")):
            self.rows.append({"what": "tone", "way": way, "value": spread(np.array([t[k] for t in tones]))})
        for dress in DRESSES:
            picture = self.studio.picture(rng, head, dress)
            for way, albedo in self._painted(picture, head).items():
                self._compare(head.image, albedo, dress, way)
        self._hide(photo, one)
        self._relight(photo, one)
        self._photograph(photo, one)
        self._look(one)

    def _painted(self, picture: "SkinPicture", head: "KnownHead") -> "dict[str, Albedo]":
        """The picture's albedo, found by colors alone and with a segmentation."""
        segmenter = self.reconstructor.segmenter
        segmentation = picture.segmentation
        if self.labels == "network" and segmenter is not None:
            segmentation = segmenter.segment(picture.rgb, picture.frame.camera, picture.pose)
        shape = cast("Head", SimpleNamespace(vertices=head.vertices, topology=self.topology))
        arguments = (picture.rgb, picture.frame, picture.pose, shape, picture.landmarks)
        return {
            "before": self.painter.paint(*arguments),
            "after": self.painter.paint(*arguments, segmentation),
        }

    def _tone(self, albedo: "Albedo") -> np.ndarray:
        """(3,) median color of the face's plain skin, sRGB."""
        from core.training.evaluation.skin_pictures import vertex_colors

        plain = np.flatnonzero(self.painter.regions.plain > PLAIN)
        return np.asarray(np.median(vertex_colors(self.topology, albedo.image, plain), axis=0))

    def _compare(self, known: np.ndarray, albedo: "Albedo", dress: str, way: str) -> None:
        from core.training.evaluation.skin_pictures import color_differences, vertex_colors

        differences = color_differences(
            vertex_colors(self.topology, known, self.skin),
            vertex_colors(self.topology, albedo.image, self.skin),
        )
        seen = self._kinds(albedo) == OBSERVED
        for name, chosen in (("seen", seen), ("unseen", ~seen)):
            if chosen.any():
                value = float(np.average(differences[chosen], weights=self.area[chosen]))
                self.rows.append({"what": name, "dress": dress, "way": way, "value": value})

    def _kinds(self, albedo: "Albedo") -> np.ndarray:
        """(n,) how the skin's vertices were made."""
        from core.texture.atlas import texel_coordinates

        corner = np.zeros(len(self.topology.vertices), np.int64)
        corner[self.topology.quads] = self.topology.quad_uv
        faces = self.topology.faces_of("skin")
        corner[self.topology.quads[faces]] = self.topology.quad_uv[faces]
        places = np.round(texel_coordinates(self.topology.uv[corner[self.skin]], SIZE)).astype(int)
        x, y = np.clip(places, 0, SIZE - 1).T
        return np.asarray(albedo.mask[y, x])

    def _hide(self, photo: "Photo", one: "Reconstruction") -> None:
        """Hide parts of the photo from the painter, and see what it makes of them."""
        from core.texture.painter import AlbedoPainter
        from core.training.evaluation.skin_pictures import color_differences, vertex_colors

        if one.head is None or one.albedo is None or one.segmentation is None or self.painter.model is None:
            return
        if self._diffusing is None:
            self._diffusing = AlbedoPainter(self.topology, SIZE, model=flat_model(self.painter.model))
        arguments = (photo.rgb, one.frame, one.pose, one.head, one.landmarks.points)
        shown = vertex_colors(self.topology, one.albedo.image, self.skin)
        was_seen = self._kinds(one.albedo) == OBSERVED
        for name, (low, high) in HIDDEN.items():
            average = self.topology.vertices[self.skin]
            inside = ((average > low) & (average < high)).all(1)
            hidden = self._occluded(one.segmentation, one, inside)
            for way, painter in (("model", self.painter), ("diffusion", self._diffusing)):
                albedo = painter.paint(*arguments, hidden)
                chosen = inside & was_seen & (self._kinds(albedo) != OBSERVED)
                if chosen.sum() < FEWEST:
                    continue
                found = vertex_colors(self.topology, albedo.image, self.skin)
                differences = color_differences(shown[chosen], found[chosen])
                value = float(np.average(differences, weights=self.area[chosen]))
                self.rows.append({"what": "hidden", "part": name, "way": way, "value": value})

    def _relight(self, photo: "Photo", one: "Reconstruction") -> None:
        """Put the photo into extreme light, and compare the tone that the skin gets."""
        import cv2

        from core.image.color import linear_of_bytes_float32, linear_to_bytes
        from core.training.evaluation.skin_pictures import color_differences

        usual = self._relit_tone(photo.rgb, one)[None]
        linear = linear_of_bytes_float32()[photo.rgb]
        pictures = {
            name: linear_to_bytes(np.clip(linear * np.array(light, np.float32), 0, 1))
            for name, light in EXTREME_LIGHTS.items()
        }
        gray = cv2.cvtColor(photo.rgb, cv2.COLOR_RGB2GRAY)
        pictures[NO_COLORS] = np.repeat(gray[..., None], 3, 2)
        for name, rgb in pictures.items():
            value = float(color_differences(self._relit_tone(rgb, one)[None], usual)[0])
            self.rows.append({"what": "light", "light": name, "value": value})

    def _relit_tone(self, rgb: np.ndarray, one: "Reconstruction") -> np.ndarray:
        """(3,) sRGB, the plain skin's albedo by the photo (H, W, 3) uint8 in another light."""
        from core.errors import ModelError
        from core.image.color import linear_to_bytes
        from core.texture.face_colors import face_colors
        from core.texture.skin_painter import SkinPainter
        from core.texture.skin_tone import tone_correction
        from core.texture.skin_views import SkinPhoto

        model, segmenter = self.painter.model, self.reconstructor.segmenter
        if one.head is None or model is None or segmenter is None:
            raise ModelError("the models have no segmentation network, or no albedo model")
        if self._skin_painter is None:
            self._skin_painter = SkinPainter(self.topology, SIZE, self.painter.settings, model)
        found = segmenter.segment(rgb, one.frame.camera, one.pose)
        tone = self._skin_painter.tone(
            SkinPhoto(rgb, one.frame, one.pose, one.head.vertices, found, one.landmarks.points)
        )
        change = tone_correction(model, tone, rgb, face_colors(rgb, one.landmarks.points, found))
        return np.asarray(linear_to_bytes(np.exp(tone + change.of(tone))[None])[0] / 255.0)

    def _photograph(self, photo: "Photo", one: "Reconstruction") -> None:
        """Hold the texture, in the photo's own light, against the photo."""
        from core.image.color import linear_to_bytes
        from core.texture.settings import PaintOptions
        from core.texture.skin_sampler import SkinSampler
        from core.training.evaluation.skin_pictures import color_differences, vertex_colors

        if one.head is None or one.segmentation is None:
            return
        sampler = SkinSampler(self.topology, SIZE // 2)
        shot = photo.rgb, one.frame, one.pose, one.head.vertices, one.segmentation
        view = sampler.view(*shot, landmarks=one.landmarks.points)
        shown, observed = sampler.to_vertices(view.colors, view.weight)
        chosen = observed[self.skin] > PLAIN
        truth = linear_to_bytes(shown[self.skin][chosen]) / 255.0
        arguments = (photo.rgb, one.frame, one.pose, one.head, one.landmarks.points)
        for way, segmentation in (("before", None), ("after", one.segmentation)):
            albedo = self.painter.paint(*arguments, segmentation, PaintOptions(delight=False))
            found = vertex_colors(self.topology, albedo.image, self.skin[chosen])
            value = float(np.average(color_differences(truth, found), weights=self.area[chosen]))
            self.rows.append({"what": "photographed", "way": way, "value": value})

    def _look(self, one: "Reconstruction") -> None:
        """Angle between the irises as the head has them and as they were detected, of the eyeballs' turn."""
        from core.detection.mediapipe_topology import IRIS_CENTERS
        from core.geometry.pose import umeyama
        from core.template.eye_surfaces import iris_axis

        if one.head is None:
            return
        camera, vertices = one.frame.camera, one.head.vertices.astype(np.float64)
        for side, landmark in IRIS_CENTERS.items():
            name = f"eye_{side}"
            index = self.topology.vertices_of(name)
            ball = self.topology.vertices[index].astype(np.float64)
            middle = (ball.min(0) + ball.max(0)) / 2
            radius = float(np.linalg.norm(ball - middle, axis=1).mean())
            scale, rotation, offset = umeyama(ball, vertices[index])
            front = middle + radius * iris_axis(name)
            iris = one.pose.head_to_camera(scale * rotation @ front + offset)
            away = np.linalg.norm(camera.project(iris) - one.landmarks.points[landmark, :2])
            off = float(away * iris[2] / camera.focal_px / (scale * radius))
            self.rows.append({"what": "gaze", "value": float(np.degrees(np.arcsin(min(off, 1.0))))})

    _diffusing: "AlbedoPainter | None" = None
    _skin_painter: "SkinPainter | None" = None

    def _occluded(
        self, segmentation: "Segmentation", one: "Reconstruction", inside: np.ndarray
    ) -> "Segmentation":
        """The photo's segmentation with something before those of the skin's vertices."""
        import cv2

        from core.segmentation.segments import Segmentation, SegmentClass

        probabilities = segmentation.probabilities.copy()
        cover = np.zeros(probabilities.shape[1:], np.uint8)
        members = np.zeros(len(self.topology.vertices), bool)
        members[self.skin[inside]] = True
        camera = one.frame.camera
        vertices = one.head.vertices if one.head else self.topology.vertices
        pixels = segmentation.frame.photo_to_crop(
            camera.project(one.pose.head_to_camera(vertices.astype(np.float64)))
        )
        for quad in self.topology.quads[members[self.topology.quads].all(1)]:
            cv2.fillConvexPoly(cover, np.round(pixels[quad]).astype(np.int32), (1,))
        probabilities[:, cover > 0] = 0
        probabilities[SegmentClass.OCCLUDER, cover > 0] = 1
        return Segmentation(probabilities, segmentation.frame)


def speed(reconstructor: "Reconstructor", photo: "Photo", one: "Reconstruction", runs: int) -> str:
    """How long the segmentation, and the texture with its maps, of a head take, warm.

    Args:
        reconstructor: With the models that are measured.
        photo: The photo.
        one: Its head.
        runs: How many times each is done.

    Returns:
        Medians by the clock and of the processor's time of all threads, and the least of these.
    """
    from core.errors import ModelError
    from core.runtime.memory import reuse_freed_memory
    from core.texture.settings import PaintOptions

    segmenter, head, segmentation = reconstructor.segmenter, one.head, one.segmentation
    if segmenter is None or head is None or segmentation is None:
        raise ModelError("the models have no segmentation network")
    reuse_freed_memory()
    painter = reconstructor.albedo_painter(SPEED_SIZE)
    arguments = (photo.rgb, one.frame, one.pose, head, one.landmarks.points, segmentation)
    steps: dict[str, Callable[[], object]] = {
        "segmentation": lambda: segmenter.segment(photo.rgb, one.frame.camera, one.pose),
        f"texture and maps at {SPEED_SIZE}": lambda: painter.paint(*arguments, PaintOptions(maps=True)),
    }
    lines = ["| what | clock, s | processor, s | its least |", "|---|---|---|---|"]
    for name, step in steps.items():
        clock, spent = [], []
        for _ in range(runs + 1):  # the first one warms up
            since, busy = time.perf_counter(), time.process_time()
            step()
            clock.append(time.perf_counter() - since)
            spent.append(time.process_time() - busy)
        medians = statistics.median(clock[1:]), statistics.median(spent[1:])
        lines.append(f"| {name} | {medians[0]:.2f} | {medians[1]:.2f} | {min(spent[1:]):.2f} |")
    return "\n".join(lines)


def flat_model(model: "AlbedoModel") -> "AlbedoModel":
    """A model that knows people's tones alone: what is completed is diffused from what was seen."""
    return replace(model, mean=np.zeros_like(model.mean), components=model.components[:0])


def spread(tones: np.ndarray) -> float:
    """The mean CIEDE2000 between pairs of colors (n, 3), sRGB."""
    from core.training.evaluation.skin_pictures import color_differences

    one, other = np.triu_indices(len(tones), 1)
    return float(color_differences(tones[one], tones[other]).mean())


def report(rows: list[dict[str, Any]], people: int, labels: str) -> str:
    """The tables."""

    def mean(**wanted: str) -> str:
        values = [row["value"] for row in rows if wanted.items() <= row.items()]
        return f"{np.mean(values):.1f}" if values else "-"

    dresses = sorted({row["dress"] for row in rows if "dress" in row})
    lines = [
        f"{people} held-out people; pictures segmented: {labels}. Mean CIEDE2000.",
        "",
        "| the skin that was rendered, found again | before | after |",
        "|---|---|---|",
    ]
    for what in ("seen", "unseen"):
        for dress in dresses:
            pair = [mean(what=what, dress=dress, way=way) for way in ("before", "after")]
            lines.append(f"| {what}, with {dress} | {pair[0]} | {pair[1]} |")
        lines.append(f"| {what}, all | {mean(what=what, way='before')} | {mean(what=what, way='after')} |")
    pair = [mean(what="tone", way=way) for way in ("before", "after")]
    lines.append(f"| spread of the tone, three lights and exposures | {pair[0]} | {pair[1]} |")
    lines += ["", "| hidden part of a photo | by diffusion | by the albedo model |", "|---|---|---|"]
    for part in HIDDEN:
        pair = [mean(what="hidden", part=part, way=way) for way in ("diffusion", "model")]
        lines.append(f"| {part} | {pair[0]} | {pair[1]} |")
    pair = [mean(what="hidden", way=way) for way in ("diffusion", "model")]
    lines += [
        f"| all | {pair[0]} | {pair[1]} |",
        "",
        "| the photo in extreme light | tone against that of the photo as it is |",
        "|---|---|",
        *(f"| {name} | {mean(what='light', light=name)} |" for name in (*EXTREME_LIGHTS, NO_COLORS)),
        "",
        "| the photo taken again | before | after |",
        "|---|---|---|",
    ]
    pair = [mean(what="photographed", way=way) for way in ("before", "after")]
    lines.append(f"| skin in the photo's own light against the photo | {pair[0]} | {pair[1]} |")
    lines.append(f"| gaze: irises against the detected ones, degrees | - | {mean(what='gaze')} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Parse the command line, measure, write."""
    parser = training_parser(__doc__)
    parser.add_argument("--count", type=int, default=14, help="people (default: 14)")
    parser.add_argument("--speed", type=int, metavar="RUNS", help="measure the time alone, so many times")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "skin", help="folder of the results")
    parser.add_argument(
        "--segmentation",
        choices=("network", "true"),
        default="network",
        help="of the rendered pictures: the engine's, or what they truly show (default: network)",
    )
    options = parser.parse_args()
    from core import Reconstructor
    from core.errors import PhotobustError

    paths = data_paths(options)
    if options.speed:
        paths.require("portraits")
        with Reconstructor.from_pretrained(paths.models) as reconstructor:
            print(speed(reconstructor, *next(held_out(paths, reconstructor, 1)), options.speed))
        return
    paths.require("portraits", "panoramas")
    options.out.mkdir(parents=True, exist_ok=True)
    people = 0
    with Reconstructor.from_pretrained(paths.models) as reconstructor:
        benchmark = SkinBenchmark(reconstructor, paths.panoramas, options.segmentation)
        for photo, render in held_out(paths, reconstructor, options.count):
            before = len(benchmark.rows)
            benchmark.measure(photo, render, people)
            people += len(benchmark.rows) > before
            print(photo.name, flush=True)
    if not people:
        raise PhotobustError("No portrait was segmented: the models have no segmentation network.")
    text = report(benchmark.rows, people, options.segmentation)
    (options.out / "skin.md").write_text(text, encoding="utf-8")
    (options.out / "skin.json").write_text(json.dumps(benchmark.rows, indent=1), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    run_main(main)
