"""What the page's server uses of the add-on's package, whose name is another where the wheel is installed."""

from typing import TYPE_CHECKING

if TYPE_CHECKING or not __name__.startswith("photobust_web"):
    from blender_addon.batch.command_line import console_main as batch_main
    from blender_addon.batch.names import portable_folder_name
    from blender_addon.batch.page import LIGHT_FILE, VIEWER_FILES
    from blender_addon.batch.page import SOURCES as VIEWER_FOLDER
    from blender_addon.batch.private_program import PrivateProgram
    from blender_addon.blender.private_folder import private_folder
    from blender_addon.blender_worker import client as blender_worker
    from blender_addon.engine.client import EngineRequest, Progress, WorkerClient
    from blender_addon.engine.locate import find_engine
    from blender_addon.engine.process import EngineProgram
    from blender_addon.errors import AddonError, JobCancelledError, JobFailedError
    from blender_addon.heads.verdict import verdict
else:
    from photobust_blender.batch.command_line import console_main as batch_main
    from photobust_blender.batch.names import portable_folder_name
    from photobust_blender.batch.page import LIGHT_FILE, VIEWER_FILES
    from photobust_blender.batch.page import SOURCES as VIEWER_FOLDER
    from photobust_blender.batch.private_program import PrivateProgram
    from photobust_blender.blender.private_folder import private_folder
    from photobust_blender.blender_worker import client as blender_worker
    from photobust_blender.engine.client import EngineRequest, Progress, WorkerClient
    from photobust_blender.engine.locate import find_engine
    from photobust_blender.engine.process import EngineProgram
    from photobust_blender.errors import AddonError, JobCancelledError, JobFailedError
    from photobust_blender.heads.verdict import verdict

__all__ = [
    "LIGHT_FILE",
    "VIEWER_FILES",
    "VIEWER_FOLDER",
    "AddonError",
    "EngineProgram",
    "EngineRequest",
    "JobCancelledError",
    "JobFailedError",
    "PrivateProgram",
    "Progress",
    "WorkerClient",
    "batch_main",
    "blender_worker",
    "find_engine",
    "portable_folder_name",
    "private_folder",
    "verdict",
]
