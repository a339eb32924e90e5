"""The few errors that a user can mend.

Each message says what was found, what was wanted and what to do. A command prints it in one line and exits with 2;
the service turns it into a problem document.
"""

from __future__ import annotations


class TartError(Exception):
    """An error that the caller can mend."""


class SourceError(TartError):
    """A corpus that cannot be read: a missing file, a malformed row, an id that stands twice."""


class ModelError(TartError):
    """A model that cannot be found or loaded, or that is no encoder."""


class QueryError(TartError):
    """A query or an instruction that the model cannot take: empty or too long."""


class IndexFolderError(TartError):
    """An index folder that is missing, damaged, foreign, or of another format or model."""


class IndexBusyError(IndexFolderError):
    """An index folder that another process is writing just now."""


class IndexModelError(IndexFolderError):
    """An index that another model, or another input format, made than the one at hand."""


class DependencyError(TartError):
    """A library that this step needs and that is not installed."""
