"""All photos of a folder with one reconstructor, with progress; what fails is named and skipped.

    python examples/reconstruct_folder.py photos/ heads/

`photobust photos/ --out heads/` does this too, survives crashes and makes only what is missing.
"""

import sys
from pathlib import Path

from photobust import PhotobustError, Reconstructor, load_photo, write_reconstruction


def show(step: str, fraction: float, message: str) -> None:
    """Print how far a photo is; the reconstructor calls this before each step."""
    print(f"  {fraction:4.0%} {message}", flush=True)


def main(photos: str, out: str) -> None:
    """Reconstruct the largest face of each photo."""
    with Reconstructor.from_pretrained() as reconstructor:
        for path in sorted(Path(photos).iterdir()):
            print(path.name)
            try:
                photo = load_photo(path)
                (reconstruction,) = reconstructor.reconstruct(photo, max_faces=1, progress=show)
                write_reconstruction(reconstruction, photo, Path(out) / path.stem)
            except PhotobustError as error:
                print(f"  no head: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
