"""Starts the batch's Blender process: `blender -b --factory-startup --python start.py`.

The batch starts it and talks to it. `python -m blender_addon.blender_worker` does the same with the
bpy module. Blender runs this file outside of any package, in a checkout and where the wheel is installed.
"""

import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    package = Path(__file__).resolve().parents[1]
    # Last, so that Blender's own numpy is found before one in the same site-packages.
    sys.path.append(str(package.parent))
    import_module(f"{package.name}.blender_worker.__main__").main()
