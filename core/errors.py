"""What can go wrong, in words that tell an artist what to do. Everything derives from PhotobustError."""


class PhotobustError(Exception):
    """An expected failure: its message is a sentence for the person who gave the input."""


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


class NoFaceError(PhotobustError):
    """No face was found in the photo."""


class FaceTooSmallError(PhotobustError):
    """There are faces in the photo, but too few pixels of each."""


class ModelError(PhotobustError):
    """A file of models/ is missing or damaged."""


class ReconstructionError(PhotobustError):
    """The network gave nothing that a surface can be made of."""


class OutputError(PhotobustError):
    """A result cannot be written."""


class RequestError(PhotobustError):
    """A request to the worker is malformed."""


class Cancelled(PhotobustError):
    """The work was cancelled by the one who asked for it."""
