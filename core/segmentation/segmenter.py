"""Runs the segmentation network on the segment frame of a head."""

from pathlib import Path
from typing import Protocol

import numpy as np

from ..geometry.frames import HEAD_CENTER, Camera, HeadPose
from ..image.crop import cut_crop, network_input
from ..runtime.backend import SEGMENTATION_NAME, SEGMENTATION_ONNX_NAME, choose_backend
from .attached import without_detached
from .segments import SEGMENT_SIZE, Segmentation, segment_frame

#: What mirroring a head does to directions in its frame.
MIRRORED = np.array([-1.0, 1.0, 1.0], np.float32)


class SegmentNetwork(Protocol):
    """What runs the network."""

    def run(self, picture: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """Classify the pixels of a picture.

        Args:
            picture: (256, 256, 3) uint8, RGB, segment frame.
            direction: (3,) float32, unit vector to the camera, head frame.

        Returns:
            (8, 256, 256) float32, the probabilities of the classes.
        """
        ...


class TorchSegmentNetwork:
    """Torch, the reference backend."""

    def __init__(self, path: Path) -> None:
        """Read the weights; raises ModelError if they are missing or do not fit."""
        from .network import load_segmentation_network

        self._network = load_segmentation_network(path)

    def run(self, picture: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """See `SegmentNetwork.run`."""
        import torch

        inputs = (torch.from_numpy(values) for values in network_inputs(picture, direction))
        with torch.inference_mode():
            return np.ascontiguousarray(torch.softmax(self._network(*inputs), 1)[0].numpy())


class OnnxSegmentNetwork:
    """ONNX Runtime, the backend that artists have."""

    def __init__(self, path: Path) -> None:
        """Read the network; raises ModelError if it is missing or damaged."""
        from ..runtime.onnx_session import OnnxSession

        # One thread, whatever the computer has: the result is the same everywhere, and it takes 20 ms.
        self._session = OnnxSession(path, threads=1)

    def run(self, picture: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """See `SegmentNetwork.run`."""
        image, vector = network_inputs(picture, direction)
        return self._session.run(picture=image, direction=vector)[0]


def network_inputs(picture: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A picture and a direction as the network takes them.

    Args:
        picture: (256, 256, 3) uint8, RGB.
        direction: (3,) float32.

    Returns:
        (1, 3, 256, 256) float32 in 0..1, and (1, 3) float32.
    """
    image = network_input(picture)
    return image, np.asarray(direction, np.float32)[None]


def camera_direction(pose: HeadPose) -> np.ndarray:
    """Whence the camera sees a head.

    Args:
        pose: Of the head, meters.

    Returns:
        (3,) float32, the unit vector from the head's center to the camera, head frame.
    """
    toward = -(pose.rotation.T @ pose.head_to_camera(HEAD_CENTER))
    return np.asarray(toward / np.linalg.norm(toward), np.float32)


class Segmenter:
    """Finds out what the pixels around a head show."""

    def __init__(self, network: SegmentNetwork) -> None:
        """Take what runs the network; `from_pretrained` loads it."""
        self.network = network

    @classmethod
    def from_pretrained(cls, models_dir: Path, backend: str | None = None) -> "Segmenter":
        """The segmenter of a folder of models.

        Args:
            models_dir: The folder.
            backend: See `core.runtime.backend.choose_backend`.

        Raises:
            ModelError: The network is missing or damaged.
        """
        folder = Path(models_dir)
        if choose_backend(folder, backend) == "torch":
            return cls(TorchSegmentNetwork(folder / SEGMENTATION_NAME))
        return cls(OnnxSegmentNetwork(folder / SEGMENTATION_ONNX_NAME))

    def segment(self, rgb: np.ndarray, camera: Camera, pose: HeadPose) -> Segmentation:
        """Segment the surroundings of one head.

        Args:
            rgb: (H, W, 3) uint8, the photo.
            camera: Of the photo.
            pose: Of the head.

        Returns:
            The probabilities of the classes in the head's segment frame; headwear, hair and things that do
            not touch the head are background.
        """
        frame = segment_frame(camera, pose)
        picture = cut_crop(rgb, frame, SEGMENT_SIZE, SEGMENT_SIZE)
        found = segment_both_ways(self.network, picture, camera_direction(pose))
        return without_detached(Segmentation(found, frame))


def segment_both_ways(network: SegmentNetwork, picture: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """The mean of what a network says of a picture and of its mirror image.

    Args:
        network: What classifies pixels.
        picture: (256, 256, 3) uint8, RGB, segment frame.
        direction: (3,) float32, unit vector to the camera, head frame.

    Returns:
        (8, 256, 256) float32, the probabilities of the classes.
    """
    mirrored = network.run(np.ascontiguousarray(picture[:, ::-1]), direction * MIRRORED)
    result: np.ndarray = (network.run(picture, direction) + mirrored[:, :, ::-1]) * np.float32(0.5)
    return result
