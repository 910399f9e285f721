"""One YAML file and the environment -> one frozen object. The only package that reads the environment."""

from keeper.config.loader import audit_url, load, loads
from keeper.config.model import Config
from keeper.config.secret import Secret

__all__ = ["Config", "Secret", "audit_url", "load", "loads"]
