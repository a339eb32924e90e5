"""The HTTP service over index folders."""

from typing import TYPE_CHECKING

from tart.lazy import lazy_names

if TYPE_CHECKING:
    from tart_serve.app import create_app
    from tart_serve.settings import ServiceSettings

__all__ = ["ServiceSettings", "create_app"]

__getattr__ = lazy_names(__name__, {"ServiceSettings": "tart_serve.settings", "create_app": "tart_serve.app"})
