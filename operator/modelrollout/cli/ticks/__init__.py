"""Past ticks as a CSV file: read in bounded memory, and refused with a sentence that names the line."""

from modelrollout.cli.ticks.checks import BadTicks
from modelrollout.cli.ticks.reading import Series, lines_of, read_ticks

__all__ = ["BadTicks", "Series", "lines_of", "read_ticks"]
