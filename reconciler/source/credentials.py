"""Who we are to a remote repository: the keys of the ssh agent, or what the URL itself says.

Host keys are checked by libgit2 against the user's known hosts. Credentials from files and the
environment come with the applications' credential settings.
"""

import pygit2
from pygit2.enums import CredentialType


class AgentCredentials(pygit2.RemoteCallbacks):
    """Offers the ssh agent's keys, once per connection: libgit2 asks again for as long as it is answered."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = False

    def credentials(
        self,
        url: str,  # noqa: ARG002 (libgit2 passes it)
        username_from_url: str | None,
        allowed_types: CredentialType,
    ) -> pygit2.credentials.Username | pygit2.KeypairFromAgent:
        """Called by libgit2 where the server wants to know who asks. Raises GitError."""
        user = username_from_url or "git"
        if allowed_types & CredentialType.USERNAME:
            return pygit2.credentials.Username(user)
        if self._asked or not allowed_types & CredentialType.SSH_KEY:
            raise pygit2.GitError("the server refuses: load a key that it knows into the ssh agent")
        self._asked = True
        return pygit2.KeypairFromAgent(user)

    def certificate_check(self, certificate: None, valid: bool, host: bytes) -> bool:  # noqa: ARG002 (libgit2 passes them)
        """Called by libgit2 with its own judgement of the server's key or certificate: it stands.

        Without this override an unknown ssh host is accepted (tried with libgit2 1.9).
        """
        return bool(valid)
