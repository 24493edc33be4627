"""A house that is killed while it writes: `python -m tests.household.writing_child LOG`.

It ends one call, begins another and writes turns without end; a number is printed once that turn is in the log.
"""

from __future__ import annotations

import sys
from pathlib import Path

from her_os.household.call_log import CallLog, read_call
from tests.household.house import CALLER, turn


def main(path: Path) -> None:
    log = CallLog(path)
    log.begin("whole", CALLER, mode="full duplex", recording="").end("goodbye", "G722")
    record = log.begin("cut", CALLER, mode="full duplex", recording="")
    number = 0
    while True:
        number += 1
        record.turn_finished(turn(number))
        record.note("timer", f"after turn {number}")
        while not (call := read_call(path, "cut")) or len(call["turns"]) < number:
            pass
        print(number, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
