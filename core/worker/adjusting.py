"""Previews of corrected heads: quick, from a result's folder alone, beside whatever else the worker does."""

import io
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from ..errors import ModelError, OutputError, RequestError
from ..geometry.frames import Camera, HeadPose
from ..runtime.backend import choose_backend
from ..runtime.regular_file import read_regular
from ..runtime.weights import models_folder, verify_models
from .params import MOST_PHOTOS, Params, is_path, is_whole

if TYPE_CHECKING:
    from ..segmentation.segmenter import Segmenter
    from ..wrapping.adjuster import BaseHead, HeadAdjuster
    from ..wrapping.adjustments import Adjustments
    from ..wrapping.pin_solver import PinView

#: Results whose heads are kept in memory, 7 MB each.
MAX_KEPT = 4
#: Larger files are none of the engine's, bytes.
MAX_HEAD_BYTES = 200_000_000
MAX_DOCUMENT_BYTES = 20_000_000
#: Meters from the origin within which a head lies.
MAX_COORDINATE = 10.0
#: Meters from the camera within which a head lies, however long the lens.
MAX_DISTANCE = 1e5
#: Pixels within which focal lengths and principal points lie.
MAX_PIXELS = 1e8
#: Shortest focal length of a photo that a face can be found in, pixels.
MIN_FOCAL_PX = 1.0
#: Pixels from its place in the photo within which a pin is met.
MAX_MET_ERROR = 1.0
#: Standard deviations that an expression has of a kind.
MAX_COEFFICIENT = 100.0


class DamagedHeadError(ValueError):
    """A head in a folder cannot be corrected; the message says what is wrong with its files."""


@dataclass(frozen=True)
class SavedHead:
    """A head in a result's folder.

    Attributes:
        base: As the photo alone has it.
        camera: Of the photo.
        neutral: (V, 3) as it is in the folder, head frame, meters.
        photo: (V, 3) the same, as photographed.
        adjustments: What was corrected to make that of the base.
        sizes: Width and height of the photos, pixels, by the names of further ones; the main one's under "".
        name: Of the main photo; empty if nobody knows.
    """

    base: "BaseHead"
    camera: Camera
    neutral: np.ndarray
    photo: np.ndarray
    adjustments: "Adjustments"
    sizes: Mapping[str, tuple[int, int]]
    name: str = ""


class AdjustJobs:
    """Does requests to adjust. Has its own state, so that it can run on a thread of its own."""

    def __init__(self, backend: str | None = None) -> None:
        """`backend`: see `core.runtime.backend.choose_backend`."""
        self._backend = backend
        self._kept: dict[tuple[object, ...], SavedHead] = {}

    @cached_property
    def _models(self) -> Path:
        """The folder of the models, which are this version's. Raises ModelError."""
        folder = models_folder()
        verify_models(folder, choose_backend(folder, self._backend))
        return folder

    @cached_property
    def _adjuster(self) -> "HeadAdjuster":
        from ..wrapping.adjuster import HeadAdjuster

        return HeadAdjuster.from_pretrained(self._models)

    @cached_property
    def _expressions(self) -> np.ndarray:
        """(J, V, 3) float64, meters by the coefficients of further photos' expressions."""
        from ..lifting.shape_model import FaceShapeModel

        model = FaceShapeModel.from_pretrained(self._models)
        template = np.tensordot(model.expression, model.components, 1)
        return template[:, self._adjuster.solver.topology.origin]

    @cached_property
    def _segmenter(self) -> "Segmenter":
        from ..segmentation.segmenter import Segmenter

        return Segmenter.from_pretrained(self._models, self._backend)

    def adjust(self, params: Params) -> dict[str, Any]:
        """Correct the head of a result's folder, and write its vertices into the .npz file `out`.

        The file has `neutral` and `photo`, (V, 3) float32, head frame, meters, and `expression` (52,). With
        `view`, the name of a further photo of the person, it has `view`, too, the head as in that photo. With
        `segment`, the answer says what a pixel of the photo belongs to (`_segment`).
        """
        from ..io.writer import write_atomically
        from ..wrapping.adjustments import Adjustments

        folder, out, view = params.get("folder"), params.get("out"), params.get("view") or ""
        if not is_path(folder) or not (out is None or is_path(out)):
            raise RequestError('"folder" has to name a folder, and "out" a file, or to be null')
        adjustments = Adjustments.parse(params.get("adjustments") or {})
        saved = self._saved(Path(folder))
        if not isinstance(view, str) or (view and view not in saved.base.further):
            raise RequestError('"view" has to be the name of a further photo that the head is made of')
        adjustments = adjustments.named_for(saved.name, saved.base.further)
        for name, size in saved.sizes.items():
            adjustments.check_inside(*size, name or "the photo", name)
        answer: dict[str, Any] = {
            "pins": [
                {"name": pin.name, "group": pin.group, "vertex": pin.vertex}
                for pin in self._adjuster.solver.pins.values()
            ]
        }
        if unused := adjustments.unused(saved.base.further):
            answer["unused_corrections"] = unused
        if params.get("segment") is not None:
            answer["segment"] = self._segment(saved, params["segment"], view)
        made = self._moved(saved, adjustments)
        answer["errors_px"] = {name: round(error, 3) for name, error in made["errors_px"].items()}
        answer["pose"] = made["pose"].document()
        answer["further_poses"] = {name: view.pose.document() for name, view in made["further"].items()}
        if out is not None:
            path = Path(out)
            arrays = {name: made[name].astype(np.float32) for name in ("neutral", "photo", "expression")}
            if view:
                arrays["view"] = made["further"][view].photo.astype(np.float32)
            archive = io.BytesIO()
            np.savez(archive, **arrays)  # type: ignore[arg-type]
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, archive.getvalue())
            except OSError as error:
                raise OutputError(f"{path} cannot be written ({error.strerror or error})") from error
            answer["file"] = str(path)
        return answer

    def _segment(self, saved: SavedHead, asked: object, view: str) -> dict[str, Any]:
        """What a pixel of a photo belongs to, and the runs of a mask's rows that it fills.

        `asked` is {"photo": path, "x": pixels, "y": pixels, "mask": [width, height]}; the answer {"class":
        "headwear", "runs": [[row, first column, column behind the last], ...]}.
        """
        from ..image.photo import load_photo
        from ..wrapping.adjustments import MAX_COORDINATE as MAX_PHOTO_COORDINATE
        from ..wrapping.adjustments import is_finite
        from ..wrapping.ignored import segment_at

        values = asked if isinstance(asked, dict) else {}
        photo, size = values.get("photo"), values.get("mask")
        x, y = values.get("x"), values.get("y")
        if (
            x is None
            or y is None
            or not (is_path(photo) and is_mask_size(size))
            or not all(is_finite(value) and abs(value) <= MAX_PHOTO_COORDINATE for value in (x, y))
        ):
            raise RequestError('"segment" has to have a "photo", "x" and "y", and the size of a "mask"')
        picture = load_photo(photo)
        camera, pose = saved.camera, saved.base.pose
        if view:
            camera, pose = saved.base.further[view].camera, saved.base.further[view].pose
        segmentation = self._segmenter.segment(picture.rgb, camera, pose)
        kind, mask = segment_at(segmentation, x, y, (picture.width, picture.height), (size[0], size[1]))
        steps = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
        (rows, starts), (_, ends) = np.nonzero(steps == 1), np.nonzero(steps == -1)
        return {"class": kind.name.lower(), "runs": np.column_stack([rows, starts, ends]).tolist()}

    def _moved(self, saved: SavedHead, adjustments: "Adjustments") -> dict[str, Any]:
        """The saved head as corrections have it, by what they differ in from those it was made with."""
        from ..wrapping.pin_solver import PinScene, PinView

        adjuster, camera = self._adjuster, saved.camera
        wanted = adjuster.preview(saved.base, camera, adjustments)
        made: dict[str, Any] = {
            "neutral": wanted.neutral,
            "photo": wanted.photo,
            "expression": saved.base.expression + wanted.solved.expression,
            "pose": wanted.solved.pose,
            "errors_px": wanted.solved.errors_px,
            "further": wanted.further,
        }
        if saved.adjustments:
            before = adjuster.preview(saved.base, camera, saved.adjustments)
            neutral = saved.neutral + (wanted.neutral - before.neutral)
            photo = saved.photo + (wanted.photo - before.photo)
            # What has been repaired of the saved head since has moved points a little. Pins that are out of
            # reach stay so: from here, each would be moved by as much again.
            main = PinView(photo, camera, wanted.solved.pose)
            further = {
                name: replace(view, photo=photo + (view.photo - wanted.photo))
                for name, view in wanted.further.items()
            }
            scene = PinScene(main, saved.base.blendshapes, saved.base.expression, further)
            met = {name for name, error in wanted.solved.errors_px.items() if error <= MAX_MET_ERROR}
            exact = adjuster.solver.solve(
                scene, [pin for pin in adjustments.pins if pin.name in met and pin.corrects != "pose"]
            )
            made |= {"neutral": neutral + exact.offset, "photo": photo + exact.photo_offset}
            made["errors_px"] |= exact.errors_px
            made["further"] = exact.further
        return made

    def _saved(self, folder: Path) -> SavedHead:
        """The head of a folder; read again only if it has changed."""
        try:
            status = [(folder / name).stat() for name in ("head.npz", "face.json")]
        except OSError as error:
            raise RequestError(
                f"The folder {folder.name} has no head that could be adjusted ({error.strerror}): "
                "reconstruct the photo again"
            ) from error
        key = (str(folder), *((file.st_mtime_ns, file.st_size) for file in status))
        if key not in self._kept:
            while len(self._kept) >= MAX_KEPT:
                del self._kept[next(iter(self._kept))]
            vertices = self._vertices
            try:
                self._kept[key] = read_saved(folder, vertices, lambda: self._expressions)
            except (ModelError, MemoryError):  # neither says anything of the files
                raise
            except (
                Exception
            ) as error:  # zip files, JSON and numpy's headers can be damaged in all kinds of ways
                raise RequestError(
                    f"The head in the folder {folder.name} is damaged, or another program's"
                    f" ({reason(error)}): reconstruct the photo again"
                ) from error
        return self._kept[key]

    @property
    def _vertices(self) -> int:
        return len(self._adjuster.solver.topology.vertices)


def is_mask_size(value: object) -> TypeGuard[list[int]]:
    """Whether a JSON value can be the width and height of a mask."""
    from ..wrapping.adjustments import MAX_MASK_SIDE

    return (
        isinstance(value, list)
        and len(value) == 2
        and all(is_whole(side) and 1 <= side <= MAX_MASK_SIDE for side in value)
    )


def read_saved(folder: Path, vertices: int, expressions: Callable[[], np.ndarray]) -> SavedHead:
    """Read the head of a result's folder.

    Args:
        folder: With head.npz and face.json, which may come from anybody.
        vertices: How many the template has.
        expressions: Gives (J, V, 3) float64, meters by the coefficients of further photos' expressions; only
            asked for the head of several photos.

    Raises:
        ModelError: A model is missing or damaged.
        Exception: It is none that can be corrected; of any kind, since archives and JSON can be damaged in
            many ways.
    """
    from ..wrapping.adjuster import BaseHead
    from ..wrapping.adjustments import Adjustments

    document = json.loads(read_regular(folder / "face.json", MAX_DOCUMENT_BYTES).decode("utf-8"))
    if not isinstance(document, dict):
        raise DamagedHeadError("face.json is no JSON object")
    shape = {
        "neutral": (vertices, 3),
        "photo": (vertices, 3),
        "units": (52, vertices, 3),
        "expression": (52,),
    }
    with zipfile.ZipFile(io.BytesIO(read_regular(folder / "head.npz", MAX_HEAD_BYTES))) as archive:
        if sum(member.file_size for member in archive.infolist()) > MAX_HEAD_BYTES:
            raise DamagedHeadError("its arrays are too large")
        prefix = "base_" if "base_photo.npy" in archive.namelist() else ""
        base = {name: _array(archive, prefix + name, size) for name, size in shape.items()}
        neutral, photo = (_array(archive, name, (vertices, 3)) for name in ("neutral", "photo"))
    adjusted = document.get("adjustments") or {}
    camera, pose = _camera_and_pose(document["camera"], adjusted.get("base_pose") or document["pose"])
    views = with_base_poses(document.get("views"), adjusted.get("base_poses"))
    further = further_views(views, base["photo"], expressions)
    sizes = {"": size_of(document["input"])} if "input" in document else {}
    sizes |= {view["name"]: size_of(view) for view in main_and_further(views)[1]}
    head = BaseHead(base["neutral"], base["photo"], base["units"], base["expression"], pose, further)
    made_with = Adjustments.parse({**adjusted, "ignored_png": None}) if adjusted else Adjustments()
    main = document["input"].get("name") if "input" in document else None
    name = main if isinstance(main, str) else ""
    return SavedHead(head, camera, neutral, photo, made_with.named_for(name, further), sizes, name)


def size_of(about: dict[str, Any]) -> tuple[int, int]:
    """Width and height of a photo, as face.json has them. Raises ValueError, KeyError or TypeError."""
    width, height = about["width"], about["height"]
    if not all(is_whole(side) and 1 <= side <= MAX_PIXELS for side in (width, height)):
        raise DamagedHeadError("the photo has an impossible size")
    return width, height


def with_base_poses(views: object, poses: object) -> list[dict[str, Any]]:
    """The views of face.json, those whose pose was corrected with that from before.

    Raises:
        DamagedHeadError: They are more than a head is made of, or have no names.
    """
    base = poses if isinstance(poses, dict) else {}
    found = views if isinstance(views, list) else []
    if len(found) > MOST_PHOTOS:
        raise DamagedHeadError(f"it has {len(found)} photos, and a head is made of {MOST_PHOTOS} at most")
    if not all(isinstance(view, dict) and isinstance(view.get("name"), str) for view in found):
        raise DamagedHeadError("its photos have no names")
    return [{**view, "pose": base[view["name"]]} if view["name"] in base else view for view in found]


def main_and_further(views: Sequence[dict[str, Any]]) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """Which views of face.json show the head.

    Args:
        views: All of them, which may come from anybody.

    Returns:
        The main one, None if there is not just one; and beside it the further ones that corrections can name:
        of several of one name, none.

    Raises:
        KeyError: They are no views.
    """
    from ..lifting.person import USED
    from ..wrapping.adjustments import without_repeated

    used = [view for view in views if view["verdict"] == USED]
    main = [view for view in used if view["main"] is True]
    if len(main) != 1:
        return None, []
    further = [view for view in used if view is not main[0]]
    names = without_repeated(view["name"] for view in further)
    return main[0], [view for view in further if view["name"] in names]


def further_views(
    views: Sequence[dict[str, Any]], photo: np.ndarray, expressions: Callable[[], np.ndarray]
) -> "dict[str, PinView]":
    """The head in further photos of a person.

    Args:
        views: Of face.json, which may come from anybody, with the poses from before corrections.
        photo: (V, 3) the head as photographed in the main photo, head frame, meters.
        expressions: See `read_saved`.

    Returns:
        By the photos' names, see `main_and_further`.

    Raises:
        ValueError: They are none.
        KeyError: The same.
        TypeError: The same.
        AttributeError: The same.
    """
    from ..wrapping.pin_solver import PinView

    main, further = main_and_further(views)
    if main is None or not further:
        return {}
    basis = expressions()
    own = _floats(np.array(main["expression"], float), (len(basis),), MAX_COEFFICIENT)
    found = {}
    for view in further:
        other = _floats(np.array(view["expression"], float), (len(basis),), MAX_COEFFICIENT)
        camera, pose = _camera_and_pose(view["camera"], view["pose"])
        found[view["name"]] = PinView(photo + np.tensordot(other - own, basis, 1), camera, pose)
    return found


def _camera_and_pose(camera: dict[str, Any], pose: dict[str, Any]) -> tuple[Camera, HeadPose]:
    """Of a photo, as face.json has them. Raises ValueError, KeyError or TypeError if they are impossible."""
    rotation = _floats(np.array(pose["rotation_head_to_camera"], float), (3, 3))
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-3:  # six digits in the file
        raise DamagedHeadError("the pose is no rotation")
    focal, (cx, cy) = float(camera["focal_length_px"]), camera["principal_point_px"]
    translation = np.array(pose["translation_m"], float)
    if translation.shape != (3,) or not np.abs(translation).max() <= MAX_DISTANCE:  # false for NaN, too
        raise DamagedHeadError("the pose is impossible")
    if not focal >= MIN_FOCAL_PX or not np.abs(np.array([focal, cx, cy], float)).max() <= MAX_PIXELS:
        raise DamagedHeadError("the camera is impossible")
    return Camera(focal, float(cx), float(cy)), HeadPose(rotation, translation)


def _array(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """An array of an .npz file as numbers of a head; its header is checked before memory is asked for."""
    if f"{name}.npy" not in archive.namelist():
        raise DamagedHeadError(f"it has no {name}")
    with archive.open(f"{name}.npy") as file:
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise DamagedHeadError(f"{name} is of another version of numpy")
        found, _, dtype = read_header(file)
    if found != shape or dtype.kind != "f":
        raise DamagedHeadError(f"{name} is {dtype} {found} instead of floating point {shape}")
    with archive.open(f"{name}.npy") as file:
        return _floats(np.lib.format.read_array(file, allow_pickle=False), shape)


def reason(error: Exception) -> str:
    """What an error says of a damaged file, in a form that fits into a sentence."""
    if isinstance(error, (DamagedHeadError, RequestError)):
        return str(error)
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]}" if error.args else "a part is missing"
    if isinstance(error, RecursionError):
        return "face.json is nested too deeply"
    if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)):
        return "face.json is no JSON"
    if isinstance(error, (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)):
        return "head.npz is no intact archive"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    # What Python and numpy say of wrong types helps nobody who has only a file.
    return "a part of it is of the wrong kind"


def _floats(array: np.ndarray, shape: tuple[int, ...], limit: float = MAX_COORDINATE) -> np.ndarray:
    """The array as numbers of a head. Raises ValueError if it is not that."""
    if array.shape != shape or array.dtype.kind != "f":
        raise DamagedHeadError(f"an array of {array.shape} instead of {shape}")
    numbers = array.astype(np.float64)
    if not np.isfinite(numbers).all() or np.abs(numbers).max() > limit:
        raise DamagedHeadError("numbers that are too large")
    return numbers
