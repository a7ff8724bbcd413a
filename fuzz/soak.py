"""Many interleavings of the controller's state machine, one after another: ``python -m fuzz.soak``.

SEED names the first story and COUNT how many are told; the same seed tells the same ones. A broken
promise ends it with the seed that tells it again (``tests.reconciler.interleaving.interleave``).
"""

import os
import sys
import time
from collections import Counter

from tests.reconciler.interleaving import interleave


def main() -> int:
    """Tell them; 1 where a promise was broken."""
    seed, count = os.environ.get("SEED", "soak"), int(os.environ.get("COUNT", "100000"))
    started, told, syncs = time.monotonic(), Counter[str](), 0
    for number in range(count):
        story = f"{seed}/{number}"
        try:
            ports = interleave(story)
        except AssertionError as broken:
            print(f"interleaving {story!r}: {broken}", file=sys.stderr)
            return 1
        told.update(ports.told)
        syncs += len(ports.history)
    seconds = time.monotonic() - started
    print(f"{count} interleavings (SEED={seed}) in {seconds:.0f} s: 0 lost pushes, 0 double applies")
    pushes = told["push"] + told["force_push"]
    print(f"{pushes} pushes, {syncs} syncs, {told['restart']} restarts, {told['Removed']} applications left")
    return 0


if __name__ == "__main__":
    sys.exit(main())
