"""What is done once per boot, however often the loader itself is restarted: a file in its runtime directory.

The directory lives as long as the boot does: systemd keeps it over a restart and removes it at a stop
(`RuntimeDirectoryPreserve=restart`), and a run in the foreground has a new one each time.
"""

from __future__ import annotations

from pathlib import Path


class OncePerBoot:
    """Claims names in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def claim(self, name: str) -> bool:
        """True for the first one who asks. A folder that cannot be written counts as never claimed."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / f"once-{name}").touch(exist_ok=False)
        except FileExistsError:
            return False
        except OSError:
            return True
        return True
