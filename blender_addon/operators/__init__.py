"""What the buttons do, one operator a file. Needs bpy."""

from .bones_drive_shapes import PHOTOBUST_OT_bones_drive_shapes
from .cancel import PHOTOBUST_OT_cancel
from .cancel_setup import PHOTOBUST_OT_cancel_setup
from .check_engine import PHOTOBUST_OT_check_engine
from .choose_photo import PHOTOBUST_OT_choose_photo
from .export_head import PHOTOBUST_OT_export_head
from .landmarks import PHOTOBUST_OT_landmarks
from .match_camera import PHOTOBUST_OT_match_camera
from .open_documentation import PHOTOBUST_OT_open_documentation
from .open_folder import PHOTOBUST_OT_open_folder
from .open_log import PHOTOBUST_OT_open_log
from .open_preferences import PHOTOBUST_OT_open_preferences
from .reconstruct import PHOTOBUST_OT_reconstruct
from .report_bug import PHOTOBUST_OT_report_bug
from .retopologize import PHOTOBUST_OT_cancel_retopology, PHOTOBUST_OT_retopologize
from .setup_engine import PHOTOBUST_OT_setup_engine
from .show_colors import PHOTOBUST_OT_show_colors
from .show_confidence import PHOTOBUST_OT_show_confidence
from .stop_engine import PHOTOBUST_OT_stop_engine
from .turntable import PHOTOBUST_OT_turntable

CLASSES = (
    PHOTOBUST_OT_bones_drive_shapes,
    PHOTOBUST_OT_cancel,
    PHOTOBUST_OT_cancel_retopology,
    PHOTOBUST_OT_cancel_setup,
    PHOTOBUST_OT_check_engine,
    PHOTOBUST_OT_choose_photo,
    PHOTOBUST_OT_export_head,
    PHOTOBUST_OT_landmarks,
    PHOTOBUST_OT_match_camera,
    PHOTOBUST_OT_open_documentation,
    PHOTOBUST_OT_open_folder,
    PHOTOBUST_OT_open_log,
    PHOTOBUST_OT_open_preferences,
    PHOTOBUST_OT_reconstruct,
    PHOTOBUST_OT_report_bug,
    PHOTOBUST_OT_retopologize,
    PHOTOBUST_OT_setup_engine,
    PHOTOBUST_OT_show_colors,
    PHOTOBUST_OT_show_confidence,
    PHOTOBUST_OT_stop_engine,
    PHOTOBUST_OT_turntable,
)
