"""Distances on a face, in millimeters.

    python examples/measure_face.py portrait.jpg

One photo doesn't tell how large a head is: the scale is that of the average head. Ratios are truer.
"""

import sys

import numpy as np

from photobust import Reconstructor

#: Pairs of MediaPipe's 478 face landmarks.
DISTANCES = {
    "between the pupils": (468, 473),
    "between the outer corners of the eyes": (33, 263),
    "between the corners of the mouth": (61, 291),
    "from the bridge of the nose to the chin": (168, 152),
}


def main(photo_path: str) -> None:
    """Print distances between landmarks of the largest face."""
    with Reconstructor.from_pretrained() as reconstructor:
        (reconstruction,) = reconstructor.reconstruct(photo_path, max_faces=1)
    points = reconstruction.landmark_points  # (478, 3), head frame, meters; NaN where the surface has none
    for name, (start, end) in DISTANCES.items():
        print(f"{1000 * np.linalg.norm(points[end] - points[start]):6.1f} mm  {name}")
    yaw, pitch, roll = reconstruction.pose.angles
    print(f"turned by {yaw:.0f} degrees, raised by {pitch:.0f}, tilted by {roll:.0f}")


if __name__ == "__main__":
    main(sys.argv[1])
