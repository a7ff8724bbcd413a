"""A picture of a terminal command: ``python -m scripts.capture PICTURE.svg COMMAND …``.

The command runs for real in a pseudo-terminal of 116 columns; what it printed becomes an SVG. Used
for the README, so that its picture is what people will see.
"""

import os
import pty
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 116


def record(argv: list[str]) -> str:
    """What ``argv`` prints on a terminal; ends the process with the command's status if it failed."""
    output: list[bytes] = []

    def read(descriptor: int) -> bytes:
        data = os.read(descriptor, 65536)
        output.append(data)
        return data

    os.environ.update(COLUMNS=str(COLUMNS), LINES="50", TERM="xterm-256color")
    status = os.waitstatus_to_exitcode(pty.spawn(argv, read))
    if status != 0:
        sys.exit(status)
    return b"".join(output).decode(errors="replace").replace("\r\n", "\n")


def main() -> None:
    """Run the command and write the picture."""
    if len(sys.argv) < 3:
        sys.exit("usage: python -m scripts.capture PICTURE.svg COMMAND [ARGUMENT …]")
    picture, *command = sys.argv[1:]
    text = f"$ {' '.join(command)}\n{record(command)}"
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere)
        console.print(Text.from_ansi(text))
        Path(picture).parent.mkdir(parents=True, exist_ok=True)
        console.save_svg(picture, title="moorage")


if __name__ == "__main__":
    main()
