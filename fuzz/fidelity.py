"""Thousands of pull requests, previewed and merged: ``python -m fuzz.fidelity``.

SEED names the first story and MERGES how many pull requests are told at least; the same seed tells the same ones.
A merge that did something else than was shown ends it, with the seed that tells it again.
"""

import logging
import os
import sys
import time

import structlog

from tests.preview.fidelity import PULLS, Told, tell, total


def main() -> int:
    """Tell them; 1 where a merge did something else."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    seed, merges = os.environ.get("SEED", "soak"), int(os.environ.get("MERGES", "20000"))
    started, told = time.monotonic(), Told()
    for number in range(-(-merges // PULLS)):
        try:
            told = total((told, tell(f"{seed}/{number}")))
        except AssertionError as broken:
            print(f"story {seed}/{number}: {broken}", file=sys.stderr)
            return 1
    seconds = time.monotonic() - started
    share = 100 * told.changed / max(1, told.equal + told.changed)
    print(
        f"{told.equal + told.changed} merges (SEED={seed}) in {seconds:.0f} s: {told.equal} did what was shown"
    )
    print(f"{told.changed} ({share:.1f} %) did not, by a named fact; {dict(sorted(told.reached.items()))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
