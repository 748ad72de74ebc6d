"""Run by Blender (-P) in the window tests: `inside_window.py SOCKET`. Answers questions about the window.

A line of JSON with Python's text comes in, {"eval": "..."} or {"exec": "..."}, with the "beats" to wait
before that; one with its value or its traceback goes out. Questions are answered on Blender's main thread,
by a timer that is the heartbeat as well: the time from the end of one beat to the start of the next, less
the pause asked for, is time in which Blender answered nobody. Between beats, Blender looks for what mouse
and keys did, and draws: after some of them it has heard of all that was done before.
"""

import contextlib
import json
import queue
import socket
import sys
import threading
import time
import traceback

import bpy

PAUSE = 0.01
#: Seconds of the process's work from one beat to the next that tell that Blender was drawing: work, as a busy
#: machine keeps it from drawing for as long as it takes.
DRAWING_SECONDS = 0.1

questions: "queue.SimpleQueue[tuple[dict, queue.SimpleQueue]]" = queue.SimpleQueue()
#: Those that have come, and the beat at which each is answered.
waiting: list[tuple[int, dict, queue.SimpleQueue]] = []
#: Beats that came late: (when, by how many seconds).
late_beats: list[tuple[float, float]] = []
#: When the panels that are watched were last drawn.
drawn: dict[str, float] = {}
#: What `time_calls` has timed: (when, seconds, seconds of this thread's work).
calls: list[tuple[float, float, float]] = []
last_beat = time.monotonic()
worked = time.process_time()
#: How many beats there were, and how many since Blender was drawing last.
beats = 0
quiet_beats = 0


def watch_panel(name):
    """Note in `drawn` when the panel of this name is drawn."""

    def note(_panel, _context):
        drawn[name] = time.monotonic()

    getattr(bpy.types, name).append(note)


def places():
    """Areas and regions of all windows; pixels from the window's bottom left corner, as Blender counts."""
    return [
        {
            "window": number,
            "window_size": [window.width, window.height],
            "area": area.type,
            "region": region.type,
            "alignment": region.alignment,
            "box": [region.x, region.y, region.width, region.height],
        }
        for number, window in enumerate(bpy.context.window_manager.windows)
        for area in window.screen.areas
        for region in area.regions
        if region.width > 1 and region.height > 1
    ]


def button_at_mouse(area_type, region_type):
    """Python's text of the operator button under the mouse, as the context menu's "Copy Python Command"."""
    window, area, region = find_region(area_type, region_type)
    bpy.context.window_manager.clipboard = ""
    with bpy.context.temp_override(window=window, area=area, region=region):
        if not bpy.ops.ui.copy_python_command_button.poll():
            return ""
        bpy.ops.ui.copy_python_command_button()
    return bpy.context.window_manager.clipboard


def find_region(area_type, region_type):
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if (area.type, region.type) == (area_type, region_type):
                    return window, area, region
    raise LookupError(f"no {region_type} in a {area_type}")


def longest_pause(since, until=float("inf")):
    """Longest time in seconds that Blender did not answer between two moments (monotonic)."""
    return max((late for when, late in late_beats if since <= when <= until), default=0.0)


def time_calls(class_name, method):
    """Note in `calls` when each call of this method of a class begins, and how long it takes and works."""
    cls = getattr(bpy.types, class_name)
    original = getattr(cls, method)

    def timed(self, context, event):
        start, worked = time.monotonic(), time.thread_time()
        try:
            return original(self, context, event)
        finally:
            calls.append((start, time.monotonic() - start, time.thread_time() - worked))

    setattr(cls, method, timed)


def answer(question):
    window, area, region = find_region("VIEW_3D", "WINDOW") if has_view() else (None, None, None)
    with bpy.context.temp_override(window=window, area=area, region=region):
        if "exec" in question:
            exec(question["exec"], globals())
            return None
        return eval(question["eval"], globals())


def has_view():
    windows = bpy.context.window_manager.windows
    return any(area.type == "VIEW_3D" for window in windows for area in window.screen.areas)


def beat():
    global last_beat, worked, beats, quiet_beats
    now = time.monotonic()
    late = now - last_beat - PAUSE
    if late > 0.005:
        late_beats.append((now, late))
    beats += 1
    quiet_beats = quiet_beats + 1 if time.process_time() - worked < DRAWING_SECONDS else 0
    with contextlib.suppress(queue.Empty):
        while True:
            question, reply = questions.get_nowait()
            waiting.append((beats + question.get("beats", 0), question, reply))
    due = [one for one in waiting if one[0] <= beats]
    waiting[:] = [one for one in waiting if one[0] > beats]
    for _, question, reply in due:
        try:
            reply.put({"value": answer(question)})
        except BaseException:
            reply.put({"error": traceback.format_exc()})
    last_beat, worked = time.monotonic(), time.process_time()
    return PAUSE


def serve(path):
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(1)
    connection, _ = server.accept()
    with connection, connection.makefile("rw", encoding="utf-8") as lines:
        for line in lines:
            reply: queue.SimpleQueue = queue.SimpleQueue()
            questions.put((json.loads(line), reply))
            print(json.dumps(reply.get()), file=lines, flush=True)


def set_up_window():
    preferences = bpy.context.preferences
    preferences.view.show_splash = False
    preferences.view.show_tooltips = False
    preferences.view.ui_scale = 1.0
    preferences.view.smooth_view = 0
    # Pictures and tests want one window; artists may choose this as well.
    preferences.view.filebrowser_display_type = "SCREEN"
    preferences.use_preferences_save = False


set_up_window()
threading.Thread(target=serve, args=[sys.argv[-1]], daemon=True).start()
bpy.app.timers.register(beat, persistent=True)
