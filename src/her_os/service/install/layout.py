"""Where an installation keeps what. The unit files name the same places."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """All paths, below `root` (`/` on a machine)."""

    root: Path = Path("/")

    @property
    def program(self) -> Path:
        """The virtual environment's folder and helpers; replaced by an upgrade."""
        return self.root / "opt/her-os"

    @property
    def venv(self) -> Path:
        return self.program / "venv"

    @property
    def config(self) -> Path:
        """The operator's: kept by an upgrade."""
        return self.root / "etc/her-os"

    @property
    def secrets(self) -> Path:
        return self.config / "secrets.env"

    @property
    def state(self) -> tuple[Path, ...]:
        """Kept by uninstall unless it is asked to purge."""
        return (self.root / "var/lib/her-os", self.root / "var/cache/her-os")

    @property
    def units(self) -> Path:
        """Beside /etc/systemd/system, which stays the operator's."""
        return self.root / "usr/local/lib/systemd/system"

    @property
    def user_units(self) -> Path:
        """Units that people run as themselves."""
        return self.root / "usr/local/lib/systemd/user"

    @property
    def sysusers(self) -> Path:
        return self.root / "usr/local/lib/sysusers.d/her-os.conf"

    @property
    def tmpfiles(self) -> Path:
        return self.root / "usr/local/lib/tmpfiles.d/her-os.conf"

    @property
    def polkit(self) -> Path:
        return self.root / "etc/polkit-1/rules.d/50-her-os.rules"

    @property
    def command(self) -> Path:
        return self.root / "usr/local/bin/her-os"


def is_installed() -> bool:
    """Whether this is the copy that `her-os install` made."""
    return Path(sys.prefix) == Layout().venv


def package_dir() -> Path:
    """The folder of the her_os package that runs now."""
    return Path(str(resources.files("her_os")))


def shipped_units() -> Path:
    """The unit files: in the package, or in the checkout it runs from."""
    packaged = package_dir() / "data" / "systemd"
    return packaged if packaged.is_dir() else package_dir().parents[1] / "systemd"
