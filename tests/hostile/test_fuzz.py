"""A short run of every fuzz target; ``make fuzz`` is the long one."""

import pytest
from hypothesis import HealthCheck, given, settings

from fuzz.targets import TARGETS
from reconciler.source.sshsig import allowed_signers
from schemas.errors import InputError


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_unforeseen_comes_of_any_input(name: str) -> None:
    """Every border ends in a value or in an error of ours."""
    target = TARGETS[name]

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(target.inputs)
    def check(given: object) -> None:
        target.check(given)

    check()


@pytest.mark.parametrize("moment", ["", "2024", "202401011", "20241301", "x" * 8])
def test_a_moment_that_is_none_is_a_line_that_cannot_be_read(moment: str) -> None:
    """Found by fuzzing: it ended the reading with a KeyError."""
    line = f'ada valid-after="{moment}" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKiS0hYvOpTHTpy6wO0jUaLzvn5TzNfZ7Sfr1oBP4n1a'
    with pytest.raises(InputError, match="AllowedSignersInvalid"):
        allowed_signers(line)
