"""The command `photobust`: a batch of photos, or, with "serve" as its first argument, the page to try it on.

photobust serve                      the page, for this machine only
photobust serve --host 0.0.0.0       for a phone in the same network, with a token in the address
photobust photos/ --out heads/       a batch
"""

import argparse
import os
import signal
import sys
import threading
import webbrowser
from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

from .addon import AddonError, batch_main, find_engine, private_folder
from .address import LOOPBACK, Address
from .settings import ServerSettings

FAILED = 1
#: Of files and folders of this process and its children: nobody else may read or change them.
PRIVATE_UMASK = 0o077
SERVE = "serve"
#: Packages of the extra "web".
WEB_PACKAGES = ("starlette", "uvicorn")


def console_main() -> NoReturn:
    """Run the command with the process's arguments, and leave with its exit code."""
    if sys.argv[1:2] == [SERVE]:
        sys.exit(serve(sys.argv[2:], f"photobust {SERVE}"))
    batch_main()


def serve(arguments: Sequence[str], program: str) -> int:
    """Serve the page until Ctrl-C.

    Args:
        arguments: Of the command line.
        program: What to call it in messages.

    Returns:
        The exit code.
    """
    options = parse(arguments, program)
    try:
        from . import server
    except ModuleNotFoundError as error:
        if error.name not in WEB_PACKAGES:
            raise
        say(f"{program}: the page needs {error.name}: pip install 'photobust[web]'")
        return FAILED
    settings = replace(ServerSettings(), max_waiting=options.jobs)
    try:
        engine = find_engine(options.engine_python, current=sys.executable)
        listener = server.open_port(options.host, options.port)
    except OSError as error:
        reason = error.strerror or error
        say(f"{program}: cannot listen at {options.host}: {reason}. Give another --port or --host.")
        return FAILED
    except AddonError as error:
        say(f"{program}: {error}")
        return FAILED
    # As Ctrl-C, so that private folders are removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    user_umask = os.umask(PRIVATE_UMASK)
    with listener:
        address = Address.of(options.host, listener.getsockname()[1])

        def announce() -> None:
            say(f"Photobust is at {address.url}  (Ctrl-C ends it)")
            if not address.is_local:
                say("Whoever has this address can use it. It is not encrypted: only for a network you trust.")
            if options.open:
                # Some browsers keep whoever opens them waiting.
                threading.Thread(target=webbrowser.open, args=(address.url,), daemon=True).start()

        try:
            with private_folder(server.FOLDER_PREFIX) as folder:
                app = server.make_application(
                    address, engine, options.blender, folder, settings, user_umask=user_umask
                )
                server.make_server(app, settings, announce).run(sockets=[listener])
        except AddonError as error:
            say(f"{program}: {error}")
            return FAILED
        except KeyboardInterrupt:
            pass
        finally:
            os.umask(user_umask)
    return 0


def parse(arguments: Sequence[str], program: str) -> argparse.Namespace:
    """The command line as options."""
    parser = argparse.ArgumentParser(program, description="A page on which a photo becomes a head.")
    parser.add_argument(
        "--host", default=LOOPBACK, help="where to listen (default: %(default)s, this machine only)"
    )
    parser.add_argument("--port", type=port, help="which port (default: the first free one from 8770 on)")
    parser.add_argument(
        "--jobs",
        type=count,
        default=ServerSettings.max_waiting,
        metavar="N",
        help="photos that may wait at a time (default: %(default)s)",
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    parser.add_argument("--engine-python", metavar="PYTHON", help="interpreter that has the engine")
    parser.add_argument("--blender", metavar="PROGRAM", help="Blender for FBX and for opening heads in it")
    return parser.parse_args(arguments)


def port(text: str) -> int:
    """A port from the command line; 0 stands for any that is free."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return number


def count(text: str) -> int:
    """A number from 1 on from the command line."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("has to be 1 or more")
    return number


def say(line: str) -> None:
    """Tell the user something at once, also where the output goes into a file."""
    print(line, flush=True)  # noqa: T201 (the command line)
