"""Gate 0.5: the secrets are there, private, and none is empty or an example."""

from __future__ import annotations

from her_os.daemons.preflight.gate import Finding, GateClosed, Machine
from her_os.settings import load_secrets

NUMBER, NAME, MEASURES = 5, "secrets", False


async def check(machine: Machine) -> Finding:
    """Raises ConfigError, which names file and token and what mends it; never what is in it."""
    secrets = load_secrets(machine.secrets_file)
    settings = machine.settings
    missing = [t.secret_name for t in settings.phone.trunks if t.name not in secrets.trunk_passwords]
    if settings.mail.host and settings.mail.user and not secrets.mail_password:
        missing.append("HER_OS_MAIL_PASSWORD")
    if missing:
        raise GateClosed(
            f"{machine.secrets_file} has no {', '.join(missing)}, which the configuration asks for",
            "add a line NAME=value for each",
        )
    return Finding(f"{machine.secrets_file}: each daemon has its token")
