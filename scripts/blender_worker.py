"""The batch's studio inside a Blender: `blender -b --factory-startup -P scripts/blender_worker.py`.

Not for people: `scripts/batch.py` starts it and talks to it. With the bpy module, `python -m
blender_addon.blender_worker` is the same.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from blender_addon.blender_worker.__main__ import main

if __name__ == "__main__":
    main()
