"""The page's server for the tests of this folder."""

import pytest

from tests.web_app.process import ServerProcess


@pytest.fixture
def serve(tmp_path):
    """Starts servers, each as a process, with the given options; they are killed at the end."""
    servers = []

    def start(*options):
        servers.append(ServerProcess(tmp_path, *options))
        return servers[-1]

    yield start
    for server in servers:
        server.popen.kill()
        server.popen.communicate()
