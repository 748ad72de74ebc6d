"""Features of a face from the first layers of MediaPipe's face network, trained on photos of people.

The lifter samples them where it estimates the vertices of a head to be. The network is Google's, under the
Apache License 2.0, like the detector's bundles that it comes from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ..geometry.frames import CROP_SIZE, AffineFrame, compose_affine
from ..geometry.pose import WeakPerspectivePose
from ..image.crop import UNVARIED, CropVariation, cut_crop, face_frame, network_input
from ..runtime.backend import FEATURES_NAME, FEATURES_ONNX_NAME, choose_backend

#: Channels of the maps at 96, 48 and 24 pixels, which are sampled at points.
POINT_CHANNELS = (16, 32, 64)


@dataclass(frozen=True)
class FaceFeatures:
    """Features of one face.

    Attributes:
        frame: Of the picture.
        picture: (192, 192, 3) uint8, RGB.
        maps: (16, 96, 96), (32, 48, 48), (64, 24, 24) float32.
        global_features: (4608,) float32, the map at 6 pixels.
    """

    frame: AffineFrame
    picture: np.ndarray
    maps: Sequence[np.ndarray]
    global_features: np.ndarray

    def at(self, points: np.ndarray) -> np.ndarray:
        """The features of all maps at points, interpolated linearly.

        Args:
            points: (N, 2) photo frame, pixels.

        Returns:
            (N, 112) float32.
        """
        pixels = self.frame.photo_to_crop(points)
        return np.concatenate([sample_map(channels, pixels) for channels in self.maps], 1)


def sample_map(channels: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Sample a map of a picture bilinearly; its border is repeated outside.

    Args:
        channels: (C, H, H) float32, a map of a picture of 192 px.
        pixels: (N, 2), x and y in that picture.

    Returns:
        (N, C) float32.
    """
    size = channels.shape[1]
    at = np.clip((pixels + 0.5) * (size / CROP_SIZE) - 0.5, 0, size - 1)
    low = np.minimum(at.astype(np.int64), size - 2)
    fraction = (at - low).astype(np.float32)
    x, y = low.T
    right, down = fraction.T
    upper = channels[:, y, x] * (1 - right) + channels[:, y, x + 1] * right
    lower = channels[:, y + 1, x] * (1 - right) + channels[:, y + 1, x + 1] * right
    return np.asarray((upper * (1 - down) + lower * down).T)


class FeatureNetwork(Protocol):
    """Runs the network; every backend gives the same within rounding."""

    def run(self, picture: np.ndarray) -> Sequence[np.ndarray]:
        """Compute the maps of a picture.

        Args:
            picture: (192, 192, 3) uint8, RGB.

        Returns:
            (C, H, H) float32 at 96, 48, 24 and 6 pixels.
        """
        ...

    def release_memory(self) -> None:
        """Give back what is kept for the next picture."""
        ...


class TorchFeatures:
    """Torch, the reference backend."""

    def __init__(self, path: Path) -> None:
        from ..detection.face_encoder import load_face_network

        self._network = load_face_network(path)

    def run(self, picture: np.ndarray) -> Sequence[np.ndarray]:
        """See `FeatureNetwork.run`."""
        import torch

        with torch.inference_mode():
            return [
                maps[0].contiguous().numpy()
                for maps in self._network(torch.from_numpy(network_input(picture)))
            ]

    def release_memory(self) -> None:
        """Nothing is kept."""


class OnnxFeatures:
    """ONNX Runtime, the backend that artists have."""

    def __init__(self, path: Path) -> None:
        from ..runtime.onnx_session import OnnxSession

        # Too small a network for more than one thread.
        self._session = OnnxSession(path, threads=1)

    def run(self, picture: np.ndarray) -> Sequence[np.ndarray]:
        """See `FeatureNetwork.run`."""
        return [maps[0] for maps in self._session.run_all(picture=network_input(picture))]

    def release_memory(self) -> None:
        """See `FeatureNetwork.release_memory`; the other networks' memory, too, since they share it."""
        self._session.release_memory()


def load_feature_network(models_dir: Path, backend: str | None = None) -> FeatureNetwork:
    """The network of a folder of models with the backend that `choose_backend` chooses."""
    if choose_backend(models_dir, backend) == "torch":
        return TorchFeatures(Path(models_dir) / FEATURES_NAME)
    return OnnxFeatures(Path(models_dir) / FEATURES_ONNX_NAME)


def extract_features(
    network: FeatureNetwork,
    rgb: np.ndarray,
    points: np.ndarray,
    pose: WeakPerspectivePose,
    view: np.ndarray | None = None,
    variation: CropVariation = UNVARIED,
) -> FaceFeatures:
    """The features of one face of a photo.

    Args:
        network: What computes them.
        rgb: (H, W, 3) uint8, the photo.
        points: (478, 3) landmarks, px, in the photo frame or the view.
        pose: Fitted to the landmarks.
        view: (2, 3) similarity, photo -> view: the photo turned or mirrored.
        variation: Of the crop that the landmarks give.

    Returns:
        Features in the frame that `face_frame` gives, or in a variation of it: a crop of what the landmarks
        are in.
    """
    frame = variation.of(face_frame(points, pose))
    crop = frame if view is None else AffineFrame(compose_affine(frame.matrix, view))
    picture = cut_crop(rgb, crop)
    *maps, last = network.run(picture)
    return FaceFeatures(frame, picture, maps, last.ravel())
