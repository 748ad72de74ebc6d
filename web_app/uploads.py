"""Takes the body of a request: no larger and no slower than allowed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.requests import ClientDisconnect, Request

from .problems import Problem
from .settings import ServerSettings


async def chunks(request: Request, most_bytes: int, settings: ServerSettings) -> AsyncIterator[bytes]:
    """The body of a request, piece by piece.

    Args:
        request: The request.
        most_bytes: How many are taken.
        settings: The server's limits.

    Yields:
        Its bytes.

    Raises:
        Problem: It is larger than that, comes too slowly, or stops in the middle.
    """
    size = 0
    stream = request.stream().__aiter__()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + settings.upload_seconds
    while True:
        patience = min(settings.silence_seconds, deadline - loop.time())
        try:
            chunk = await asyncio.wait_for(anext(stream), max(patience, 0.0))
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Problem(408, "slow") from None
        except ClientDisconnect:
            raise Problem(400, "cut") from None
        size += len(chunk)
        if size > most_bytes:
            raise Problem(413, "size", megabytes=max(most_bytes >> 20, 1))
        yield chunk


async def receive_file(request: Request, path: Path, most_bytes: int, settings: ServerSettings) -> int:
    """Write the body of a request to a file.

    Args:
        request: The request.
        path: The file, which is there only if it is complete.
        most_bytes: Its largest size.
        settings: The server's limits.

    Returns:
        Its size, bytes.

    Raises:
        Problem: As for `chunks`, or the file cannot be written.
    """
    partial = path.with_name(f"{path.name}.part")
    size = 0
    try:
        with partial.open("wb") as file:
            async for chunk in chunks(request, most_bytes, settings):
                size += file.write(chunk)
        if not size:
            raise Problem(400, "empty")
        partial.replace(path)
    except OSError as error:
        raise Problem(507, "disk") from error
    finally:
        partial.unlink(missing_ok=True)
    return size


async def receive_message(request: Request, settings: ServerSettings) -> bytes:
    """The body of a request that is small. Raises Problem."""
    return b"".join([chunk async for chunk in chunks(request, settings.max_message_bytes, settings)])
