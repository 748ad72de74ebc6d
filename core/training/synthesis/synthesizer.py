"""Synthesizes training pictures: a random head, textured and lit, before a random camera, then detected like
any photo.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ...detection.detector import FaceDetector, FaceLandmarks
from ...geometry.frames import Camera, HeadPose
from ..face_models.heads import ICT, MAKEHUMAN, HeadSource
from ..paths import DataPaths
from .accessories import SkinMesh
from .appearance import Appearance, DressedHead
from .cameras import PICTURE_SIZE, sample_assumed_focal, sample_scene
from .degradations import degrade_picture
from .face_profiling import PortraitViews
from .render import draw
from .sample import Sample, Scene
from .texture_library import Split

#: Fraction of pictures that are portraits turned in 3D.
TURNED_FRACTION = 0.1
#: Fraction of the other heads that are MakeHuman's, which artists modeled: more of them make the lifter worse
#: on people (docs/diary.md).
MAKEHUMAN_FRACTION = 0.15
#: Fraction of pictures on which the detector may search again when its first search fails: that costs as
#: much as five other pictures.
THOROUGH = 0.12
#: Detections whose landmarks lie, on average, further than this fraction of the face's size from the truth
#: are of something else and discarded.
MAX_DETECTION_ERROR = 0.25


@dataclass(frozen=True)
class Mix:
    """What shards have more of than the usual. far: fraction of heads turned by 45 to 90 degrees, see
    `sample_scene`; clay: fraction of those without texture, see `Appearance.picture`.
    """

    far: float = 0.0
    clay: float = 0.0


class ImageSynthesizer:
    """Everything that training pictures are made from, loaded once a process."""

    def __init__(self, paths: DataPaths, split: Split = "train", mix: Mix | None = None) -> None:
        self.split, self.mix = split, mix or Mix()
        self.heads = HeadSource.from_paths(paths)
        self.appearance = Appearance.load(paths.textures, paths.panoramas)
        # The lifter is trained on MediaPipe's landmarks alone.
        self.detector = FaceDetector(paths.models, profile=False)
        self.views = PortraitViews.load(paths.views, self.heads.model)
        names = self.heads.model.part_names
        self.eye_parts = (names.index("eyeball_left"), names.index("eyeball_right"))
        self._skin = {
            source: self.appearance.skin(mesh.triangles, mesh.corner_uv, mesh.part)
            for source, mesh in self.heads.drawn.items()
        }

    def skin(self, source: str) -> SkinMesh:
        """The skin of a source's heads, for `DressedHead`."""
        return self._skin[source]

    def picture(self, rng: np.random.Generator) -> Sample:
        """A random picture; its `landmarks` are the true ones, z as the detector's, smaller = nearer."""
        if rng.random() < TURNED_FRACTION:
            return self._turned_portrait(rng)
        return self.rendered(rng, partial(sample_scene, far=self.mix.far))

    def rendered(
        self, rng: np.random.Generator, sample_view: Callable[[np.random.Generator], Scene]
    ) -> Sample:
        """A random head of a face model, never a portrait.

        Args:
            rng: random numbers.
            sample_view: draws its scene.

        Returns:
            The picture, its `landmarks` the true ones.
        """
        source = MAKEHUMAN if rng.random() < MAKEHUMAN_FRACTION else ICT
        identity, expression = self.heads.sample(rng, source)
        # The shards keep half floats: draw what will be read back.
        identity, expression = identity.astype(np.float16), expression.astype(np.float16)
        vertices = self.heads.vertices(source, identity, expression)
        scene = sample_view(rng)
        drawn, camera = self.heads.drawn[source], scene.camera
        points = scene.pose.head_to_camera(vertices)
        buffers = draw(points, drawn.triangles, drawn.corner_uv, drawn.part, camera, PICTURE_SIZE)
        dressed = DressedHead(vertices, scene.pose, self._skin[source])
        clay = self.mix.clay > 0 and rng.random() < self.mix.clay
        rgb = self.appearance.picture(
            rng, buffers, camera, self.eye_parts, self.split, dressed=dressed, clay=clay
        )
        template = self.heads.template_vertices(source, vertices)
        return Sample(
            rgb,
            self.true_landmarks(template, scene.pose, camera),
            source,
            identity,
            expression,
            scene,
            turned=False,
        )

    def _turned_portrait(self, rng: np.random.Generator) -> Sample:
        """A real picture of hair, clothes and a place, with the head that was fitted to its landmarks."""
        view = self.views.sample(rng, self.split)
        identity, expression = view.identity.astype(np.float16), view.expression.astype(np.float16)
        camera, pose = view.camera, view.pose
        template = self.heads.template_of(ICT, identity.astype(np.float32), expression.astype(np.float32))
        scene = Scene(camera, pose, sample_assumed_focal(rng, camera.focal_px))
        return Sample(
            degrade_picture(view.rgb, rng),
            self.true_landmarks(template, pose, camera),
            ICT,
            identity,
            expression,
            scene,
            turned=True,
        )

    def true_landmarks(self, template: np.ndarray, pose: HeadPose, camera: Camera) -> np.ndarray:
        """True landmarks of a head, as the detector would give them.

        Args:
            template: (V, 3) the template in the head's shape, head frame, meters.
            pose: of the head.
            camera: that sees it.

        Returns:
            (478, 3) float32, photo frame, pixels, z as the detector's.
        """
        landmarks = pose.head_to_camera(self.heads.template.landmarks(template))
        depth = (landmarks[:, 2] - landmarks[:, 2].mean()) * camera.focal_px / landmarks[:, 2].mean()
        return np.column_stack([camera.project(landmarks), depth]).astype(np.float32)

    def detect(self, sample: Sample, thorough: bool) -> FaceLandmarks | None:
        """The detector's find that matches the true landmarks, if there is one."""
        size = np.ptp(sample.landmarks[:, :2], axis=0).max()
        for face in self.detector.detect(sample.picture, max_faces=1, thorough=thorough):
            if not thorough:  # landmarks of photos are always averaged with those of the mirror image
                face = self.detector.averaged(sample.picture, face) or face
            error = np.linalg.norm(face.points[:, :2] - sample.landmarks[:, :2], axis=1).mean() / size
            if error < MAX_DETECTION_ERROR:
                return face
        return None

    def sample(self, rng: np.random.Generator, thorough: float = THOROUGH) -> tuple[Sample | None, Sample]:
        """A random picture with its landmarks.

        Args:
            rng: random numbers.
            thorough: fraction of pictures on which the detector may search again when its first search fails.

        Returns:
            The sample with the detector's landmarks, or None where it fails, and the one with the true
            landmarks.
        """
        truth = self.picture(rng)
        face = self.detect(truth, rng.random() < thorough)
        return (replace(truth, landmarks=face.points) if face else None), truth
