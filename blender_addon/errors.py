"""What can go wrong on Blender's side of the process boundary, in words that help an artist. No bpy."""

import re

#: Control characters, lone surrogates (bytes that are no UTF-8), separators of lines and paragraphs, and what
#: turns the direction of writing: a name of a file may hold any of them.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Text for a message, in which what does not show is written as Python does it, such as \n and \x1b."""
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


class AddonError(Exception):
    """Root of the errors that are reported to the user as one sentence, without a traceback.

    What does not show in a name that the sentence holds is escaped.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


class EngineNotFoundError(AddonError):
    """No Python interpreter with the engine in it was found."""


class SetupError(AddonError):
    """The engine's environment could not be made."""


class OfflineError(SetupError):
    """Blender is set to stay offline."""


class NoSpaceError(SetupError):
    """The disk is too full."""


class SetupCancelledError(SetupError):
    """Setting up was cancelled on the user's wish; what was half-made is gone."""


class EngineDiedError(AddonError):
    """The engine could not start, or ended while it was working and again after a restart."""


class EngineStartError(EngineDiedError):
    """The engine could not start: no request has anything to do with it."""


class EngineTimeoutError(AddonError):
    """The engine did not answer in the time it was given."""


class JobFailedError(AddonError):
    """The engine refused a request. `kind` is its name for the reason, such as "NoFaceError"."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class JobCancelledError(AddonError):
    """The request was cancelled on the user's wish."""


class SurfaceFileError(AddonError):
    """A surface file is missing, damaged or not of the kind that the engine writes."""


class HeadFileError(AddonError):
    """A head's file is missing, damaged or of another version of the engine."""


class LiveLinkFileError(AddonError):
    """A file is no recording of Live Link Face, or cannot be read."""


class PresetError(AddonError):
    """There is no such preset of exports, or it makes no sense."""


class ExportError(AddonError):
    """A head could not be written in the format that was asked for."""


class RenderError(AddonError):
    """A picture could not be made."""


class VideoError(RenderError):
    """Pictures could not be made into a video."""


class AssetError(AddonError):
    """A head could not be put into an asset library."""


class StepError(AddonError):
    """A step of the Blender worker could not do what it was asked for."""


class BlenderNotFoundError(AddonError):
    """No Blender and no bpy module was found to render and export with."""


class UnsafePathError(AddonError):
    """A name that came from a file or another machine would lead out of its folder."""


class PayloadError(AddonError):
    """What a machine of a cluster sent is not what it should be."""


class BatchError(AddonError):
    """A batch cannot begin, or cannot go on: all further photos would fail for the same reason."""


class PageError(AddonError):
    """The page to look at could not be written."""
