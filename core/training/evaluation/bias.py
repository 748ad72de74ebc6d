"""Whether heads of some groups of people are worse than those of others: by skin tone, sex and age.

No scans of many people are at hand whose license allows their use, so two figures stand in for their errors:

* synthetic heads: the same heads, cameras and lights are drawn with the skins of each group, and measured.
  The shapes are the same for all; what differs is what the picture shows.
* agreement: a portrait and versions of it that show the same person (mirrored, cropped, recompressed) are
  lifted; by how much these differ is error, whatever the true head is.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from ...detection.detector import FaceDetector
from ...errors import PhotobustError
from ...geometry.pose import umeyama
from ...geometry.reflection import mirrored_picture
from ...image.photo import Photo
from ...lifting.lifter import LandmarkLifter
from ...reconstructor.inputs import camera_of
from ...template.symmetry import Mirror
from ..synthesis.sample import Sample
from ..synthesis.synthesizer import ImageSynthesizer
from .evaluate import EvaluationRecord

#: Ages, years, at which a group ends and the next begins.
AGES = (30, 50)
#: Individual typology angles, degrees, that divide light from tan from dark skin: the limits of the classes
#: "intermediate" and "tan" of S. Del Bino, F. Bernerd, "Variations in skin colour and the biological
#: consequences of ultraviolet radiation exposure", British Journal of Dermatology 2013.
TONE_ANGLES_DEG = (10.0, 28.0)
#: Box in the texture atlas, fractions from its top and left, whose median is the skin's color: brows to chin.
ATLAS_FACE_ROWS = (0.2, 0.52)
ATLAS_FACE_COLUMNS = (0.27, 0.73)
#: Margin around the face of a cropped portrait, relative to the extent of its landmarks.
CROP_MARGIN = 0.45
#: Quality of a recompressed portrait's JPEG, and its size relative to the original.
JPEG_QUALITY = 40
JPEG_SCALE = 0.6
#: What a portrait is compared with.
VERSIONS = ("mirrored", "cropped", "recompressed")


@dataclass(frozen=True)
class Person:
    """Somebody whose portrait is among the data.

    Attributes:
        name: Of the portrait.
        sex: "female" or "male", as the data says.
        age: Years.
        tone_deg: Individual typology angle of the skin, degrees: the greater the lighter.
    """

    name: str
    sex: str
    age: int
    tone_deg: float

    @property
    def groups(self) -> tuple[str, str, str]:
        """The groups that the person belongs to, of `GROUPS`."""
        age = GROUPS[2 + int(np.searchsorted(AGES, self.age, side="right"))]
        tone = GROUPS[5 + int(np.searchsorted(TONE_ANGLES_DEG, self.tone_deg, side="right"))]
        return GROUPS[0 if self.sex == "female" else 1], age, tone


#: Groups of people.
GROUPS = ("female", "male", "under 30", "30 to 49", "50 and over", "dark skin", "tan skin", "light skin")


def typology_angle(rgb: np.ndarray) -> float:
    """Individual typology angle of a skin color (A. Chardon et al., 1991).

    Args:
        rgb: (3,) sRGB, 0..1.

    Returns:
        Degrees, from about 60 (very light) to -60 (dark).
    """
    from skimage.color import rgb2lab

    lightness, _, yellow = rgb2lab(np.asarray(rgb, np.float64)[None])[0]
    return float(np.degrees(np.arctan2(lightness - 50, yellow)))


def read_people(portraits: Path, names: Sequence[str], textures: np.ndarray) -> list[Person]:
    """The people of a texture library.

    Args:
        portraits: Folder with people.json.
        names: Of the portraits, N.
        textures: (N, S, S, 3) uint8 sRGB, in the atlas.

    Raises:
        PhotobustError: people.json is missing or lacks somebody.
    """
    try:
        known = json.loads((portraits / "people.json").read_text())
        found = [known[name] for name in names]
    except (OSError, ValueError, KeyError) as error:
        raise PhotobustError(f"{portraits / 'people.json'} does not name everybody: {error}") from error
    size = textures.shape[1]
    (top, bottom), (left, right) = (
        (int(low * size), int(high * size)) for low, high in (ATLAS_FACE_ROWS, ATLAS_FACE_COLUMNS)
    )
    colors = [np.median(texture[top:bottom, left:right].reshape(-1, 3), axis=0) / 255 for texture in textures]
    return [
        Person(name, str(person["sex"]), int(person["age"]), typology_angle(color))
        for name, person, color in zip(names, found, colors, strict=True)
    ]


def members(people: Sequence[Person], group: str) -> np.ndarray:
    """(N,) bool: who of the people belongs to a group."""
    return np.array([group in person.groups for person in people])


def group_samples(
    synthesizer: ImageSynthesizer, groups: Mapping[str, np.ndarray], count: int, seed: int = 0
) -> Iterator[dict[str, Sample]]:
    """Pictures of the same synthetic heads with the skins of each group's people.

    Args:
        synthesizer: Of the held-out split.
        groups: Name -> (N,) bool, those of its texture library whose skins are used.
        count: Heads.
        seed: Of the first head.

    Yields:
        For each head that is found with all skins, its picture with each group's.
    """
    everybody = synthesizer.appearance
    try:
        for index in range(count):
            samples: dict[str, Sample] = {}
            for group, some in groups.items():
                textures = replace(everybody.textures, held_out=some)
                synthesizer.appearance = replace(everybody, textures=textures)
                sample, _ = synthesizer.sample(np.random.default_rng((seed, index)))
                if sample is None or sample.turned:
                    break
                samples[group] = sample
            if len(samples) == len(groups):
                yield samples
    finally:
        synthesizer.appearance = everybody


def portrait_versions(photo: Photo, points: np.ndarray) -> dict[str, Photo]:
    """The same person's face in other pictures.

    Args:
        photo: The portrait.
        points: (478, 3) landmarks, photo frame, pixels.

    Returns:
        A photo for each of `VERSIONS`.
    """
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    margin = (high - low).max() * CROP_MARGIN
    left, top = np.maximum(low - margin, 0).astype(int)
    right, bottom = np.minimum(high + margin, [photo.width, photo.height]).astype(int)
    small = cv2.resize(photo.rgb, None, fx=JPEG_SCALE, fy=JPEG_SCALE, interpolation=cv2.INTER_AREA)
    coded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    pictures = {
        "mirrored": mirrored_picture(photo.rgb),
        "cropped": photo.rgb[top:bottom, left:right],
        "recompressed": cv2.imdecode(coded, cv2.IMREAD_COLOR),
    }
    return {name: Photo.from_array(rgb, f"{photo.name}, {name}") for name, rgb in pictures.items()}


def lifted_landmarks(photo: Photo, detector: FaceDetector, lifter: LandmarkLifter) -> np.ndarray | None:
    """The landmarks of the largest face's head prior, None where none is found.

    Args:
        photo: The picture.
        detector: Finds the face.
        lifter: Lifts it.

    Returns:
        (478, 3) head frame, meters.
    """
    faces = detector.detect(photo.rgb, max_faces=1)
    return lifter.lift(faces[0], camera_of(photo, None), photo.rgb).landmarks if faces else None


def disagreements(
    photo: Photo, detector: FaceDetector, lifter: LandmarkLifter, mirror: Mirror
) -> Mapping[str, float] | None:
    """How much the head of a portrait differs from those of its versions.

    Args:
        photo: The portrait.
        detector: Finds the faces.
        lifter: Lifts them.
        mirror: Symmetry of the landmarks.

    Returns:
        Mean distance of the landmarks after a similarity, mm, for each of `VERSIONS`, NaN where no face is
        found; None where the portrait itself has none.
    """
    faces = detector.detect(photo.rgb, max_faces=1)
    if not faces:
        return None
    own = lifter.lift(faces[0], camera_of(photo, None), photo.rgb).landmarks
    found: dict[str, float] = {}
    for name, version in portrait_versions(photo, faces[0].points).items():
        other = lifted_landmarks(version, detector, lifter)
        if other is None:
            found[name] = float("nan")
            continue
        if name == "mirrored":
            other = mirror.points(other, 1.0)
        scale, rotation, offset = umeyama(other, own)
        found[name] = float(np.linalg.norm(scale * other @ rotation.T + offset - own, axis=1).mean() * 1000)
    return found


def group_table(records: Mapping[str, tuple[int, Sequence[EvaluationRecord]]]) -> str:
    """Errors of synthetic heads by group, as a markdown table.

    Args:
        records: Of each group its number of people, and what each method made of each head.
    """
    lines = ["| skins of | people | method | heads | median, mm, aligned | normals, ° | 68 landmarks, % |"]
    lines.append("|---" * 7 + "|")
    for group, (people, some) in records.items():
        for method in dict.fromkeys(record.method for record in some):
            own = [r for r in some if r.method == method and not r.failed]
            figures = [np.mean([r.figures[name] for r in own]) for name in ("median", "normal", "nme")]
            cells = [group, str(people), method, str(len(own)), *(f"{figure:.2f}" for figure in figures)]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def agreement_table(found: Mapping[Person, Mapping[str, float] | None]) -> str:
    """How much portraits differ from their versions, by group, as a markdown table.

    Args:
        found: Of each person, what `disagreements` found.
    """
    lines = ["| portraits of | people | no face | " + " | ".join(VERSIONS) + " |", "|---" * 6 + "|"]
    for group in GROUPS:
        own = [values for person, values in found.items() if group in person.groups]
        known = [values for values in own if values is not None]
        missed = len(own) - len(known)
        means = [np.nanmean([values[name] for values in known]) for name in VERSIONS] if known else []
        cells = [group, str(len(own)), str(missed), *(f"{mean:.2f}" for mean in means)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
