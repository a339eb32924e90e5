"""Streaming corpus readers: from files and folders of many layouts to documents."""

from tart.readers.layouts import read_documents
from tart.readers.options import LAYOUTS, FieldMap, ReadOptions
from tart.readers.rows import ReadReport

__all__ = ["LAYOUTS", "FieldMap", "ReadOptions", "ReadReport", "read_documents"]
