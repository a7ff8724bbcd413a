"""Child processes that outlive their parent: spawned in sessions of their own, adopted, watched, ended.

A process is known by pid, start time and a spawn token in its environment; nothing is ever signalled
whose three do not match. What the processes do is not known here.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.local.logs import set_aside
from schemas.errors import TransientError

STATE_VARIABLE = "MOORAGE_STATE"
TOKEN_VARIABLE = "MOORAGE_SPAWN"  # noqa: S105 (the name of a variable; the token is no secret)

_PROC = Path("/proc")
_SWEEP_PAUSE = 0.05  # seconds between two looks at what is left of a token


@dataclass(frozen=True)
class ProcessIdentity:
    """``started`` is in clock ticks since boot, as /proc tells it; ``token`` is unique per spawn."""

    pid: int
    started: int
    token: str


class Process:
    """A running session leader, ours or adopted. Made by :func:`spawn` and :func:`adopt`.

    ``exit_code`` is known only of our own children; None otherwise.
    """

    def __init__(self, identity: ProcessIdentity, pidfd: int) -> None:
        self.identity = identity
        self.exit_code: int | None = None
        self._pidfd = pidfd
        self._exited = asyncio.Event()
        asyncio.get_running_loop().add_reader(pidfd, self._on_exit)

    @property
    def running(self) -> bool:
        """False once the end of the process has been noticed."""
        return not self._exited.is_set()

    async def wait(self) -> None:
        """Return once the process has ended."""
        await self._exited.wait()

    async def end(self, grace: float) -> None:
        """SIGTERM to the group, SIGKILL after ``grace`` seconds, then whatever still carries the token."""
        self._signal_group(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace):
                await self.wait()
        except TimeoutError:
            self._signal_group(signal.SIGKILL)
            await self.wait()
        await sweep(self.identity.token)

    def kill(self) -> None:
        """SIGKILL to the group, without waiting: for paths that must not be held up."""
        self._signal_group(signal.SIGKILL)

    def leave(self) -> None:
        """Stop watching; the process runs on."""
        if self.running:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._exited.set()

    def _signal_group(self, number: signal.Signals) -> None:
        if not self.running:
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, 0)  # the group's id is only safe while its leader is there
            os.killpg(self.identity.pid, number)

    def _on_exit(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.exit_code = _reap(self.identity.pid)
        self._exited.set()


def spawn(
    argv: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path, state: str, token: str
) -> Process:
    """Start ``argv`` in a session of its own, output to ``log``; returns once the program runs.

    Its token can be read from outside a moment later: the kernel shows an environment only after exec.
    TransientError ``SpawnFailed`` where the kernel refuses it.
    """
    environment = {**env, STATE_VARIABLE: state, TOKEN_VARIABLE: token}
    try:
        set_aside(log)
        with log.open("ab") as output:
            child = subprocess.Popen(
                list(argv),
                env=environment,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise TransientError("SpawnFailed", f"cannot run {argv[0]}: {error.strerror}") from error
    pidfd = os.pidfd_open(child.pid)
    child.returncode = 0  # from here the pidfd watches and _reap collects it; Popen must do neither
    return Process(ProcessIdentity(child.pid, _started(child.pid) or 0, token), pidfd)


def adopt(identity: ProcessIdentity) -> Process | None:
    """The process with exactly that identity, or None where it has ended (or was never spawned: pid 0)."""
    if identity.pid == 0:
        return None
    try:
        pidfd = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return None
    if not matches(identity):  # after opening: the descriptor now pins what is looked at
        os.close(pidfd)
        return None
    return Process(identity, pidfd)


def matches(identity: ProcessIdentity) -> bool:
    """Whether pid, start time and token still belong together."""
    return (
        _started(identity.pid) == identity.started
        and _environment(identity.pid).get(TOKEN_VARIABLE) == identity.token
    )


def carriers(state: str) -> dict[int, str]:
    """Every process that was spawned for the state folder named ``state``: pid → token."""
    found = {}
    for pid in _pids():
        environment = _environment(pid)
        if environment.get(STATE_VARIABLE) == state:
            found[pid] = environment.get(TOKEN_VARIABLE, "")
    return found


async def sweep(token: str, grace: float = 0.0) -> None:
    """End every process that carries ``token``: SIGTERM, and SIGKILL after ``grace`` seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + grace
    first = True
    while pids := await asyncio.to_thread(_carrying, token):
        late = loop.time() >= deadline
        for pid in pids:
            if late or first:
                _signal_carrier(pid, token, signal.SIGKILL if late else signal.SIGTERM)
        first = False
        await asyncio.sleep(_SWEEP_PAUSE)


def _carrying(token: str) -> list[int]:
    return [pid for pid in _pids() if _environment(pid).get(TOKEN_VARIABLE) == token]


def _signal_carrier(pid: int, token: str, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        pidfd = os.pidfd_open(pid)
        try:
            if _environment(pid).get(TOKEN_VARIABLE) == token:
                signal.pidfd_send_signal(pidfd, number)
        finally:
            os.close(pidfd)
            _reap(pid)


def _pids() -> Iterator[int]:
    own = os.getpid()
    return (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit() and int(entry.name) != own)


def _started(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat; the name before it may hold blanks and brackets."""
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    return int(stat[stat.rindex(b")") + 2 :].split()[19])


def _environment(pid: int) -> Mapping[str, str]:
    """What the process was started with; empty for zombies and for processes of other users."""
    try:
        raw = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return {}
    entries = (entry.partition("=") for entry in raw.decode(errors="replace").split("\0"))
    return {name: value for name, _, value in entries}


def _reap(pid: int) -> int | None:
    """Collect a child that has ended and give its exit code; None for what is not our child."""
    try:
        waited, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) if waited else None
