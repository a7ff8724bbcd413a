"""From the configuration to the endpoint: which secret is for whom."""

from pathlib import Path

from reconciler.compose import hooks
from reconciler.config_file import load_config


def test_the_configuration_says_who_follows_what_and_whose_secret_counts(tmp_path: Path) -> None:
    """An application's own secret takes the place of the common one."""
    (tmp_path / "common").write_text("c" * 20)
    (tmp_path / "own").write_text("o" * 20)
    (tmp_path / "c.yaml").write_text(
        "applications:\n"
        "  - {name: a, repository: 'https://h/a', revision: main}\n"
        "  - {name: b, repository: 'git@h:b', webhookSecrets: [{file: own}]}\n"
        "webhookSecrets: [{file: common}]\n"
    )
    hinted: list[str] = []
    made = hooks(load_config(tmp_path / "c.yaml"), hinted.append, lambda _: None)
    assert [(f.application, f.repository, f.revision) for f in made.followed()] == [
        ("a", "https://h/a", "main"),
        ("b", "git@h:b", "HEAD"),
    ]
    assert {each.value[:1]: each.applications for each in made.secrets()} == {b"c": {"a"}, b"o": {"b"}}
    made.hint("a")
    assert hinted == ["a"]


def test_without_secrets_there_are_none(tmp_path: Path) -> None:
    """The endpoint is closed by default."""
    (tmp_path / "c.yaml").write_text("applications: [{name: a, repository: r}]\n")
    assert hooks(load_config(tmp_path / "c.yaml"), print, print).secrets() == ()
