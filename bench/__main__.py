"""Every measurement of the project, one after the other: ``python -m bench [NAME …]``."""

import importlib
import sys

NAMES = ("placement", "quality", "reconcile", "scale", "gateway", "previews")


def main() -> None:
    """Run the named measurements, or all of them."""
    unknown = sorted(set(sys.argv[1:]) - set(NAMES))
    if unknown:
        sys.exit(f"bench: no measurement {', '.join(unknown)} (known: {', '.join(NAMES)})")
    for name in sys.argv[1:] or NAMES:
        print(f"\n# {name}", flush=True)
        importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
