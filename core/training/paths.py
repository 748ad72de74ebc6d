"""Where training reads from and writes to."""

import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import PhotobustError

#: Environment variable with the folder of the training data.
DATA_VARIABLE = "PHOTOBUST_DATA"

MISSING_DATA = (
    f"Give the folder of the training data with --data or {DATA_VARIABLE}; "
    "docs/training.md lists what belongs there."
)
#: What makes the inputs that are not downloaded.
MISSING = {
    "registration": "Make it with scripts/training/register_template.py.",
    "textures": "Make it with scripts/training/build_textures.py.",
    "views": "Make it with scripts/training/build_textures.py.",
    "person_network": "Make it with scripts/build/person_network.py.",
    "segmentation_portraits": "Make it with scripts/training/segmentation.py prepare.",
}


def default_data_folder(root: Path) -> Path:
    """The training data's folder: the environment variable's, else `shared` beside the checkout at `root`."""
    return Path(os.environ.get(DATA_VARIABLE) or root.parent / "shared")


@dataclass(frozen=True)
class DataPaths:
    """All inputs of training.

    data: folder of what is downloaded (face model, portraits, panoramas, scan); cache: folder of what is
    made from it; models: folder of the template, the detector's models and the weights.
    """

    data: Path
    cache: Path
    models: Path

    @property
    def face_model(self) -> Path:
        """ICT-FaceKit, see `face_models.ict_facekit`."""
        return self.data / "face_model" / "ict_facekit.npz"

    @property
    def portraits(self) -> Path:
        """Folder of JPEG files, from which skin textures are extracted."""
        return self.data / "portraits"

    @property
    def panoramas(self) -> Path:
        """Linear equirectangular pictures, see `synthesis.lighting`."""
        return self.data / "light" / "panoramas.npz"

    @property
    def scans(self) -> Path:
        """Folder of the scan and its renders, see `evaluation.scan`."""
        return self.data / "scans"

    @property
    def registration(self) -> Path:
        """The template registered to the face model, see `face_models.registration`."""
        return self.cache / "registration.npz"

    @property
    def textures(self) -> Path:
        """The texture library, see `synthesis.texture_library`."""
        return self.cache / "textures.npz"

    @property
    def views(self) -> Path:
        """Portraits prepared for turning, see `synthesis.face_profiling`."""
        return self.cache / "portrait_views.npz"

    @property
    def shards(self) -> Path:
        """Folder of the synthetic pictures, see `data.shards`."""
        return self.cache / "shards"

    @property
    def dense_shards(self) -> Path:
        """Folder of synthetic pictures that the lifter was not trained on, see `dense.observations`."""
        return self.cache / "dense"

    @property
    def shading_shards(self) -> Path:
        """Folder of further synthetic pictures, see `fitting.shading`."""
        return self.cache / "shading"

    @property
    def hair_teacher(self) -> Path:
        """MediaPipe's hair segmentation, see `segmentation.teacher`."""
        return self.data / "hair" / "hair_segmentation.onnx"

    @property
    def hair_styles(self) -> Path:
        """MakeHuman's hairstyles, see `hair.styles`."""
        return self.data / "hair" / "makehuman_hair.npz"

    @property
    def hair_shards(self) -> Path:
        """Folder of the hair network's samples, see `hair.samples`."""
        return self.cache / "hair"

    @property
    def person_network(self) -> Path:
        """MediaPipe's selfie segmentation, see `segmentation.person`."""
        return self.cache / "person_network.safetensors"

    @property
    def segmentation_portraits(self) -> Path:
        """Portraits with labels, see `segmentation.portraits`."""
        return self.cache / "segmentation_portraits.npz"

    @property
    def segmentation_shards(self) -> Path:
        """Folder of labeled pictures, see `segmentation.dataset`."""
        return self.cache / "segmentation"

    @property
    def profile_shards(self) -> Path:
        """Folder of pictures of heads from the side, see `profile.pictures`."""
        return self.cache / "profile"

    @property
    def quality(self) -> Path:
        """Folder of the tables that the quality report is calibrated on, see `calibration.table`."""
        return self.cache / "quality"

    def require(self, *names: str) -> None:
        """Check that inputs are there before anything is computed.

        Args:
            names: of properties of this class, such as "face_model".

        Raises:
            PhotobustError: one of them is missing.
        """
        for name in names:
            path: Path = getattr(self, name)
            if not path.exists():
                raise PhotobustError(f"{path} is missing. {MISSING.get(name, MISSING_DATA)}")
