"""What the `.gitignore` files of a folder leave out, where there is no git that could say so."""

import os
from dataclasses import dataclass

import pathspec

FILE = b".gitignore"
MOST_BYTES = 64 * 1024
"""Of a file of rules. Every path is tried with every rule, and a larger one is not written by hand."""


@dataclass(frozen=True, slots=True)
class Ignores:
    """The rules of one folder, and of those around it up to the project's own."""

    folder: bytes
    """Its path, which ends with a slash unless it is empty."""
    rules: pathspec.GitIgnoreSpec
    above: "Ignores | None" = None

    @classmethod
    def parse(cls, folder: bytes, text: bytes, above: "Ignores | None") -> "Ignores":
        """Lines that are no rule mean nothing, as with git."""
        lines = [line.removesuffix("\r") for line in os.fsdecode(text).removeprefix("\ufeff").split("\n")]
        return cls(folder, pathspec.GitIgnoreSpec.from_lines(line for line in lines if _is_rule(line)), above)

    def leave_out(self, path: bytes, *, is_folder: bool) -> bool:
        """The last rule that matches says so, and the innermost folder's rules go first."""
        here: Ignores | None = self
        while here is not None:
            name = os.fsdecode(path.removeprefix(here.folder)) + ("/" if is_folder else "")
            decided = here.rules.check_file(name).include
            if decided is not None:
                return decided
            here = here.above
        return False


def _is_rule(line: str) -> bool:
    try:
        pathspec.GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True
