"""Real parts for every test that names one, and the option under which no test may be skipped."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from scripts.parts import PartError, parts
from tests.testbed.finding import missing, program
from tests.testbed.gitea import Gitea
from tests.testbed.team import Team


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="fail where any test was skipped")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(part, …): skipped where a part of the testbed is missing")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    known = parts()
    for item in items:
        try:
            reason = missing(item, known)
        except PartError as error:
            raise pytest.UsageError(str(error)) from error
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test on Gitea says where the log is, which stays."""
    report = yield
    running = getattr(item, "funcargs", {}).get("gitea")
    if report.failed and running is not None:
        report.sections.append((f"Gitea's log, {running.log}", running.log_end()))
    return report


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if skipped(session.config) and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for report in skipped(config):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        terminalreporter.write_line(f"--no-skips: {report.nodeid}: {reason}", red=True)


def skipped(config: pytest.Config) -> list[pytest.TestReport]:
    """Tests and files that were skipped, where that is not allowed."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not config.getoption("--no-skips"):
        return []
    return list(reporter.stats.get("skipped", ()))


@pytest.fixture(scope="session")
def gitea(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gitea]:
    """A running Gitea, one for the session; every test makes users and repositories of its own."""
    with Gitea(program("gitea"), tmp_path_factory.mktemp("gitea")) as running:
        yield running


@pytest.fixture
def team(gitea: Gitea, tmp_path: Path) -> Team:
    """An owner of their own at Gitea, with a private repository that holds nothing."""
    return Team(gitea, tmp_path)
