"""Which language a file is in: by its name, by its first line, and for C headers by what is in them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    name: str
    """As the filter `lang:` and the API say it."""
    extensions: tuple[str, ...] = ()
    """Lower case, without the dot."""
    files: tuple[str, ...] = ()
    """Whole names of files."""
    interpreters: tuple[str, ...] = ()
    """Programs of a `#!` line, without version numbers."""
    aliases: tuple[str, ...] = ()
    grammar: tuple[str, str] | None = None
    """Module and function of its parser's package; None: no symbols are looked for."""
    queries: str = ""
    """Name of its file in `queries/`; the language's own name when empty."""


def _parsed(name: str, module: str, function: str = "language", **more: tuple[str, ...] | str) -> Language:
    return Language(name=name, grammar=(f"tree_sitter_{module}", function), **more)  # type: ignore[arg-type]


LANGUAGES: tuple[Language, ...] = (
    _parsed("python", "python", extensions=("py", "pyi", "pyw"), files=("SConstruct", "SConscript", "wscript"),
            interpreters=("python", "pypy"), aliases=("py",)),
    _parsed("javascript", "javascript", extensions=("js", "mjs", "cjs", "jsx"), interpreters=("node", "nodejs", "deno"),
            aliases=("js",)),
    _parsed("typescript", "typescript", "language_typescript", extensions=("ts", "mts", "cts"),
            interpreters=("ts-node",), aliases=("ts",)),
    _parsed("tsx", "typescript", "language_tsx", extensions=("tsx",), queries="typescript"),
    _parsed("go", "go", extensions=("go",), aliases=("golang",)),
    _parsed("rust", "rust", extensions=("rs",), aliases=("rs",)),
    _parsed("java", "java", extensions=("java",)),
    _parsed("c", "c", extensions=("c", "h")),
    _parsed("cpp", "cpp", extensions=("cc", "cpp", "cxx", "c++", "hh", "hpp", "hxx", "h++", "ipp", "inl", "tpp", "cu"),
            aliases=("c++",)),
    _parsed("ruby", "ruby", extensions=("rb", "rake", "gemspec", "ru"), interpreters=("ruby", "jruby"),
            files=("Rakefile", "Gemfile", "Guardfile", "Vagrantfile"), aliases=("rb",)),
    _parsed("php", "php", "language_php", extensions=("php", "phtml", "php5"), interpreters=("php",)),
    _parsed("csharp", "c_sharp", extensions=("cs", "csx"), aliases=("c#", "cs")),
    _parsed("bash", "bash", extensions=("sh", "bash", "ksh", "zsh", "bats", "ebuild"),
            files=(".bashrc", ".bash_profile", ".profile", ".zshrc", "PKGBUILD"),
            interpreters=("sh", "bash", "dash", "ksh", "zsh", "ash"), aliases=("sh", "shell")),
    Language(name="lua", extensions=("lua",), interpreters=("lua", "luajit")),
    Language(name="scala", extensions=("scala", "sbt", "sc"), interpreters=("scala",)),
    Language(name="kotlin", extensions=("kt", "kts"), aliases=("kt",)),
    Language(name="assembly", extensions=("s", "asm"), aliases=("asm",)),
    Language(name="cmake", extensions=("cmake",), files=("CMakeLists.txt",)),
    Language(name="css", extensions=("css", "scss", "sass", "less")),
    Language(name="csv", extensions=("csv", "tsv")),
    Language(name="diff", extensions=("diff", "patch")),
    Language(name="docker", extensions=("dockerfile",), files=("Dockerfile", "Containerfile")),
    Language(name="gettext", extensions=("po", "pot")),
    Language(name="html", extensions=("html", "htm", "xhtml", "vue", "svelte")),
    Language(name="ini", extensions=("ini", "cfg", "conf", "properties", "editorconfig")),
    Language(name="json", extensions=("json", "jsonc", "json5", "jsonl", "ndjson", "geojson", "webmanifest")),
    Language(name="make", extensions=("mk", "mak"), files=("Makefile", "makefile", "GNUmakefile"),
             aliases=("makefile",)),
    Language(name="markdown", extensions=("md", "markdown", "mdx"), aliases=("md",)),
    Language(name="perl", extensions=("pl", "pm", "t"), interpreters=("perl",)),
    Language(name="proto", extensions=("proto",), aliases=("protobuf",)),
    Language(name="sql", extensions=("sql",)),
    Language(name="swift", extensions=("swift",)),
    Language(name="tcl", extensions=("tcl",), interpreters=("tclsh", "wish")),
    Language(name="text", extensions=("txt", "rst", "adoc", "asciidoc", "tex", "org"),
             files=("README", "LICENSE", "COPYING", "AUTHORS", "NEWS", "CHANGES", "ChangeLog")),
    Language(name="toml", extensions=("toml",)),
    Language(name="xml", extensions=("xml", "xsd", "xsl", "xslt", "svg", "plist", "csproj", "pom")),
    Language(name="yaml", extensions=("yaml", "yml"), aliases=("yml",)),
)  # fmt: skip
BY_NAME: Mapping[str, Language] = {
    name: language for language in LANGUAGES for name in (language.name, *language.aliases)
}
_BY_EXTENSION = {extension: language.name for language in LANGUAGES for extension in language.extensions}
_BY_FILE = {file: language.name for language in LANGUAGES for file in language.files}
_BY_INTERPRETER = {program: language.name for language in LANGUAGES for program in language.interpreters}

_SHEBANG = re.compile(rb"#![ \t]*(?:\S*/)?(?:env[ \t]+(?:-\S+[ \t]+|\w+=\S*[ \t]+)*)?(?:\S*/)?([A-Za-z+_-]+)")
_CPP = re.compile(rb"^[ \t]*(?:class|namespace|template|using|public:|private:|protected:|constexpr)\b", re.MULTILINE)
_NAMES_END = re.compile(r"\.(?:in|tmpl|template|dist|sample|example|orig)$")


def by_name(path: str) -> str:
    """The language that a file's name speaks of; empty for none."""
    name = path.rpartition("/")[2]
    if found := _BY_FILE.get(name):
        return found
    stem, dot, extension = _NAMES_END.sub("", name).rpartition(".")
    if not dot or not (stem or name in _BY_FILE):
        return ""
    if extension == "C":  # the one place where case tells two languages apart
        return "cpp"
    return _BY_EXTENSION.get(extension.lower(), "")


def by_content(hint: str, text: bytes) -> str:
    """The language of a file whose name says `hint`."""
    if hint == "c" and _CPP.search(text):
        return "cpp"
    if not hint and text.startswith(b"#!") and (match := _SHEBANG.match(text[:256])):
        return _BY_INTERPRETER.get(match[1].decode().rstrip("-_"), "")
    return hint
