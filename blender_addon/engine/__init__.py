"""The engine process: found, set up, started, talked to. No bpy."""
