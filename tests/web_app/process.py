"""The page's server as a process."""

import os
import re
import subprocess
import sys
import urllib.request

from tests.conftest import PATIENCE_SECONDS, ROOT

#: `python -m web_app` that counts no page as closed because it is silent, only one that says so; and ends no
#: request or job because it takes long, as they do beside others.
PATIENT = """
import sys
from dataclasses import dataclass
import web_app.settings


@dataclass(frozen=True)
class PatientSettings(web_app.settings.ServerSettings):
    absent_seconds: float = 1e6
    silence_seconds: float = 1e6
    upload_seconds: float = 1e6
    job_seconds: float = 1e6


web_app.settings.ServerSettings = PatientSettings
from web_app.command_line import serve

sys.exit(serve(sys.argv[1:], "python -m web_app"))
"""


class ServerProcess:
    """`python -m web_app`, with its private folder in a folder of the test's; or PATIENT."""

    def __init__(self, temporary, *options, patient=False):
        program = ["-c", PATIENT] if patient else ["-m", "web_app"]
        self.popen = subprocess.Popen(
            [sys.executable, *program, *map(str, options)],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        self.said = self.popen.stdout.readline()
        assert "http://" in self.said, self.said + self.popen.communicate()[0]
        self.url = re.search(r"http://\S+/", self.said)[0]
        self.port = int(re.search(r":(\d+)/", self.url)[1])

    def ask(self, path="", method="GET"):
        with urllib.request.urlopen(
            urllib.request.Request(self.url + path, method=method), timeout=PATIENCE_SECONDS
        ) as answer:
            return answer.read()

    def end(self, number):
        self.popen.send_signal(number)
        return self.popen.wait(PATIENCE_SECONDS)
