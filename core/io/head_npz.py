"""head.npz: the wrapped head as Blender's side takes it over; numpy's format, readable without the engine.

Arrays, all in the head frame, meters, V vertices, the template's first, in its order:

* `neutral`, `photo` (V, 3) float32; `units` (52, V, 3) float16 offsets from the neutral; `expression` (52,)
  float32; `confidence`, `deviation` (V,) float32; `unit_names` (52,) str.
* `quads` (F, 4) int32; `uv` (U, 2) float32, v up; `quad_uv` (F, 4) int32; `face_material` (F,) int8 into
  `material_names`; `face_part` (F,) int8 into `part_names`; `landmark` (478,) and `ibug68` (68,) int32
  vertices.
* `uv_names` (2,) str, the names of this UV map and of a second one: `second_uv` (W, 2) float32 and
  `second_quad_uv` (F, 4) int32.
* `viseme_names` (15,) str and `viseme_weights` (15, 52) float32: each viseme, composed from the units.
* Where the head has a rig of B bones: `bone_names` (B,) str; `bone_parents` (B,) int32, -1 for the root;
  `bone_heads`, `bone_tails` (B, 3) float32; `bone_joints` (V, 4) uint8, the bones that move each vertex;
  `bone_weights` (V, 4) float32, how much; `jaw_open_deg` float32, how far the jaw turns for jawOpen 1.
* Where there are levels of detail, from `lod_corners_1` on: (T, 3) uint16, each corner of a triangle as a
  corner of the quads, 4 q + c, and `lod_part_1` (T,) int8 into `part_names`. Of the K vertices that these
  corners name, in ascending order, `lod_stencil_1` (K, N) uint16 and `lod_stencil_weights_1` (K, N) float16
  say where they are in the level, in each shape: x_k + sum of w_j (x_j - x_k).
* Where it was corrected by hand: `base_neutral`, `base_photo`, `base_units`, `base_expression`, the same as
  the photo alone has them; face.json has the corrections.
* `provenance`: a JSON text: what the head was made of and by what.
"""

import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..template.lods import DetailTopology
from ..template.topology import CORNEAS, EYES, INNER, LASHES, SKIN, TEARS, TEETH_AND_TONGUE
from ..wrapping.visemes import VISEME_NAMES, viseme_weights

if TYPE_CHECKING:
    from ..wrapping.adjuster import BaseHead
    from ..wrapping.head import Head
    from ..wrapping.skeleton import Rig

FILE_NAME = "head.npz"
FORMAT_VERSION = 1
#: Materials and the parts that have them.
MATERIALS = {
    "skin": (SKIN,),
    "eyes": EYES,
    "mouth": (*TEETH_AND_TONGUE, INNER),
    "lashes": (LASHES,),
    "cornea": CORNEAS,
    "tears": TEARS,
}
#: Name of the shape that has the expression of the photo.
PHOTO = "Photo"


def head_npz_bytes(
    head: "Head",
    provenance: dict[str, Any],
    levels: Sequence[DetailTopology] = (),
    base: "BaseHead | None" = None,
) -> bytes:
    """The head as an .npz file; not compressed, as that would take longer than everything else.

    Args:
        head: The head.
        provenance: What the head was made of and by what.
        levels: Levels of detail of the head's topology, the finest first.
        base: The head before it was corrected by hand, if it was.

    Returns:
        The file.
    """
    topology = head.topology
    material = np.zeros(len(topology.quads), np.int8)
    for index, parts in enumerate(MATERIALS.values()):
        material[topology.faces_of(*parts)] = index
    buffer = io.BytesIO()
    np.savez(
        buffer,
        format_version=np.int32(FORMAT_VERSION),
        neutral=head.neutral.astype(np.float32),
        photo=head.vertices.astype(np.float32),
        units=head.blendshapes.astype(np.float16),
        expression=head.expression.astype(np.float32),
        confidence=head.confidence.astype(np.float32),
        deviation=head.deviation.astype(np.float32),
        unit_names=np.array(topology.blendshape_names),
        quads=topology.quads.astype(np.int32),
        uv=topology.uv.astype(np.float32),
        quad_uv=topology.quad_uv.astype(np.int32),
        uv_names=np.array(topology.uv_names),
        second_uv=topology.second_uv.astype(np.float32),
        second_quad_uv=topology.second_quad_uv.astype(np.int32),
        face_material=material,
        material_names=np.array(list(MATERIALS)),
        face_part=topology.face_part.astype(np.int8),
        part_names=np.array(topology.part_names),
        landmark=topology.landmark.astype(np.int32),
        ibug68=topology.ibug68.astype(np.int32),
        viseme_names=np.array(VISEME_NAMES),
        viseme_weights=viseme_weights(topology.blendshape_names),
        **(_rig_arrays(head.rig) if head.rig else {}),
        **(_base_arrays(base) if base else {}),
        **_level_arrays(levels),
        provenance=np.array(json.dumps(provenance, allow_nan=False)),
    )
    return buffer.getvalue()


def _rig_arrays(rig: "Rig") -> dict[str, np.ndarray]:
    return {
        "bone_names": np.array(rig.names),
        "bone_parents": rig.parents.astype(np.int32),
        "bone_heads": rig.heads.astype(np.float32),
        "bone_tails": rig.tails.astype(np.float32),
        "bone_joints": rig.joints.astype(np.uint8),
        "bone_weights": rig.weights.astype(np.float32),
        "jaw_open_deg": np.array(rig.jaw_open_deg, np.float32),
    }


def _base_arrays(base: "BaseHead") -> dict[str, np.ndarray]:
    return {
        "base_neutral": base.neutral.astype(np.float32),
        "base_photo": base.photo.astype(np.float32),
        "base_units": base.blendshapes.astype(np.float16),
        "base_expression": base.expression.astype(np.float32),
    }


def _level_arrays(levels: Sequence[DetailTopology]) -> dict[str, np.ndarray]:
    numbered = list(enumerate(levels, 1))
    return {
        **{f"lod_corners_{k}": level.corners.astype(np.uint16) for k, level in numbered},
        **{f"lod_part_{k}": level.part.astype(np.int8) for k, level in numbered},
        **{f"lod_stencil_{k}": level.stencil.astype(np.uint16) for k, level in numbered},
        **{f"lod_stencil_weights_{k}": level.stencil_weights.astype(np.float16) for k, level in numbered},
    }
