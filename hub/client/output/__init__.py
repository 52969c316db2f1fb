"""What a program prints, read as progress: bytes into lines (`lines`), lines into counts (`reader`), by a table of what
programs print (`formats`) and, where no row of it fits, by evidence (`guesses`). No I/O.
"""

from hub.client.output.lines import Line, Lines
from hub.client.output.reader import Reader
from hub.client.output.reading import Reading

__all__ = ["Line", "Lines", "Reader", "Reading"]
