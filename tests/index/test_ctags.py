"""Symbols against those of Universal Ctags, one by one: where the two differ, the tables below say why."""

import collections
import json
import subprocess
import sysconfig
from pathlib import Path

import numpy as np
import pytest

from hub.index import languages
from hub.index.symbols import symbols
from tests.index.test_symbols import SAMPLES
from tests.jobs.conftest import needs

LIBRARY = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
HEADERS = sorted(Path(np.__file__).parent.rglob("*.h"))
EXTENSIONS = {
    "python": "py", "javascript": "js", "typescript": "ts", "go": "go", "rust": "rs", "java": "java", "c": "c",
    "cpp": "cpp", "ruby": "rb", "php": "php", "csharp": "cs", "bash": "sh",
}  # fmt: skip

KINDS = {
    "alias": {"type"}, "class": {"class"}, "const": {"constant"}, "constant": {"constant", "variable"},
    "define": {"constant"}, "enum": {"enum"}, "enumerator": {"constant"}, "enumConstant": {"constant"},
    "field": {"field", "variable", "method", "function"}, "func": {"function", "method"},
    "function": {"function", "method", "variable"}, "interface": {"interface", "trait"}, "macro": {"macro"},
    "member": {"method"}, "method": {"method", "function", "class", "type"}, "methodSpec": {"method"},
    "module": {"module"}, "namespace": {"module"}, "package": {"module"}, "property": {"field"},
    "singletonMethod": {"method"}, "struct": {"struct"}, "trait": {"trait"}, "type": {"type"}, "typedef": {"type"},
    "union": {"union"}, "var": {"variable"}, "variable": {"variable", "field"},
}  # fmt: skip
"""What we call a kind of ctags. To it a lambda with a name is a function, a record of Java and a delegate of C# are
methods, and what `const` holds in JavaScript is a field or a method of the class before."""

ONLY_CTAGS = {
    ("python", "namespace"): "an import under another name defines nothing",
    ("python", "unknown"): "an import under another name defines nothing",
    ("python", "variable"): "deeper than one `if` or `try` of a module: a step of what it does, and no definition",
    ("python", "function"): "a lambda with a name is a variable, and within functions local",
    ("javascript", "field"): "`module.exports` is no field",
    ("javascript", "method"): "#hidden is called so, and not `hidden`",
    ("go", "package"): "a package is no definition in each of its files",
    ("go", "member"): "fields of a struct are found as text",
    ("rust", "field"): "fields of a struct are found as text",
    ("rust", "implementation"): "an `impl` is the parent of what is in it",
    ("c", "member"): "fields of a struct are found as text",
    ("cpp", "member"): "fields of a struct are found as text",
    ("cpp", "function"): "an operator is called as it is written, without a space",
    ("c", "struct"): "ctags makes up names for what has none",
    ("c", "union"): "ctags makes up names for what has none",
    ("c", "enum"): "ctags makes up names for what has none",
    ("c", "variable"): "declared where macros stand for a part of the declaration",
    ("c", "function"): "defined where macros stand for a part of the definition",
    ("c", "typedef"): "defined where macros stand for a part of the definition",
}
ONLY_OURS = {
    ("python", "variable"): "ctags knows no annotation without a value, and one name of a branch",
    ("javascript", "method"): "ctags knows no methods of objects, and #hidden by another name",
    ("typescript", "variable"): "ctags knows no constant that is exported",
    ("rust", "constant"): "ctags knows no constants",
    ("cpp", "method"): "declared in the class, where ctags waits for the definition; and operators, see above",
    ("php", "enum"): "younger than ctags' parser",
    ("php", "constant"): "younger than ctags' parser",
    ("csharp", "field"): "ctags leaves out fields", ("csharp", "method"): "ctags leaves out what is private",
    ("csharp", "constant"): "ctags takes the one constant on the line of its enum for nothing",
    ("bash", "variable"): "ctags knows functions only",
    ("c", "variable"): "`MACRO type name;`, of which the grammar takes the type for the name",
    ("c", "function"): "a declaration begins with a macro that is called as a function",
    ("c", "macro"): "ctags has not read a line that another branch of an `#if` holds",
}  # fmt: skip
MOST = {"python": 0.02, "c": 0.03}
"""Of the definitions of real files, apart from what ctags makes up: so many may be explained, no more."""
MADE_UP = ("namespace", "unknown", "member", "struct", "union", "enum")


@pytest.fixture(scope="module", autouse=True)
def ctags():
    needs("ctags")
    said = subprocess.run(["ctags", "--list-features"], capture_output=True, text=True, check=False).stdout
    if "json" not in said:
        pytest.fail("ctags is not Universal Ctags with JSON (apt install universal-ctags)")


def tags(files):
    command = ["ctags", "--options=NONE", "--output-format=json", "--fields=+neK", "--sort=no", "-f", "-", "-L", "-"]
    listed = "\n".join(map(str, files))
    done = subprocess.run(command, input=listed, capture_output=True, text=True, errors="replace", check=True)
    found = collections.defaultdict(dict)
    for line in done.stdout.splitlines():
        tag = json.loads(line)
        if tag["_type"] == "tag":
            found[tag["path"]][tag["name"], tag["line"]] = tag
    return found


def compared(language, files):
    """What only ctags has, what only we have, by kind; and how many both."""
    theirs_of = tags(files)
    theirs_alone, ours_alone, both = collections.Counter(), collections.Counter(), 0
    for file in files:
        text = file.read_bytes()
        ours = {(one.name, one.line): one for one in symbols(language, text)}
        theirs = theirs_of[str(file)]
        for key in ours.keys() & theirs.keys():
            both += 1
            one, tag = ours[key], theirs[key]
            assert one.kind in KINDS[tag["kind"]], (file, key, tag["kind"], one.kind)
            assert tag.get("end", one.end_line) == one.end_line or ends_with_words(text, tag["end"], one), (file, key)
        theirs_alone.update(theirs[key]["kind"] for key in theirs.keys() - ours.keys())
        ours_alone.update(ours[key].kind for key in ours.keys() - theirs.keys())
    return theirs_alone, ours_alone, both


def ends_with_words(text, end, one):
    """ctags does not count a comment at a definition's end to it."""
    rest = text.split(b"\n")[end : one.end_line]
    return all(not line.strip() or line.strip().startswith(b"#") for line in rest)


@pytest.mark.parametrize("language", EXTENSIONS)
def test_the_samples_of_every_language_are_known_alike(language, tmp_path):
    file = tmp_path / f"sample.{EXTENSIONS[language]}"
    file.write_text(SAMPLES[language][0])
    theirs, ours, both = compared(language, [file])
    assert {(language, kind) for kind in theirs} <= ONLY_CTAGS.keys()
    assert {(language, kind) for kind in ours} <= ONLY_OURS.keys()
    assert both >= 2


@pytest.mark.parametrize(("language", "files"), [("python", LIBRARY), ("c", HEADERS)])
def test_real_files_are_known_alike(language, files):
    files = [file for file in files if languages.by_content(language, file.read_bytes()) == language]
    theirs, ours, both = compared(language, files)
    assert {(language, kind) for kind in theirs} <= ONLY_CTAGS.keys()
    assert {(language, kind) for kind in ours} <= ONLY_OURS.keys()
    assert both > 1500
    alone = sum(count for kind, count in theirs.items() if kind not in MADE_UP)
    assert alone <= MOST[language] * both, theirs
    assert sum(ours.values()) <= MOST[language] * both, ours
