"""What one line says about progress."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    program: str
    """Whose way of printing it is; the name of a row in the table of formats."""
    title: str = "Running"
    """What is being done, in the program's own words."""
    current: int
    total: int | None = None
    unit: str = ""
    is_whole: bool = True
    """The count is of all there is to do. False: of one thing among nobody knows how many."""
    message: str = ""

    @property
    def is_over(self) -> bool:
        return self.total is not None and self.current >= self.total


def percent(text: str) -> int:
    """0 to 100, floored."""
    return min(100, int(float(text.replace(",", "."))))


_POWERS = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}


def size(text: str, base: int = 1024) -> int:
    """`1.2M`, `600 kB`, `3.4GiB`, `1,234` as a number; a suffix counts in powers of `base`, or of 1024 after an i."""
    text = text.replace(" ", "").replace("\u00a0", "")
    number = text.rstrip("iBkKMGTPb")
    suffix = text[len(number) :].rstrip("Bb")
    if suffix.endswith("i"):
        suffix, base = suffix[:-1], 1024
    whole = number.replace(",", "")
    return int(float(whole or 0) * base ** _POWERS[suffix[:1]])
