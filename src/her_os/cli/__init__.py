"""The operator's commands (`her-os --help`). Each is a module of its own, imported only when it is used."""

from her_os.cli.app import main

__all__ = ["main"]
