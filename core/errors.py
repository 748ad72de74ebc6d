"""What can go wrong, in words that tell an artist what to do. Everything derives from PhotobustError."""

import re

#: Control characters, lone surrogates (bytes that are no UTF-8), separators of lines and paragraphs, and what
#: turns the direction of writing: a name of a file may hold any of them.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class PhotobustError(Exception):
    """An expected failure: its message is a sentence for the person who gave the input.

    What does not show in a name that the sentence holds is escaped as Python does it.
    """

    def __str__(self) -> str:
        return _UNPRINTABLE.sub(
            lambda match: match[0].encode("unicode_escape").decode("ascii"), super().__str__()
        )


class PhotoError(PhotobustError):
    """The photo cannot be read."""


class PhotoNotFoundError(PhotoError):
    """There is no such file, or it is a folder."""


class PhotoFormatError(PhotoError):
    """The file is empty, damaged, or no picture."""


class PhotoTooLargeError(PhotoError):
    """The picture has more pixels than can be loaded safely."""


class PhotoPermissionError(PhotoError):
    """The file exists but may not be read."""


class NoHeadError(PhotobustError):
    """No head can be made of this photo; of the next one it may."""


class NoFaceError(NoHeadError):
    """No face was found in the photo."""


class FaceTooSmallError(NoHeadError):
    """There are faces in the photo, but too few pixels of each."""


class ModelError(PhotobustError):
    """A file of models/ is missing or damaged."""


class ReconstructionError(NoHeadError):
    """The network gave nothing that a surface can be made of."""


class OutputError(PhotobustError):
    """A result cannot be written."""


class RequestError(PhotobustError):
    """A request to the worker is malformed."""


class Cancelled(PhotobustError):
    """The work was cancelled by the one who asked for it."""
