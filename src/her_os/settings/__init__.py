"""The only reader of config/*.yaml, of the secrets file and of the environment. Read once, at start."""

from her_os.settings.load import load_settings, read_settings
from her_os.settings.schema import Settings
from her_os.settings.secrets import Secrets, load_secrets

__all__ = ["Secrets", "Settings", "load_secrets", "load_settings", "read_settings"]
