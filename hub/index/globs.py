"""Path filters: globs as `.gitignore` has them.

*.py        files so called, in any folder
src/*.c     files in `src` itself; a slash within ties the pattern to the top
src/**      all below `src`; so do `src/` and plain `src`
**/test/*   any number of folders in front
!docs/      not those
"""

import re
from collections.abc import Callable, Sequence
from functools import cache


def matcher(globs: Sequence[str]) -> Callable[[str], bool]:
    """Does a path pass? One of the globs has to match, if any is not an exclusion, and none of the exclusions."""
    wanted = [_compiled(glob) for glob in globs if not glob.startswith("!")]
    unwanted = [_compiled(glob[1:]) for glob in globs if glob.startswith("!")]

    def passes(path: str) -> bool:
        is_wanted = not wanted or any(one(path) for one in wanted)
        return is_wanted and not any(one(path) for one in unwanted)

    return passes


@cache
def _compiled(glob: str) -> Callable[[str], object]:
    return re.compile(_source(glob)).match


def _source(glob: str) -> str:
    body = glob.strip("/")
    is_anchored = "/" in glob.rstrip("/")
    out = ["" if is_anchored else "(?:.*/)?"]
    at = 0
    while at < len(body):
        if body.startswith("**/", at):
            out.append("(?:[^/]+/)*")
            at += 3
        elif body.startswith("**", at):
            out.append(".*")
            at += 2
        elif body[at] == "*":
            out.append("[^/]*")
            at += 1
        elif body[at] == "?":
            out.append("[^/]")
            at += 1
        else:
            out.append(re.escape(body[at]))
            at += 1
    # A folder stands for all that is in it.
    return "(?s:" + "".join(out) + r"(?:/.*)?)\Z"
