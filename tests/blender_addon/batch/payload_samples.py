"""What travels between a batch and a cluster, small, to be damaged."""

from blender_addon.batch.local_processor import KeptHead, PhotoTask, StepOutcome
from blender_addon.batch.payload import ClusterTask, HeadResult, TaskResult
from blender_addon.batch.plan import BatchPlan, StepPlan

PLAN = BatchPlan(85.0, 3, {"head": True}, (StepPlan("preview", {"size": 64}, ("surface",), late=False),))
KEPT = KeptHead("/out/a", ("preview",), ("surface.ply",), {"render": ["x/y.png"]}, ("preview.png",))
TASK = PhotoTask("/photos/a.jpg", PLAN, True, (KEPT,), 3.0, 4.0)
PACKED = ClusterTask(
    TASK, "a.jpg", b"photo", (("a", {"face.json": b"{}", "surface.ply": b""}),), {"Photobust": "1"}, "r", "i"
)
STEP = StepOutcome(["preview.png", "turntable/0.png"], {"a": [1]}, 0.5, None, None)
FILES = {"face.json": b"{}", "preview.png": b"1", "turntable/0.png": b"22"}
RESULT = TaskResult([HeadResult("head-1", {"preview": STEP}, {"vertices": 3}, FILES)], {"network": 1.5}, 2)
FAILED = TaskResult(failed=("NoFaceError", "none", 1), broken="it is broken")
