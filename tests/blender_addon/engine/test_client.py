import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from blender_addon.engine.client import WorkerClient
from blender_addon.engine.locate import Engine
from blender_addon.errors import EngineDiedError, EngineTimeoutError, JobCancelledError, JobFailedError
from tests.conftest import FAKE_ENGINE, PATIENCE_SECONDS, wait_for

ROOT = Path(__file__).parents[3]


@pytest.fixture
def photo(tmp_path):
    def make(stem):
        path = tmp_path / f"{stem}.jpg"
        path.write_bytes(b"a photo")
        return path

    return make


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_result_and_progress_arrive_in_order_on_the_calling_thread(client, photo, tmp_path):
    steps = []
    result = client.submit_reconstruct(photo("Zoë an der Tür"), tmp_path / "out").wait(
        on_progress=steps.append
    )
    assert [p.step for p in steps] == ["load", "detect", "network", "surface"]
    assert [p.fraction for p in steps] == [0, 0.25, 0.5, 0.75]
    assert Path(result["faces"][0]["files"]["surface.ply"]).is_file()
    assert Path(result["faces"][0]["folder"]).name == "Zoë an der Tür"


def test_the_process_is_started_once_and_kept_warm(client, photo, tmp_path):
    assert client.pid is None
    assert client.start()["version"] == "fake"
    pid = client.pid
    client.submit_reconstruct(photo("one"), tmp_path).wait()
    client.submit_reconstruct(photo("other"), tmp_path).wait()
    assert client.pid == pid


def test_noise_on_stdout_does_not_disturb(client, photo, tmp_path):
    lines = []
    client._log = lines.append
    assert len(client.submit_reconstruct(photo("noise"), tmp_path).wait()["faces"]) == 1
    assert "a native library speaks up on stdout" in lines


def test_refused_request_keeps_the_engines_words(client, photo, tmp_path):
    with pytest.raises(JobFailedError, match=r"No face found in noface\.jpg") as info:
        client.submit_reconstruct(photo("noface"), tmp_path).wait()
    assert info.value.kind == "NoFaceError"
    assert client.submit_reconstruct(photo("fine"), tmp_path).wait()["faces"]


def test_engine_that_dies_is_restarted_and_the_request_repeated(client, photo, tmp_path):
    client.start()
    first = client.pid
    steps = []
    result = client.submit_reconstruct(photo("once"), tmp_path / "out").wait(on_progress=steps.append)
    assert result["faces"]
    assert client.pid != first
    assert [p.step for p in steps].count("restart") == 1


def test_engine_that_dies_twice_is_reported_with_its_last_words_and_serves_again(client, photo, tmp_path):
    with pytest.raises(EngineDiedError, match=r"signal 9.*something broke deep inside"):
        client.submit_reconstruct(photo("crash"), tmp_path).wait()
    assert client.submit_reconstruct(photo("fine"), tmp_path).wait()["faces"]


def test_other_waiting_jobs_survive_a_crash(client, photo, tmp_path):
    client.start()
    crash = client.submit_reconstruct(photo("crash"), tmp_path)
    fine = client.submit_reconstruct(photo("fine"), tmp_path)
    with pytest.raises(EngineDiedError):
        crash.wait(PATIENCE_SECONDS)
    assert fine.wait(PATIENCE_SECONDS)["faces"]
    assert fine.attempts == 2


def test_cancel_between_steps(client, photo, tmp_path):
    job = client.submit_reconstruct(photo("slow"), tmp_path)
    wait_for(lambda: job.poll() or job.progress.step != "queued")
    job.cancel(PATIENCE_SECONDS)
    with pytest.raises(JobCancelledError):
        job.wait(PATIENCE_SECONDS)
    assert client.submit_reconstruct(photo("fine"), tmp_path).wait()["faces"]


def test_cancel_of_an_engine_that_does_not_listen_kills_it(client, photo, tmp_path):
    job = client.submit_reconstruct(photo("hang"), tmp_path)
    wait_for(lambda: any(p.step == "surface" for p in job.poll()))
    pid = client.pid
    job.cancel(grace=0.2)
    with pytest.raises(JobCancelledError):
        job.wait(PATIENCE_SECONDS)
    assert not alive(pid)


def test_timeout_stops_the_engine_and_the_next_job_gets_a_new_one(client, photo, tmp_path):
    client.start()
    pid = client.pid
    job = client.submit_reconstruct(photo("hang"), tmp_path)
    wait_for(lambda: any(progress.step == "surface" for progress in job.poll()))
    beside = client.submit("adjust", out="")  # is told not to stop the engine under the other job
    with pytest.raises(EngineTimeoutError, match="less busy"):
        beside.wait(timeout=0.1, stop_engine=False)
    assert alive(pid) and client.pid == pid
    with pytest.raises(EngineTimeoutError, match="Doing surface"):
        job.wait(timeout=0.5)
    assert not alive(pid)
    assert client.submit_reconstruct(photo("fine"), tmp_path).wait()["faces"]


def test_close_ends_the_process_and_fails_what_waits(client, photo, tmp_path):
    job = client.submit_reconstruct(photo("hang"), tmp_path)
    wait_for(lambda: client.pid and job.poll(0.1))
    pid = client.pid
    client.close()
    assert not alive(pid)
    with pytest.raises(EngineDiedError, match="was stopped"):
        job.wait(PATIENCE_SECONDS)


def test_interpreter_without_the_engine_is_told_at_once(tmp_path):
    (tmp_path / "core").mkdir()
    (tmp_path / "core/__init__.py").touch()
    (tmp_path / "core/worker.py").write_text("import no_such_package\n")
    client = WorkerClient(Engine(Path(sys.executable), tmp_path))
    with pytest.raises(EngineDiedError, match=r"could not start.*Packages are missing.*no_such_package"):
        client.start(PATIENCE_SECONDS)


def test_program_that_cannot_be_run_is_told(tmp_path):
    broken = tmp_path / "python"
    broken.write_bytes(b"\x7fELF not really")
    broken.chmod(0o755)
    with pytest.raises(EngineDiedError, match="could not be started"):
        WorkerClient(Engine(broken, tmp_path)).start(PATIENCE_SECONDS)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("stem", ["idle", "hang"])
def test_no_engine_outlives_its_client(tmp_path, photo, how, stem):
    script = textwrap.dedent(
        f"""
        import sys, time
        sys.path.insert(0, {str(ROOT)!r})
        from pathlib import Path
        from blender_addon.engine.locate import Engine
        from blender_addon.engine.client import WorkerClient
        client = WorkerClient(Engine(Path(sys.executable), Path({str(FAKE_ENGINE)!r})))
        client.start()
        if {stem!r} == "hang":
            job = client.submit_reconstruct({str(photo(stem))!r}, {str(tmp_path)!r})
            while job.progress.step != "surface":
                job.poll(0.1)
        print(client.pid, flush=True)
        time.sleep(600)
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    assert alive(pid)
    os.kill(parent.pid, how)
    parent.wait()
    parent.stdout.close()
    wait_for(lambda: not alive(pid))


def test_environment_of_the_embedding_python_does_not_leak(monkeypatch, client):
    monkeypatch.setenv("PYTHONHOME", "/opt/blender/python")
    monkeypatch.setenv("PYTHONPATH", "/opt/blender/scripts")
    assert client.start()["pythonpath"] == str(FAKE_ENGINE)
