"""What was shown is what happens: hundreds of merges under the production controller.

``make soak`` tells thousands; a seed tells the same story again (:mod:`tests.preview.fidelity`).
"""

import os

from tests.preview.fidelity import tell, total

STORIES = int(os.environ.get("FIDELITY", "40"))
SEED = os.environ.get("SEED", "suite")
MOST_CHANGED = 0.05


def test_servers_and_routes_report_what_the_preview_showed():
    """Equal, but for few merges before which something is known to have changed; and a sync's record says that its
    plan is the one that was shown."""
    told = total(tell(f"{SEED}/{number}") for number in range(STORIES))
    assert told.changed <= MOST_CHANGED * (told.equal + told.changed)
    assert told.equal > 3 * STORIES
    assert {"merge", "squash", "rebase", "conflict", "Safe", "ChangesServing", "CannotBePlaced"} <= {
        *told.reached
    }
