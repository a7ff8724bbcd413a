"""A Git remote over ssh on loopback: an asyncssh server that knows one client key and runs upload-pack."""

import asyncio
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncssh


@dataclass(frozen=True)
class SshRemote:
    """``url`` is that of the folder; ``known_hosts`` names the server's key, ``key`` is the client's."""

    url: str
    port: int
    known_hosts: Path
    key: Path
    passphrase: str


@contextmanager
def ssh(folder: Path, scratch: Path, passphrase: str = "") -> Iterator[SshRemote]:
    """Serve the repositories in ``folder``; keys are made in ``scratch``."""
    host = asyncssh.generate_private_key("ssh-ed25519")
    client = asyncssh.generate_private_key("ecdsa-sha2-nistp256" if passphrase else "ssh-ed25519")
    scratch.mkdir()
    key = scratch / "id"
    form = "pkcs8-pem" if passphrase else "openssh"  # the other one would need bcrypt
    client.write_private_key(str(key), form, passphrase=passphrase or None)
    ended, told = asyncio.Event(), []
    started = threading.Event()

    async def upload(process: asyncssh.SSHServerProcess) -> None:
        words = shlex.split(process.command or "")
        if words[:1] != ["git-upload-pack"] or ".." in words[1]:
            process.exit(1)
            return
        place = folder / words[1].strip("/")
        git = await asyncio.create_subprocess_exec(
            "git-upload-pack", str(place), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        await process.redirect(stdin=git.stdin, stdout=git.stdout)
        process.exit(await git.wait())

    async def serve() -> None:
        authorized = asyncssh.import_authorized_keys(client.export_public_key().decode())
        server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[host],
            authorized_client_keys=authorized,
            process_factory=upload,
            encoding=None,
        )
        told.append((asyncio.get_running_loop(), server.get_port()))
        started.set()
        await ended.wait()
        server.close()
        await server.wait_closed()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(30)
    loop, port = told[0]
    try:
        public = host.export_public_key().decode()
        known = scratch / "known_hosts"
        known.write_text(f"[127.0.0.1]:{port} {public}")
        yield SshRemote(f"ssh://git@127.0.0.1:{port}", port, known, key, passphrase)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
