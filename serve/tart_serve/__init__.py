"""The HTTP service over index folders."""

from tart_serve.app import create_app
from tart_serve.settings import ServiceSettings

__all__ = ["ServiceSettings", "create_app"]
