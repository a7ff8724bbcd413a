"""``moorage rebalance``: moves that would free whole server replicas or place what waits, and their gain.

It shows; with ``--apply`` a running controller executes the very plan that was shown.
"""

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from placement.rebalancing.rebalance import MAX_MOVES
from reconciler.cli.exits import NEGATIVE, OK
from reconciler.cli.options import ConfigOption, ServerOption, TableFormat

if TYPE_CHECKING:  # what a command needs is loaded when it runs
    from placement.inventory import ReplicaId
    from placement.rebalancing.rebalance import Group
    from placement.rebalancing.workplace import Move
    from reconciler.cli.client import ApiClient
    from reconciler.planning.plan import Plan
    from reconciler.planning.rebalancing import RebalanceRun

POLL_SECONDS = 0.3


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(rebalance)


def rebalance(
    max_moves: Annotated[
        int, typer.Option("--max-moves", min=1, max=1000, help="Served model replicas to move at most.")
    ] = MAX_MOVES,
    apply: Annotated[bool, typer.Option("--apply", help="Let the controller do what is shown.")] = False,
    output: Annotated[
        TableFormat, typer.Option("--output", "-o", help="How it is written.")
    ] = TableFormat.table,
    config: ConfigOption = None,
    server: ServerOption = None,
) -> int:
    """Show which moves would free whole server replicas, or place what waits. Serving is never interrupted."""
    from reconciler.cli.output import as_json
    from reconciler.cli.session import answers, controller
    from schemas.codec import encode

    moving = controller(config, server, "moves models") if apply else None
    made = (moving or answers(config, server)).rebalance(max_moves)
    if output is TableFormat.table:
        _show(made, apply=apply)
    run = _apply(moving, made, max_moves) if moving is not None and made.rebalance else None
    if output is TableFormat.json:
        as_json(encode({"plan": made, "run": run}))
    elif run is not None:
        _show_run(run)
    return NEGATIVE if run is not None and run.phase == "Failed" else OK


def _apply(controller: "ApiClient", made: "Plan", max_moves: int) -> "RebalanceRun":
    """Ask for what was shown and wait for its end; who interrupts this does not interrupt that."""
    number = controller.ask_rebalance(max_moves, made.digest).number
    while not (run := controller.rebalance_run()).ended and run.number == number:
        time.sleep(POLL_SECONDS)
    return run


def _show(made: "Plan", *, apply: bool) -> None:
    from reconciler.cli.output import line, say, table

    if not made.rebalance:
        line("nothing to gain")
        return
    rows = [row for group in made.rebalance for row in _rows(group)]
    table(("GAIN", "MOVES", "FROM → TO", "MEMORY"), rows)
    line()
    line(_total(made.rebalance), style="bold")
    if not apply:
        say(f"plan {made.digest[:12]}: nothing is moved without --apply")


def _rows(group: "Group") -> Iterator[tuple[object, ...]]:
    """One row for each move; the first of a group tells what the group is for."""
    from placement.quantity import readable_bytes

    gain, count = _gain(group), str(group.cost[0])
    for move in group.moves:
        yield gain, count, _way(move), readable_bytes(move.memory)
        gain = count = ""


def _gain(group: "Group") -> str:
    placed = [
        f"places {each.namespace}/{each.model} with {_counted(len(each.indices), 'replica')}"
        for each in group.places
    ]
    return "; ".join([*placed, *(f"frees {replica}" for replica in group.frees)])


def _way(move: "Move") -> str:
    """``default/iris: b/0,1 → a/0,2``."""
    return f"{move.namespace}/{move.model}: {_place(move.before)} → {_place(move.after)}"


def _place(replicas: "Sequence[ReplicaId]") -> str:
    return f"{replicas[0].server}/{','.join(str(replica.index) for replica in replicas)}"


def _total(groups: "Sequence[Group]") -> str:
    from placement.quantity import readable_bytes

    freed, placed = sum(len(g.frees) for g in groups), sum(len(g.places) for g in groups)
    moves, memory = sum(g.cost[0] for g in groups), sum(g.cost[1] for g in groups)
    gains = [f"frees {_counted(freed, 'server replica')}"] if freed else []
    gains += [f"places {_counted(placed, 'model')}"] if placed else []
    return f"{' and '.join(gains)} with {_counted(moves, 'move')} of {readable_bytes(memory)}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _show_run(run: "RebalanceRun") -> None:
    from reconciler.cli.output import line

    if run.phase == "Succeeded":
        line("done")
    for step, why in run.results:
        line(f"failed: {step}: {why}", style="red")
