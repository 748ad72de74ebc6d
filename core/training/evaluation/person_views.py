"""Pictures of one synthetic person from several sides, to measure heads made of several photos."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...detection.landmarks import FaceLandmarks
from ...geometry.frames import HEAD_CENTER, Camera, HeadPose
from ...image.photo import Photo
from ..face_models.heads import ICT
from ..synthesis.appearance import DressedHead
from ..synthesis.cameras import head_rotation
from ..synthesis.render import draw
from ..synthesis.sample import Sample, Scene
from ..synthesis.synthesizer import ImageSynthesizer
from .ground_truth import TrueHeads
from .metrics import TrueHead

#: Side of the pictures, pixels.
PICTURE_SIZE = 512
#: Greatest yaw of the first view, and range of that of the others, degrees: one to each side in turn.
FRONT_YAW_DEG = 8.0
SIDE_YAW_DEG = (30.0, 60.0)
#: Standard deviations of pitch and roll, degrees.
PITCH_DEG = 6.0
ROLL_DEG = 4.0
#: Distances of the camera, meters, and scales, pixels a meter at one meter.
DISTANCES_M = (0.5, 2.0)
SCALES = (1000.0, 1300.0)
#: Strength of the random expressions.
EXPRESSION_STRENGTH = 0.5
#: Added to the seed of a person's looks.
LOOKS_SEED = 10**6


@dataclass(frozen=True)
class PersonPicture:
    """A picture with the truth behind it.

    Attributes:
        photo: The picture, with its focal length.
        face: What the detector found.
        camera: The true camera.
        pose: The true pose.
        vertices: (V, 3) float32, the template in the head's shape, with the picture's expression.
        truth: The head itself, with the points at which errors are measured.
    """

    photo: Photo
    face: FaceLandmarks
    camera: Camera
    pose: HeadPose
    vertices: np.ndarray
    truth: TrueHead


def people(
    synthesizer: ImageSynthesizer, seed: int, views: int = 3, clay: float = 0.0
) -> Iterator[list[PersonPicture]]:
    """One person after the other; those whose face is not found in a picture are passed over.

    Args:
        synthesizer: Makes the pictures, of people held out from training.
        seed: Of the first person.
        views: Pictures of each: the first from the front, then one from each side in turn.
        clay: Fraction of people without texture, as sculptures and scans are.
    """
    truths = TrueHeads(synthesizer.heads)
    while True:
        seed += 1
        rng = np.random.default_rng(seed)
        identity = rng.normal(size=len(synthesizer.heads.model.identity)).astype(np.float16)
        sides = [(1 - 2 * (k % 2)) * rng.uniform(*SIDE_YAW_DEG) for k in range(views - 1)]
        yaws = [rng.uniform(-FRONT_YAW_DEG, FRONT_YAW_DEG), *sides]
        is_clay = clay > 0 and rng.random() < clay
        pictures = _pictures(synthesizer, truths, identity, yaws, seed, rng, is_clay)
        if len(pictures) == views:
            yield pictures


def _pictures(
    synthesizer: ImageSynthesizer,
    truths: TrueHeads,
    identity: np.ndarray,
    yaws: Sequence[float],
    seed: int,
    rng: np.random.Generator,
    clay: bool,
) -> list[PersonPicture]:
    """Pictures of a person, up to the first in which no face is found."""
    made: list[PersonPicture] = []
    heads, drawn = synthesizer.heads, synthesizer.heads.drawn[ICT]
    middle = (PICTURE_SIZE - 1) / 2
    for yaw in yaws:
        expression = (heads.model.sample_expression(rng) * EXPRESSION_STRENGTH).astype(np.float16)
        vertices = heads.vertices(ICT, identity, expression)
        distance = float(np.exp(rng.uniform(*np.log(DISTANCES_M))))
        camera = Camera(rng.uniform(*SCALES) * distance, middle, middle, "exif")
        rotation = head_rotation(yaw, rng.normal(0, PITCH_DEG), rng.normal(0, ROLL_DEG))
        pose = HeadPose(rotation, np.array([0, 0, distance]) - rotation @ HEAD_CENTER)
        buffers = draw(
            pose.head_to_camera(vertices), drawn.triangles, drawn.corner_uv, drawn.part, camera, PICTURE_SIZE
        )
        # The same looks, clothes and light in all pictures: it is one day.
        rgb = synthesizer.appearance.picture(
            np.random.default_rng(seed + LOOKS_SEED),
            buffers,
            camera,
            synthesizer.eye_parts,
            synthesizer.split,
            dressed=DressedHead(vertices, pose, synthesizer.skin(ICT)),
            flawed=False,
            clay=clay,
        )
        template = heads.template_vertices(ICT, vertices)
        scene = Scene(camera, pose, camera.focal_px)
        true = synthesizer.true_landmarks(template, pose, camera)
        sample = Sample(rgb, true, ICT, identity, expression, scene)
        face = synthesizer.detect(sample, thorough=True)
        if face is None:
            break
        focal = camera.focal_mm(PICTURE_SIZE, PICTURE_SIZE)
        name = f"person-{seed}-{len(made) + 1}.png"
        made.append(
            PersonPicture(
                Photo.from_array(rgb, name, focal_mm35=focal),
                face,
                camera,
                pose,
                template,
                truths.of(sample, np.random.default_rng(seed)),
            )
        )
    return made
