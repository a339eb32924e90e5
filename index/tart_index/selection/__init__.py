"""Nearest-neighbour data selection: the rows of a pool that are like some examples of a target."""

from typing import TYPE_CHECKING

from tart.lazy import lazy_names

if TYPE_CHECKING:
    from tart_index.selection.chosen import Chosen, Selection
    from tart_index.selection.examples import Example
    from tart_index.selection.fields import ExampleFields
    from tart_index.selection.layouts import LAYOUT_NAMES
    from tart_index.selection.options import METHODS, SelectionOptions
    from tart_index.selection.output import write_selection
    from tart_index.selection.preparation import Asked, EncoderChoice, prepared, select, select_run
    from tart_index.selection.run import SelectionRun
    from tart_index.selection.sources import Reading

__all__ = [
    "LAYOUT_NAMES",
    "METHODS",
    "Asked",
    "Chosen",
    "EncoderChoice",
    "Example",
    "ExampleFields",
    "Reading",
    "Selection",
    "SelectionOptions",
    "SelectionRun",
    "prepared",
    "select",
    "select_run",
    "write_selection",
]

__getattr__ = lazy_names(
    __name__,
    {
        "LAYOUT_NAMES": "tart_index.selection.layouts",
        "METHODS": "tart_index.selection.options",
        "Chosen": "tart_index.selection.chosen",
        "Example": "tart_index.selection.examples",
        "ExampleFields": "tart_index.selection.fields",
        "Reading": "tart_index.selection.sources",
        "Selection": "tart_index.selection.chosen",
        "SelectionOptions": "tart_index.selection.options",
        "SelectionRun": "tart_index.selection.run",
        "select": "tart_index.selection.preparation",
        "select_run": "tart_index.selection.preparation",
        "Asked": "tart_index.selection.preparation",
        "EncoderChoice": "tart_index.selection.preparation",
        "prepared": "tart_index.selection.preparation",
        "write_selection": "tart_index.selection.output",
    },
)
