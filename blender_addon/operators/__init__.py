"""What the buttons do, a file for each, and one for all that stop something. Needs bpy."""

from .adjust_pins import PHOTOBUST_OT_adjust_pins
from .apply_adjustments import PHOTOBUST_OT_apply_adjustments
from .bones_drive_shapes import PHOTOBUST_OT_bones_drive_shapes
from .cancel import PHOTOBUST_OT_cancel, PHOTOBUST_OT_cancel_retopology, PHOTOBUST_OT_cancel_setup
from .check_engine import PHOTOBUST_OT_check_engine
from .choose_photo import PHOTOBUST_OT_add_photos, PHOTOBUST_OT_choose_photo, PHOTOBUST_OT_remove_photo
from .comb_by_photo import PHOTOBUST_OT_comb_by_photo
from .correct_in_photo import PHOTOBUST_OT_correct_in_photo
from .export_head import PHOTOBUST_OT_export_head
from .export_live_link import PHOTOBUST_OT_export_live_link
from .face_pose import PHOTOBUST_OT_face_pose
from .flip_face import PHOTOBUST_OT_flip_face
from .ignore_here import PHOTOBUST_OT_ignore_here, PHOTOBUST_OT_ignore_nothing
from .import_live_link import PHOTOBUST_OT_import_live_link
from .key_face import PHOTOBUST_OT_key_face
from .landmarks import PHOTOBUST_OT_landmarks
from .look_target import PHOTOBUST_OT_look_target
from .match_camera import PHOTOBUST_OT_match_camera
from .open_documentation import PHOTOBUST_OT_open_documentation
from .open_folder import PHOTOBUST_OT_open_folder
from .open_log import PHOTOBUST_OT_open_log
from .open_preferences import PHOTOBUST_OT_open_preferences
from .pose_assets import PHOTOBUST_OT_pose_assets
from .reconstruct import PHOTOBUST_OT_reconstruct
from .report_bug import PHOTOBUST_OT_report_bug
from .reset_face import PHOTOBUST_OT_reset_face
from .reset_pins import PHOTOBUST_OT_reset_pins
from .retopologize import PHOTOBUST_OT_retopologize
from .save_adjustments import PHOTOBUST_OT_save_adjustments
from .setup_engine import PHOTOBUST_OT_setup_engine
from .show_colors import PHOTOBUST_OT_show_colors
from .show_confidence import PHOTOBUST_OT_show_confidence
from .stop_engine import PHOTOBUST_OT_stop_engine
from .turntable import PHOTOBUST_OT_turntable

CLASSES = (
    PHOTOBUST_OT_add_photos,
    PHOTOBUST_OT_adjust_pins,
    PHOTOBUST_OT_apply_adjustments,
    PHOTOBUST_OT_bones_drive_shapes,
    PHOTOBUST_OT_cancel,
    PHOTOBUST_OT_cancel_retopology,
    PHOTOBUST_OT_cancel_setup,
    PHOTOBUST_OT_check_engine,
    PHOTOBUST_OT_choose_photo,
    PHOTOBUST_OT_comb_by_photo,
    PHOTOBUST_OT_correct_in_photo,
    PHOTOBUST_OT_export_head,
    PHOTOBUST_OT_export_live_link,
    PHOTOBUST_OT_face_pose,
    PHOTOBUST_OT_flip_face,
    PHOTOBUST_OT_ignore_here,
    PHOTOBUST_OT_ignore_nothing,
    PHOTOBUST_OT_import_live_link,
    PHOTOBUST_OT_key_face,
    PHOTOBUST_OT_landmarks,
    PHOTOBUST_OT_look_target,
    PHOTOBUST_OT_match_camera,
    PHOTOBUST_OT_open_documentation,
    PHOTOBUST_OT_open_folder,
    PHOTOBUST_OT_open_log,
    PHOTOBUST_OT_open_preferences,
    PHOTOBUST_OT_pose_assets,
    PHOTOBUST_OT_reconstruct,
    PHOTOBUST_OT_remove_photo,
    PHOTOBUST_OT_report_bug,
    PHOTOBUST_OT_reset_face,
    PHOTOBUST_OT_reset_pins,
    PHOTOBUST_OT_retopologize,
    PHOTOBUST_OT_save_adjustments,
    PHOTOBUST_OT_setup_engine,
    PHOTOBUST_OT_show_colors,
    PHOTOBUST_OT_show_confidence,
    PHOTOBUST_OT_stop_engine,
    PHOTOBUST_OT_turntable,
)
