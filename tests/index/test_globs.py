import pytest

from hub.index.globs import matcher


@pytest.mark.parametrize(
    ("globs", "inside", "outside"),
    [
        (["*.py"], ["a.py", "x/y/a.py"], ["a.pyc", "py"]),
        (["src/*.c"], ["src/a.c"], ["lib/src/a.c", "src/x/a.c"]),
        (["src/**"], ["src/a", "src/b/c"], ["lib/src/a"]),
        (["src/"], ["src/a", "x/src/b"], ["srcs/a", "a/srcb"]),
        (["src"], ["src/a", "x/src/b", "src"], ["srcs"]),
        (["/src"], ["src/a"], ["x/src/a"]),
        (["**/test/*"], ["test/a", "x/y/test/a"], ["test"]),
        (["a/**/z"], ["a/z", "a/b/c/z"], ["az", "b/a/z"]),
        (["file?.txt"], ["file1.txt"], ["file.txt", "file/.txt"]),
        (["!docs/"], ["a.md"], ["docs/a.md"]),
        (["*.py", "!test_*"], ["a.py"], ["test_a.py", "a.c"]),
        (["[x].(y)+"], ["[x].(y)+"], ["x.y"]),
        (["***.c"], ["a.c", "b/a.c"], ["a.h"]),
    ],
)
def test_globs_are_those_of_gitignore(globs, inside, outside):
    passes = matcher(globs)
    assert [path for path in inside if not passes(path)] == []
    assert [path for path in outside if passes(path)] == []
