"""Build models/landmark_symmetry.npz: which of MediaPipe's 478 landmarks is which one's mirror image.

Runs the detector on portraits and on their mirror images and matches the landmarks of both, one to one,
by their mean distance over all portraits:

    python scripts/build/landmark_symmetry.py PORTRAITS_FOLDER [--out models]
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.training.files import write_arrays


def landmarks_of(landmarker: Any, rgb: np.ndarray) -> np.ndarray | None:
    """Landmarks of the only face in a picture.

    Args:
        landmarker: MediaPipe's.
        rgb: (H, W, 3) uint8.

    Returns:
        (478, 3) pixels, or None where there is no face, or more than one.
    """
    import mediapipe as mp

    height, width = rgb.shape[:2]
    faces = landmarker.detect(
        mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(rgb))
    ).face_landmarks
    if len(faces) != 1:
        return None
    return np.array([(p.x * width, p.y * height, p.z * width) for p in faces[0]])


def match(pairs: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Match landmarks with their mirror images.

    Args:
        pairs: landmarks (478, 3) of each picture, and those of the mirrored picture, mapped back; pixels.

    Returns:
        (478,) int, the index of each one's counterpart.
    """
    cost = np.zeros((478, 478))
    for plain, mirrored in pairs:
        cost += np.linalg.norm(plain[:, None] - mirrored[None], axis=-1) / np.linalg.norm(
            plain[33] - plain[263]
        )
    rows, mirror = linear_sum_assignment(cost)
    if not (mirror[mirror] == np.arange(478)).all():
        raise SystemExit("the matching is not symmetric: give more portraits")
    error = cost[rows, mirror].mean() / len(pairs)
    fixed = (mirror == rows).sum()
    print(f"{len(pairs)} portraits, mean distance {error:.4f} of the eyes' distance, {fixed} on the midline")
    return mirror


def main() -> None:
    """Match the landmarks of portraits and of their mirror images."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("portraits", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[2] / "models")
    args = parser.parse_args()
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.FaceLandmarkerOptions(
        BaseOptions(model_asset_path=str(args.out / "face_landmarker.task"))
    )
    pairs = []
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        for path in sorted(args.portraits.glob("*.jpg")):
            rgb = cv2.imread(str(path))[..., ::-1]
            plain, mirrored = landmarks_of(landmarker, rgb), landmarks_of(landmarker, rgb[:, ::-1])
            if plain is not None and mirrored is not None:
                mirrored[:, 0] = rgb.shape[1] - 1 - mirrored[:, 0]
                pairs.append((plain, mirrored))
    if not pairs:
        raise SystemExit(f"no portraits with one face in {args.portraits}")
    path = args.out / "landmark_symmetry.npz"
    write_arrays(path, {"mirror": match(pairs).astype(np.int16)})


if __name__ == "__main__":
    main()
