"""The command ``moorage``: its commands, and the one place where an error becomes an exit status.

What a command needs is loaded when it runs, so that ``moorage --help`` is quick.
"""

import os
import sys
from collections.abc import Sequence

import typer

from reconciler.cli import app as applications
from reconciler.cli import control, infer, planning, preview, rebalance, repo, rollback, show, validate
from reconciler.cli.exits import FAILED, report

app = typer.Typer(
    name="moorage",
    help="Declarative GitOps for ML model serving: Seldon Core 2 manifests in Git, served models out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (control, applications, rollback, show, planning, preview, rebalance, infer, validate, repo):
    module.register(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments`` (else the process's own) say and give its exit status."""
    try:
        status = app(args=arguments, standalone_mode=False)
        sys.stdout.flush()  # so that a closed pipe is noticed here
    except SystemExit:  # the parser's own way with a closed pipe
        return FAILED
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("MOORAGE_TRACEBACK"):
            raise
        return _usage(error) or report(error)
    return status if isinstance(status, int) else 0


def _usage(error: BaseException) -> int | None:
    """What the argument parser refuses, in its own words."""
    show = getattr(error, "show", None)
    if show is None:
        return None
    show()
    return FAILED


if __name__ == "__main__":
    sys.exit(main())
