"""The page's files as they are served: without comments, with their line numbers, and named early."""

import gzip
import re
from pathlib import Path

import pytest

from hub.assets import static_dir
from hub.web import page

MOST_FIRST_BYTES = 30_000


def test_comments_become_empty_lines_so_that_an_error_names_the_line_of_the_source():
    kept = b"const url = 'https://x'; /* kept */\n/* a\n*/ let b;\nlet c;\n"
    source = b"/** One\n * two */\nlet a = 1; // kept\n  // gone\n" + kept
    bare = page.without_comments(source)
    assert bare == b"\n\nlet a = 1; // kept\n\n" + kept
    assert bare.count(b"\n") == source.count(b"\n")


@pytest.mark.parametrize("name", [path.relative_to(static_dir()).as_posix() for path in static_dir().rglob("*.js")])
def test_no_text_of_several_lines_holds_what_looks_like_a_comment(name: str):
    source = (static_dir() / name).read_bytes()
    for words in re.findall(rb"`[^`]*`", source):
        assert page.without_comments(words) == words


def test_files_that_are_there_to_be_copied_keep_their_comments(tmp_path: Path):
    write(tmp_path, {"index.html": "", "app.js": "// gone\n", "examples/a.js": "// kept\n"})
    assets = page.load(tmp_path)
    assert (assets["app.js"].plain, assets["examples/a.js"].plain) == (b"\n", b"// kept\n")


def test_the_page_names_the_modules_that_it_needs_at_once_and_no_others(tmp_path: Path):
    write(
        tmp_path,
        {
            "index.html": "<!-- modulepreload -->",
            "app.js": "import { a } from './a.js';\nimport {\n  b,\n} from './views/b.js';\n"
            "const c = () => import('./c.js');\n",
            "a.js": "export { d } from './d.js';\nexport const e = './e.js';\n",
            "views/b.js": "import '../a.js';\n",
            "c.js": "",
            "d.js": "import './app.js';\n",
            "e.js": "",
        },
    )
    named = re.findall(r'rel="modulepreload" href="static/([^"]+)"', page.load(tmp_path)["index.html"].plain.decode())
    assert named == ["a.js", "views/b.js", "d.js"]


def test_the_shared_worker_has_another_address_when_any_file_is_another(tmp_path: Path):
    def address(of: str) -> bytes:
        write(tmp_path, {"index.html": "", "app.js": of, "link/shared.js": "'../hub-worker.js?v=REVISION'"})
        return page.load(tmp_path)["link/shared.js"].plain

    assert re.fullmatch(rb"'\.\./hub-worker\.js\?v=[0-9a-f]{12}'", address("1"))
    assert address("1") == address("1") != address("2")


def test_a_first_visit_is_at_most_30_kb_as_it_is_sent():
    assets = page.load(static_dir())
    first = ["index.html", "styles.css", "app.js"]
    first += re.findall(r'rel="modulepreload" href="static/([^"]+)"', assets["index.html"].plain.decode())
    sizes = {name: len(assets[name].packed) for name in first}
    assert sum(sizes.values()) <= MOST_FIRST_BYTES, sizes
    assert gzip.decompress(assets["app.js"].packed) == assets["app.js"].plain


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
