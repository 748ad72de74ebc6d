"""Photos in, colored 3D heads out, unattended: the command line of blender_addon/batch/command_line.py.

python scripts/batch.py photos/ --out heads/
blender -b -P scripts/batch.py -- photos/ --out heads/
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from blender_addon.batch.command_line import console_main

if __name__ == "__main__":
    console_main()
