"""The page's server for the tests of this folder."""

import pytest

from tests.web_app.process import ServerProcess


@pytest.fixture
def serve(tmp_path):
    """Starts servers, each as a process, with options as of `ServerProcess`; they are killed at the end."""
    servers = []

    def start(*options, **more):
        servers.append(ServerProcess(tmp_path, *options, **more))
        return servers[-1]

    yield start
    for server in servers:
        server.popen.kill()
        server.popen.communicate()
