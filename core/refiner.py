"""Refiner: corrects the lifted head by what the picture shows.

The detector's landmarks err by some pixels and by 4 to 11 degrees of rotation, and say little of what lies
between them. A small convolutional network looks at the picture with the lifted head's face mesh drawn over
it, and gives a correction of pose and shape, in the lifter's own terms, before the template is drawn for the
volume network.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.crop import cut_crop
from core.errors import ModelError
from core.geometry import CROP_SIZE, FRONTAL
from core.guidance import CANONICAL_UNIT, depth_channel, mesh_in_crop
from core.lifter import POSE_OUTPUTS, LandmarkLifter, LiftedHead
from core.pose import SeenPose
from core.predictor import picture_channels
from core.raster import fragments, front_map, interpolate

if TYPE_CHECKING:
    from core.refiner_network import RefinerNetwork

FILE_NAME = "head_refiner.safetensors"
#: Canonical coordinates of the face mesh (3), its depth, how far the detector's landmarks lie beside it (3).
MAPS = 7
#: Pixels, and voxels of depth, between detected and lifted landmarks that become 1.0 in the maps.
OFFSET_UNIT, OFFSET_DEPTH_UNIT = 4.0, 10.0
#: How often the network looks: the second look sees the face where the first has put it.
LOOKS = 2
#: (1, 10, 192, 192) float32 picture and maps, (1, S) float32 state -> (1, 6 + K) float32 correction.
Session = Callable[[np.ndarray, np.ndarray], np.ndarray]


def offsets(points: np.ndarray, lifted: LiftedHead, lifter: LandmarkLifter) -> tuple[np.ndarray, np.ndarray]:
    """The lifted head's landmarks (478, 3), volume frame, and what is drawn at each (478, 6): canonical
    coordinates and the offset to where the detector saw it, in the units of the maps.
    """
    frame = lifted.frame
    drawn = frame.camera_to_volume(lifted.pose.head_to_camera(lifted.landmarks.astype(np.float64)))
    detected = mesh_in_crop(points, lifter.canonical, frame)
    away = (detected - drawn) / np.array([OFFSET_UNIT, OFFSET_UNIT, OFFSET_DEPTH_UNIT])
    return drawn, np.concatenate([lifter.canonical / CANONICAL_UNIT, np.clip(away, -3, 3)], 1)


def refiner_maps(points: np.ndarray, lifted: LiftedHead, lifter: LandmarkLifter) -> np.ndarray:
    """(7, 192, 192) float32 maps, crop frame, of landmarks (478, 3), photo frame, and the head so far."""
    drawn, values = offsets(points, lifted, lifter)
    triangle, pixel, bary, _ = fragments(drawn, lifter.mesh)
    z = interpolate(drawn[:, 2], lifter.mesh, triangle, bary)
    index, values, depth = front_map(pixel, z, interpolate(values, lifter.mesh, triangle, bary), z)
    maps = np.zeros((MAPS, CROP_SIZE, CROP_SIZE), np.float32)
    maps[:3] = values[:, :3].T.reshape(3, CROP_SIZE, CROP_SIZE)
    maps[3] = depth_channel(depth, index >= 0).reshape(CROP_SIZE, CROP_SIZE)
    maps[4:] = values[:, 3:].T.reshape(3, CROP_SIZE, CROP_SIZE)
    return maps


def refiner_state(lifted: LiftedHead, shape_scale: float) -> np.ndarray:
    """(K + 12,) float32 what no picture shows: shape and rotation so far, perspective, direction of the head.

    shape_scale: metres, the lifter's scale of shape coefficients.
    """
    camera = lifted.frame.camera
    seen = SeenPose.of(lifted.pose, camera)
    away = (seen.centre - np.array([camera.cx, camera.cy])) / camera.focal_px
    turned = (seen.rotation @ FRONTAL.T).ravel()
    perspective = [seen.scale / camera.focal_px]
    return np.concatenate([lifted.coefficients / shape_scale * 3, turned, perspective, away]).astype(
        np.float32
    )


class HeadRefiner:
    """Runs the refining network on one face."""

    def __init__(self, lifter: LandmarkLifter, session: Session, looks: int = LOOKS) -> None:
        self.lifter, self.session, self.looks = lifter, session, looks
        #: (6 + K,) what the network's outputs are multiplied by: those of the lifter.
        self.scale = lifter.weights["output_scale"].astype(np.float64)

    def refine(self, rgb: np.ndarray, points: np.ndarray, lifted: LiftedHead) -> LiftedHead:
        """A better head for the face in rgb (H, W, 3) uint8 with detected landmarks (478, 3), photo frame."""
        for _ in range(self.looks):
            picture = picture_channels(cut_crop(rgb, lifted.frame))
            images = np.concatenate([picture, refiner_maps(points, lifted, self.lifter)])[None]
            state = refiner_state(lifted, self.scale[POSE_OUTPUTS])[None]
            correction = self.session(images, state)[0].astype(np.float64) * self.scale
            lifted = self.lifter.corrected(lifted, correction)
        return lifted


def load_refiner_network(path: Path) -> "RefinerNetwork":
    """The network of a weights file, in float32, ready for inference."""
    from safetensors import safe_open

    from core.refiner_network import RefinerConfig, RefinerNetwork

    if not path.is_file():
        raise ModelError(f"{path} is missing: get the project's models folder again")
    with safe_open(path, "pt") as file:
        config = json.loads(file.metadata()["config"])
        state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 (not a dict)
    network = RefinerNetwork(
        RefinerConfig(**{k: tuple(v) if isinstance(v, list) else v for k, v in config.items()})
    )
    missing, unexpected = network.load_state_dict(state, strict=False)
    if unexpected or any(not name.endswith("num_batches_tracked") for name in missing):
        raise ModelError(
            f"{path} does not fit this version of the program: get the project's models folder again"
        )
    return network.requires_grad_(False).eval()


def torch_session(network: "RefinerNetwork") -> Session:
    """The reference backend."""
    import torch

    from core.predictor import fold_normalisation

    network = fold_normalisation(network.eval()).to(memory_format=torch.channels_last)

    def run(images: np.ndarray, state: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            pictures = torch.from_numpy(images).to(memory_format=torch.channels_last)
            return network(pictures, torch.from_numpy(state)).numpy()

    return run
