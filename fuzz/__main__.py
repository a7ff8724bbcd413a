"""``python -m fuzz [TARGET...]``: each border for SECONDS (60), from new seeds; 1 where something was found.

SEED makes a run start where another one did. What is found is printed with the shortest input that shows it.
"""

import os
import random
import sys
import time
import traceback

from hypothesis import HealthCheck, Phase, given, seed, settings

from fuzz.targets import TARGETS, Target

BATCH = 200


def rounds(target: Target, seconds: float, first: int) -> tuple[int, bool]:
    """Executions, and whether all of them held."""
    executed, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:

        @seed(first + executed)
        @settings(max_examples=BATCH, deadline=None, database=None, phases=(Phase.generate, Phase.shrink),
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(target.inputs)
        def check(given: object) -> None:
            nonlocal executed
            executed += 1
            target.check(given)

        try:
            check()
        except Exception:  # noqa: BLE001 (whatever it is, it is what was looked for)
            traceback.print_exc()
            return executed, False
    return executed, True


def main() -> int:
    """All targets, or those that are named."""
    seconds = float(os.environ.get("SECONDS", "60"))
    first = int(os.environ.get("SEED", random.randrange(2**32)))  # noqa: S311 (no secret)
    held = True
    for name in sys.argv[1:] or TARGETS:
        executed, ok = rounds(TARGETS[name], seconds, first)
        print(
            f"{name}: {executed} executions, {'nothing found' if ok else 'see above'} (SEED={first})",
            flush=True,
        )
        held = held and ok
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
