"""Where the secrets of webhooks come from, and whom each is for."""

from pathlib import Path

import pytest

from reconciler.source.secrets import MAX_SECRET, SecretFrom
from reconciler.source.webhook_secrets import MIN_SECRET, WebhookSecrets
from schemas.errors import InputError

LONG = "x" * MIN_SECRET


def kept(folder: Path, name: str, text: str) -> SecretFrom:
    (folder / name).write_text(text)
    return SecretFrom(file=folder / name)


def test_a_file_and_a_variable_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the line's end that editors leave."""
    monkeypatch.setenv("HOOK", "from the environment\n")
    assert kept(tmp_path, "a", "from a file\n").read() == "from a file"
    assert SecretFrom(env="HOOK").read() == "from the environment"


@pytest.mark.parametrize("data", [b"", b" \n", b"\xff", b"x" * (MAX_SECRET + 1)])
def test_what_is_no_secret_is_refused_without_repeating_it(tmp_path: Path, data: bytes) -> None:
    """Empty, no text, too long."""
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(InputError) as caught:
        SecretFrom(file=tmp_path / "a").read()
    assert caught.value.reason == "CredentialUnreadable"
    assert "xx" not in str(caught.value)


@pytest.mark.parametrize(
    "source", [SecretFrom(file=Path("/nonexistent/a")), SecretFrom(env="MOORAGE_NO_SUCH_THING")]
)
def test_an_absent_secret_is_named_by_its_place(source: SecretFrom) -> None:
    """The path or the variable."""
    with pytest.raises(InputError, match=r"nonexistent|MOORAGE_NO_SUCH_THING"):
        source.read()


def test_own_secrets_take_the_place_of_the_common_ones(tmp_path: Path) -> None:
    """The common one no longer opens an application that has its own."""
    common, own = kept(tmp_path, "c", LONG + "c"), kept(tmp_path, "o", LONG + "o")
    found = WebhookSecrets([common], {"a": [own], "b": [], "c": []}).read()
    assert {each.value[-1:]: each.applications for each in found} == {b"c": {"b", "c"}, b"o": {"a"}}


def test_equal_secrets_are_one(tmp_path: Path) -> None:
    """For all of their applications."""
    one, two = kept(tmp_path, "1", LONG), kept(tmp_path, "2", LONG)
    (found,) = WebhookSecrets([], {"a": [one], "b": [two]}).read()
    assert found.applications == {"a", "b"}


def test_a_secret_that_cannot_be_read_leaves_the_others(tmp_path: Path) -> None:
    """Rotation takes one away before its line is gone; one that can be guessed is not used either."""
    good, short = kept(tmp_path, "g", LONG), kept(tmp_path, "s", "short")
    secrets = WebhookSecrets([SecretFrom(file=tmp_path / "gone"), short, good], {"a": []})
    assert [each.value.decode() for each in secrets.read()] == [LONG]


def test_a_changed_file_holds_at_once(tmp_path: Path) -> None:
    """Nobody has to restart anything."""
    source = kept(tmp_path, "a", LONG)
    secrets = WebhookSecrets([source], {"a": []})
    (tmp_path / "a").write_text(LONG + "new")
    assert [each.value.decode() for each in secrets.read()] == [LONG + "new"]
