"""What the page's server allows, and for how long."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ServerSettings:
    """Limits of the server."""

    max_photo_bytes: int = 64 << 20
    """Largest photo that is taken, bytes; a phone's have up to 15 MB."""
    max_photos: int = 12
    """Photos of one person that are taken together."""
    max_person_bytes: int = 256 << 20
    """What they may have in all, bytes."""
    max_message_bytes: int = 4096
    """Largest body of any other request, bytes."""
    upload_seconds: float = 120.0
    """Seconds that a photo may take to arrive."""
    silence_seconds: float = 10.0
    """Seconds that a client may be silent within a request."""
    max_connections: int = 256
    """Connections at a time; who comes next is told to try again."""
    max_sessions: int = 64
    """Pages that are open at a time."""
    max_streams: int = 4
    """Streams of events that a page may have open at a time."""
    max_uploads: int = 4
    """Photos that may be on their way at a time."""
    max_waiting: int = 8
    """Jobs that may wait for the engine."""
    max_faces: int = 20
    """Faces that are offered to choose from."""
    job_seconds: float = 600.0
    """Seconds after which a job is stopped."""
    cancel_seconds: float = 3.0
    """Seconds that a cancelled job may take to stop by itself."""
    keep_seconds: float = 3600.0
    """Seconds after which a photo and what was made of it are removed."""
    absent_seconds: float = 60.0
    """Seconds without a stream of events after which a page counts as closed."""
    sweep_seconds: float = 5.0
    """Seconds between two looks for what is to be removed."""
