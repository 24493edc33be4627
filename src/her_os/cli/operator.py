"""Whose loader an operator means: on a machine where her-os is installed, the installed one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from her_os.clients.loader_client import LoaderClient
from her_os.daemons.family import loader_endpoint
from her_os.service.health_probe import reachable_host
from her_os.service.install.layout import Layout, is_installed
from her_os.settings import Settings, load_secrets, load_settings


def operator_settings(config: Path | None) -> Settings:
    """The settings; those of the installation where this is the installed `her-os` and nothing else is asked for."""
    if config is None and "HER_OS_CONFIG" not in os.environ and is_installed():
        config = Layout().config / "her-os.yaml"
    return load_settings(config)


def loader_client(settings: Settings, environ: Mapping[str, str] | None = None) -> LoaderClient:
    """The client of this machine's loader. Raises ConfigError for the secrets, which only root may read there."""
    environ = os.environ if environ is None else environ
    installed = "HER_OS_SECRETS_FILE" not in environ and is_installed()
    secrets = load_secrets(Layout().secrets if installed else settings.environment.secrets_file)
    endpoint = loader_endpoint(settings)
    return LoaderClient(f"http://{reachable_host(endpoint.host)}:{endpoint.port}", secrets.loader_token)
