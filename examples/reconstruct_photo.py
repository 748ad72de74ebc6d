"""One photo in, a folder of files for each face out.

python examples/reconstruct_photo.py portrait.jpg heads/
"""

import sys
from pathlib import Path

from photobust import Reconstructor, load_photo, write_reconstruction


def main(photo_path: str, out: str) -> None:
    """Reconstruct every face of a photo, the largest one first."""
    photo = load_photo(photo_path)
    with Reconstructor.from_pretrained() as reconstructor:
        # head=True also wraps the animation-ready head onto the surface and paints its texture.
        reconstructions = reconstructor.reconstruct(photo, head=True)
    for number, reconstruction in enumerate(reconstructions, 1):
        files = write_reconstruction(reconstruction, photo, Path(out) / f"face_{number}")
        print(f"face {number}:", *sorted(files))


if __name__ == "__main__":
    main(*sys.argv[1:3])
