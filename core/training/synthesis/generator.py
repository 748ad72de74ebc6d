"""Makes training pictures: a random head, textured, lit, before a random camera, then detected like any
photo.
"""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...detection.detector import FaceDetector, FaceLandmarks
from ...geometry.frames import Camera, HeadPose
from ..data.shards import Sample, write_shard
from ..face_models.heads import ICT, MAKEHUMAN, HeadSource
from ..face_models.ict_facekit import FaceModel
from .appearance import Appearance, Wearer
from .cameras import PICTURE, Scene, sample_assumed_focal, sample_scene
from .degradations import damage
from .portraits import PortraitViews
from .render import draw
from .textures import Split

#: Share of pictures that are portraits turned in 3D; share of the other heads that are MakeHuman's, which
#: artists made: more of them teach less of people (docs/training.md).
TURNED_SHARE, MAKEHUMAN_SHARE = 0.1, 0.15
#: Share of pictures on which the detector may search again when the first look fails: that costs as much as
#: five other pictures.
THOROUGH = 0.12
#: Finds whose landmarks lie, on average, further than this share of the face's size from the truth are thrown
#: away: the detector saw something else.
MAX_DETECTION_ERROR = 0.25
SHARD_SIZE = 250


@dataclass(frozen=True)
class DataPaths:
    """Where the training data lies: face model, panoramas, the caches made from portraits and template, the
    models.
    """

    face_model: Path
    panoramas: Path
    textures: Path
    registration: Path
    models: Path
    views: Path

    @classmethod
    def under(cls, data: Path, cache: Path, models: Path) -> "DataPaths":
        """The usual places below the data folder, the cache folder and the project's models."""
        return cls(
            data / "face_model" / "ict_facekit.npz",
            data / "light" / "panoramas.npz",
            cache / "textures.npz",
            cache / "registration.npz",
            models,
            cache / "portrait_views.npz",
        )

    def heads(self) -> HeadSource:
        return HeadSource(FaceModel(self.face_model), self.models, self.registration)


@dataclass(frozen=True)
class Mix:
    """What shards have more of than the usual. far: share of heads turned by 45 to 90 degrees, see
    `sample_scene`; clay: share of those without texture, see `Appearance.picture`.
    """

    far: float = 0.0
    clay: float = 0.0


class ImageSynthesizer:
    """Everything that training pictures are made from, loaded once a process."""

    def __init__(self, paths: DataPaths, split: Split = "train", mix: Mix | None = None) -> None:
        self.split, self.mix = split, mix or Mix()
        self.heads = paths.heads()
        self.appearance = Appearance.load(paths.textures, paths.panoramas)
        self.detector = FaceDetector.from_pretrained(paths.models)
        self.views = PortraitViews.load(paths.views, self.heads.model)
        names = self.heads.model.part_names
        self._eye_parts = (names.index("eyeball_left"), names.index("eyeball_right"))
        self._skin = {
            source: self.appearance.skin(mesh.triangles, mesh.corner_uv, mesh.part)
            for source, mesh in self.heads.drawn.items()
        }

    def picture(self, rng: np.random.Generator) -> Sample:
        """A random picture; its `landmarks` are the true ones, z as the detector's, smaller = nearer."""
        if rng.random() < TURNED_SHARE:
            return self._turned_portrait(rng)
        source = MAKEHUMAN if rng.random() < MAKEHUMAN_SHARE else ICT
        identity, expression = self.heads.sample(rng, source)
        # The shards keep half floats: draw what will be read back.
        identity, expression = identity.astype(np.float16), expression.astype(np.float16)
        vertices = self.heads.vertices(source, identity, expression)
        scene = sample_scene(rng, far=self.mix.far)
        drawn, camera = self.heads.drawn[source], scene.camera
        points = scene.pose.head_to_camera(vertices)
        buffers = draw(points, drawn.triangles, drawn.corner_uv, drawn.part, camera, PICTURE)
        wearer = Wearer(vertices, scene.pose, self._skin[source])
        clay = self.mix.clay > 0 and rng.random() < self.mix.clay
        rgb = self.appearance.picture(
            rng, buffers, camera, self._eye_parts, self.split, wearer=wearer, clay=clay
        )
        template = self.heads.template_vertices(source, vertices)
        return Sample(
            rgb, self._seen(template, scene.pose, camera), source, identity, expression, scene, turned=False
        )

    def _turned_portrait(self, rng: np.random.Generator) -> Sample:
        """A real picture of hair, clothes and a place, with the head that was fitted to its landmarks."""
        view = self.views.sample(rng, self.split)
        identity, expression = view.identity.astype(np.float16), view.expression.astype(np.float16)
        camera, pose = view.camera, view.pose
        template = self.heads.template_of(ICT, identity.astype(np.float32), expression.astype(np.float32))
        scene = Scene(camera, pose, sample_assumed_focal(rng, camera.focal_px))
        return Sample(
            damage(view.rgb, rng),
            self._seen(template, pose, camera),
            ICT,
            identity,
            expression,
            scene,
            turned=True,
        )

    def _seen(self, template: np.ndarray, pose: HeadPose, camera: Camera) -> np.ndarray:
        """(478, 3) float32 true landmarks of a head (V, 3), photo frame, z as the detector's."""
        landmarks = pose.head_to_camera(self.heads.template.landmarks(template))
        depth = (landmarks[:, 2] - landmarks[:, 2].mean()) * camera.focal_px / landmarks[:, 2].mean()
        return np.column_stack([camera.project(landmarks), depth]).astype(np.float32)

    def detect(self, sample: Sample, thorough: bool) -> FaceLandmarks | None:
        """The detector's find that matches the true landmarks, if there is one."""
        size = np.ptp(sample.landmarks[:, :2], axis=0).max()
        for face in self.detector.detect(sample.picture, max_faces=1, thorough=thorough):
            if not thorough:  # photos are always looked at in a mirror too
                face = self.detector.averaged(sample.picture, face) or face
            error = np.linalg.norm(face.points[:, :2] - sample.landmarks[:, :2], axis=1).mean() / size
            if error < MAX_DETECTION_ERROR:
                return face
        return None

    def sample(self, rng: np.random.Generator, thorough: float = THOROUGH) -> tuple[Sample | None, Sample]:
        """(the sample with the detector's landmarks, or None where it fails; the sample with the true ones).

        thorough: share of pictures on which the detector may search again when the first look fails.
        """
        truth = self.picture(rng)
        face = self.detect(truth, rng.random() < thorough)
        return (replace(truth, landmarks=face.points) if face else None), truth


def make_shards(
    paths: DataPaths, folder: Path, split: Split, indices: range, seed: int, mix: Mix | None = None
) -> Counter:
    """Write shards `split_00000.npz`... of the given indices, skipping those that exist.

    Each shard has its own random stream, so any number of processes makes the same ones. Returns how many
    pictures were made and found by yaw bin.
    """
    maker = None
    counts: Counter[str] = Counter()
    for index in indices:
        path = folder / f"{split}_{index:05d}.npz"
        if path.exists():
            continue
        maker = maker or ImageSynthesizer(paths, split, mix)
        rng = np.random.default_rng([seed, split == "eval", index])
        samples: list[Sample] = []
        while len(samples) < SHARD_SIZE:
            found, truth = maker.sample(rng)
            counts[f"made {truth.yaw_bin}"] += 1
            if found is not None:
                counts[f"found {truth.yaw_bin}"] += 1
                samples.append(found)
        write_shard(path, samples)
    return counts
