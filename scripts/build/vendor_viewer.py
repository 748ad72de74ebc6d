"""Take the viewer of the batch's page from npm into blender_addon/batch/page_files/, with its license.

    python scripts/build/vendor_viewer.py            needs npm; writes what is in the repository already
    python scripts/build/vendor_viewer.py --check    only says whether the repository has this version's files

The version and the hash are pinned here. To move on: `npm view @google/model-viewer version dist.integrity`,
put both here and into model-viewer.NOTICE.txt, run this and the page's tests, and commit the files.
"""

import argparse
import base64
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "@google/model-viewer"
VERSION = "4.4.0"
#: npm's integrity of the package, sha512 in base64: what `npm view` prints, and lock files pin.
INTEGRITY = "sha512-8z1SB5sPlzKoak5mdx/D31brBakPYm3Qi31EfAucHAUrtrHHCbabypkKvSwReYhUpPaxyJ46oT47uWE/hrs1Zw=="
FOLDER = ROOT / "blender_addon/batch/page_files"
#: In the package -> here. The classic script, not the module: browsers refuse modules from disk.
FILES = {
    "package/dist/model-viewer-umd.min.js": "model-viewer.min.js",
    "package/LICENSE": "model-viewer.LICENSE.txt",
}


class VendorError(Exception):
    """The package cannot be had, or is not the one that is pinned."""


def verified(archive: bytes, integrity: str = INTEGRITY) -> bytes:
    """The archive itself if its hash is the pinned one. Raises VendorError."""
    kind, _, wanted = integrity.partition("-")
    found = base64.b64encode(hashlib.new(kind, archive).digest()).decode("ascii")
    if found != wanted:
        raise VendorError(f"the package's {kind} is {found}, and {wanted} is pinned: it is another file.")
    return archive


def extracted(archive: bytes) -> dict[str, bytes]:
    """The files that we keep, by their names here. Raises VendorError."""
    contents = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as package:
        for inside, name in FILES.items():
            try:
                file = package.extractfile(inside)
            except KeyError:
                file = None
            if file is None:
                raise VendorError(f"the package has no file {inside}: it was made in another way.")
            contents[name] = file.read()
    return contents


def download() -> bytes:
    """The package's archive, by npm. Raises VendorError."""
    with tempfile.TemporaryDirectory(prefix="photobust-") as folder:
        command = ["npm", "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", folder]
        try:
            subprocess.run(
                command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=folder
            )
        except FileNotFoundError as error:
            raise VendorError("there is no npm (apt-get install npm).") from error
        except subprocess.CalledProcessError as error:
            raise VendorError(f"npm has no {PACKAGE} {VERSION} (code {error.returncode}).") from error
        (archive,) = Path(folder).glob("*.tgz")
        return archive.read_bytes()


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; code 1 if the files differ")
    options = parser.parse_args()
    try:
        contents = extracted(verified(download()))
        for name, data in contents.items():
            path = FOLDER / name
            if options.check and (not path.is_file() or path.read_bytes() != data):
                raise VendorError(f"{path} is not the file of {PACKAGE} {VERSION}.")
            if not options.check:
                FOLDER.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            print(f"{path.relative_to(ROOT)} ({len(data):,} bytes)")
    except (VendorError, OSError) as error:
        print(f"The viewer was not taken over: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
