import pytest

from tests.gateway.running import RunningGateway
from tests.gateway.stub import StubServer


@pytest.fixture
def envoy(tmp_path):
    """A gateway with a running Envoy that routes nothing yet."""
    running = RunningGateway(tmp_path / "gateway", drain=0.2)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def server():
    """Starts stub servers: ``server("iris_1", delay=0.1)``; all are stopped at the end."""
    started = []

    def start(*models, **settings):
        started.append(StubServer(*models, **settings).start())
        return started[-1]

    yield start
    for each in started:
        each.stop()
