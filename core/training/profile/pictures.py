"""Pictures of heads seen from the side, and of the backs of heads, with the true landmarks."""

from pathlib import Path

import numpy as np

from ...geometry.frames import HEAD_CENTER, Camera, HeadPose
from ..data.shards import write_shard
from ..paths import DataPaths
from ..synthesis.cameras import head_rotation, sample_assumed_focal, scene_at
from ..synthesis.degradations import degrade_picture
from ..synthesis.face_profiling import MAX_YAW
from ..synthesis.sample import PICTURE_SIZE, Sample, Scene
from ..synthesis.synthesizer import ImageSynthesizer, Mix
from ..synthesis.texture_library import Split

#: Samples in a shard.
SHARD_SIZE = 200
#: Fractions of the pictures: backs of heads, which are no faces; heads turned less than profiles are; and
#: portraits turned in 3D.
BACK_FRACTION = 0.1
FRONTAL_FRACTION = 0.1
PORTRAIT_FRACTION = 0.2
#: Fraction of the other heads without texture.
CLAY_FRACTION = 0.13
#: Yaw, degrees, from which a head counts as seen from the side; to which it is one; from which it is seen
#: from behind.
SIDE_YAW = 40.0
LAST_YAW = 105.0
BACK_YAW = 130.0
#: Detections whose landmarks lie, on average, further than this fraction of the face's size from the truth
#: are of something else.
MAX_LANDMARK_ERROR = 0.25


def has_face(sample: Sample) -> bool:
    """Whether a picture shows a face, and not the back of a head."""
    return abs(sample.scene.pose.angles[0]) < (LAST_YAW + BACK_YAW) / 2


class ProfilePictures:
    """Draws random pictures."""

    def __init__(self, paths: DataPaths, split: Split = "train") -> None:
        self._synthesizer = ImageSynthesizer(paths, split, Mix(clay=CLAY_FRACTION))

    def sample(self, rng: np.random.Generator) -> Sample:
        """A random picture; its landmarks are the true ones."""
        kind = rng.random()
        if kind < PORTRAIT_FRACTION:
            return self._portrait(rng)
        if kind < PORTRAIT_FRACTION + BACK_FRACTION:
            return self.back_view(rng)
        if kind < PORTRAIT_FRACTION + BACK_FRACTION + FRONTAL_FRACTION:
            return self.side_view(rng, 0.0, SIDE_YAW)
        return self.side_view(rng)

    def side_view(self, rng: np.random.Generator, least: float = SIDE_YAW, most: float = LAST_YAW) -> Sample:
        """A random rendered head from the side, its yaw between `least` and `most`, degrees; its landmarks
        are the true ones.
        """
        yaw = rng.choice([-1.0, 1.0]) * rng.uniform(least, most)
        return self._synthesizer.rendered(rng, lambda random: scene_at(random, yaw))

    def back_view(self, rng: np.random.Generator) -> Sample:
        """A random rendered head from behind."""
        return self.side_view(rng, BACK_YAW, 180.0)

    def _portrait(self, rng: np.random.Generator) -> Sample:
        """A portrait turned in 3D, before a camera like those of `PortraitViews.sample`."""
        yaw = rng.choice([-1.0, 1.0]) * rng.uniform(SIDE_YAW, MAX_YAW)
        views, split = self._synthesizer.views, self._synthesizer.split
        k = int(rng.choice(views.people(split)))
        pose, identity, expression = views.fitted(k)
        _, pitch, roll = pose.angles
        rotation = head_rotation(
            yaw, pitch + float(np.clip(rng.normal(0, 8), -20, 20)), roll + rng.normal(0, 6)
        )
        center = pose.head_to_camera(HEAD_CENTER)
        focal = rng.uniform(700, 950) * float(center[2])
        shift = (PICTURE_SIZE - 1) / 2 + rng.normal(0, 10, 2) - Camera(focal, 0.0, 0.0).project(center)
        camera = Camera(focal, float(shift[0]), float(shift[1]), "exif")
        turned = HeadPose(rotation, center - rotation @ HEAD_CENTER)
        rgb = degrade_picture(views.render(k, turned, camera), rng)
        heads = self._synthesizer.heads
        identity, expression = (np.asarray(w, np.float16) for w in (identity, expression))
        template = heads.template_of("ict", identity.astype(np.float32), expression.astype(np.float32))
        scene = Scene(camera, turned, sample_assumed_focal(rng, focal))
        landmarks = self._synthesizer.true_landmarks(template, turned, camera)
        return Sample(rgb, landmarks, "ict", identity, expression, scene, turned=True)


def make_shard(pictures: ProfilePictures, path: Path, seed: list[int], size: int = SHARD_SIZE) -> None:
    """Write a shard of random pictures.

    Args:
        pictures: what draws them.
        path: of the file.
        seed: of the random numbers.
        size: samples in it.
    """
    rng = np.random.default_rng(seed)
    write_shard(path, [pictures.sample(rng) for _ in range(size)])
