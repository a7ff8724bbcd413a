"""Where a provider's API is, told from the repository's address."""

import pytest

from reconciler.preview.pulls.providers.addresses import Place, place
from schemas.errors import InputError

PLACES = [
    ("github", "https://github.com/Acme/Models.git", "https://api.github.com", "acme/models"),
    ("github", "git@github.com:acme/models.git", "https://api.github.com", "acme/models"),
    ("github", "ssh://git@ssh.github.com:443/acme/models.git", "https://api.github.com", "acme/models"),
    ("github", "http://github.com/acme/models", "https://api.github.com", "acme/models"),
    ("github", "https://ada:secret@git.acme.com/acme/models", "https://git.acme.com/api/v3", "acme/models"),
    ("github", "git@git.acme.com:acme/models", "https://git.acme.com/api/v3", "acme/models"),
    ("github", "https://git.acme.com:8443/acme/models", "https://git.acme.com:8443/api/v3", "acme/models"),
    ("gitlab", "https://gitlab.com/acme/models.git", "https://gitlab.com/api/v4", "acme%2Fmodels"),
    ("gitlab", "git@gitlab.com:acme/a/b/models.git", "https://gitlab.com/api/v4", "acme%2Fa%2Fb%2Fmodels"),
    ("gitlab", "ssh://git@altssh.gitlab.com:443/acme/models", "https://gitlab.com/api/v4", "acme%2Fmodels"),
    ("gitlab", "ssh://git@git.acme.com:2222/acme/models", "https://git.acme.com/api/v4", "acme%2Fmodels"),
    ("gitlab", "https://git.acme.com/acme/a b", "https://git.acme.com/api/v4", "acme%2Fa%20b"),
    ("gitea", "http://127.0.0.1:3000/ada/models.git", "http://127.0.0.1:3000/api/v1", "ada/models"),
    ("gitea", "http://[::1]:3000/ada/models", "http://[::1]:3000/api/v1", "ada/models"),
    ("gitea", "https://acme.com/gitea/ada/models", "https://acme.com/gitea/api/v1", "ada/models"),
    ("gitea", "git@codeberg.org:ada/models.git", "https://codeberg.org/api/v1", "ada/models"),
    (
        "bitbucket",
        "https://ada@bitbucket.org/acme/models.git",
        "https://api.bitbucket.org/2.0",
        "acme/models",
    ),
    ("bitbucket", "git@bitbucket.org:acme/models.git", "https://api.bitbucket.org/2.0", "acme/models"),
]


@pytest.mark.parametrize(("provider", "address", "api", "path"), PLACES)
def test_the_api_is_told_from_the_address(provider, address, api, path):
    """However the address is spelled."""
    assert place(provider, address) == Place(api, path)


GIVEN = [
    ("github", "git@work:acme/models", "https://git.acme.com/api/v3/", "acme/models"),
    ("gitlab", "https://acme.com/gitlab/acme/models", "https://acme.com/gitlab/api/v4", "acme%2Fmodels"),
    ("gitlab", "git@acme.com:gitlab/models", "https://acme.com/gitlab/api/v4", "gitlab%2Fmodels"),
    ("gitlab", "https://other.com/gitlab/models", "https://acme.com/gitlab/api/v4", "gitlab%2Fmodels"),
    ("gitea", "ssh://git@10.0.0.7:22/ada/models", "http://10.0.0.7:3000/api/v1", "ada/models"),
    ("bitbucket", "git@work:acme/models", "https://api.bitbucket.org/2.0", "acme/models"),
]


@pytest.mark.parametrize(("provider", "address", "api", "path"), GIVEN)
def test_an_api_that_is_given_is_taken(provider, address, api, path):
    """A root that GitLab is served at stands in web addresses alone."""
    assert place(provider, address, api) == Place(api.rstrip("/"), path)


NONE = [
    ("github", "/srv/git/models", ""),
    ("github", "file:///srv/git/models", ""),
    ("github", "models", ""),
    ("github", "https://github.com/acme", ""),
    ("github", "https://github.com/acme/a/models", ""),
    ("github", "https://github.com/../models", ""),
    ("github", "https://github.com/acme/..", ""),
    ("github", "https://github.com//models", ""),
    ("gitlab", "https://gitlab.com/models", ""),
    ("gitlab", "https://gitlab.com/acme//models", ""),
    ("gitea", "https://codeberg.org/models", ""),
    ("bitbucket", "https://git.acme.com/scm/acme/models", ""),
    ("github", "https://github.com:0/acme/models", ""),
    ("github", "https://github.com:99999/acme/models", ""),
    ("github", "https://☃.example/acme/models", ""),
    ("github", "https://github.com/acme/models", "ftp://api.github.com"),
    ("github", "https://github.com/acme/models", "api.github.com"),
    ("github", "https://github.com/acme/models", "https://ada:hidden@api.github.com"),
    ("github", "https://github.com/acme/models", "https://api.github.com?token=hidden"),
    ("github", "https://github.com/acme/models", "https://☃.example"),
    ("github", "https://ada:hidden@github.com/acme", ""),
]


@pytest.mark.parametrize(("provider", "address", "api"), NONE)
def test_an_address_that_names_no_repository_is_refused(provider, address, api):
    """Without what is secret in it."""
    with pytest.raises(InputError, match="ProviderUnknown") as error:
        place(provider, address, api)
    assert "hidden" not in str(error.value)
