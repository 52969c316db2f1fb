import importlib.util

import pytest

from hub.index.languages import LANGUAGES
from hub.index.symbols import KINDS, ParserSlow, query_text, symbols

SAMPLES = {
    "python": (
        (
            "LIMIT = 5\nclass Outer(Base):\n    field = 1\n    def method(self):\n        def inner(): pass\n\n"
            "async def top(): pass\n"
        ),
        [
            "LIMIT variable 1-1",
            "Outer class 2-5",
            "field variable 3-3 Outer",
            "method method 4-5 Outer",
            "inner function 5-5 method",
            "top function 7-7",
        ],
    ),
    "javascript": (
        (
            "class A { run() {} #hidden() {} arrow = () => 1 }\nfunction f() {}\nconst g = () => 1;\n"
            "module.exports.h = function () {};\nexport const limit = 5;\nconst o = { key() {}, other: () => 1 };\n"
        ),
        [
            "A class 1-1",
            "run method 1-1 A",
            "#hidden method 1-1 A",
            "arrow method 1-1 A",
            "f function 2-2",
            "g function 3-3",
            "h function 4-4",
            "limit variable 5-5",
            "o variable 6-6",
            "key method 6-6",
            "other method 6-6",
        ],
    ),
    "typescript": (
        (
            "interface I { m(): void }\ntype T = string;\nenum E { One, Two = 2 }\nnamespace N {\n"
            "  export class C<T> {\n"
            "    m(): void {}\n  }\n}\nabstract class Q { abstract z(): void }\nexport const limit: number = 3;\n"
        ),
        [
            "I interface 1-1",
            "m method 1-1 I",
            "T type 2-2",
            "E enum 3-3",
            "One constant 3-3 E",
            "Two constant 3-3 E",
            "N module 4-8",
            "C class 5-7 N",
            "m method 6-6 C",
            "Q class 9-9",
            "z method 9-9 Q",
            "limit variable 10-10",
        ],
    ),
    "tsx": ("export function View() {\n  return <p>hi</p>;\n}\n", ["View function 1-3"]),
    "go": (
        (
            "package p\nconst Limit = 1\nvar Shared int\ntype T struct { a int }\ntype I interface { M() }\n"
            "type F func()\n"
            "func (t *T) Run() {}\nfunc New() *T {\n\treturn nil\n}\nfunc (g G[K]) All() {}\n"
        ),
        [
            "Limit constant 2-2",
            "Shared variable 3-3",
            "T struct 4-4",
            "I interface 5-5",
            "M method 5-5 I",
            "F type 6-6",
            "Run method 7-7 T",
            "New function 8-10",
            "All method 11-11 G",
        ],
    ),
    "rust": (
        (
            "mod m {\n    pub struct S { a: u8 }\n    impl S {\n        pub fn new() -> S { S { a: 1 } }\n    }\n}\n"
            "trait T { fn must(&self); }\nenum E { One }\nconst C: u8 = 1;\nmacro_rules! mac { () => {} }\n"
            "type A = u8;\n"
            "impl<K> T for Vec<K> { fn must(&self) {} }\n"
        ),
        [
            "m module 1-6",
            "S struct 2-2 m",
            "new method 4-4 S",
            "T trait 7-7",
            "must method 7-7 T",
            "E enum 8-8",
            "One constant 8-8 E",
            "C constant 9-9",
            "mac macro 10-10",
            "A type 11-11",
            "must method 12-12 Vec",
        ],
    ),
    "java": (
        (
            "package a.b;\npublic class C {\n  static final int LIMIT = 1;\n  C() {}\n  void run() {}\n"
            "  enum E { ONE }\n}\n"
            "interface I { void m(); }\nrecord R(int x) {}\n"
        ),
        [
            "a.b module 1-1",
            "C class 2-7 a.b",
            "LIMIT field 3-3 C",
            "C method 4-4 C",
            "run method 5-5 C",
            "E enum 6-6 C",
            "ONE constant 6-6 E",
            "I interface 8-8 a.b",
            "m method 8-8 I",
            "R class 9-9 a.b",
        ],
    ),
    "c": (
        (
            "#define LIMIT 5\n#define MAX(a) (a)\nstruct s { int a; };\ntypedef struct { int b; } t;\n"
            "enum e { ONE, TWO };\n"
            "static int counter = 0;\nint *find(void)\n{\n\treturn 0;\n}\nint declared(void);\n"
            "typedef int (*callback)(int);\n"
        ),
        [
            "LIMIT macro 1-1",
            "MAX macro 2-2",
            "s struct 3-3",
            "t type 4-4",
            "e enum 5-5",
            "ONE constant 5-5 e",
            "TWO constant 5-5 e",
            "counter variable 6-6",
            "find function 7-10",
            "callback type 12-12",
        ],
    ),
    "cpp": (
        (
            "namespace n {\nclass C : public B {\n public:\n  C() {}\n  ~C() {}\n  int run() const { return 1; }\n"
            "  bool operator==(const C &o) const { return true; }\n  int declared();\n};\n}\n"
            "int n::C::declared() { return 2; }\n"
            "template <typename T> T most(T a) { return a; }\nusing Alias = int;\n"
        ),
        [
            "n module 1-10",
            "C class 2-9 n",
            "C method 4-4 C",
            "~C method 5-5 C",
            "run method 6-6 C",
            "operator== method 7-7 C",
            "declared method 8-8 C",
            "declared function 11-11 n::C",
            "most function 12-12",
            "Alias type 13-13",
        ],
    ),
    "ruby": (
        "module M\n  class C < B\n    LIMIT = 1\n    def run(x)\n    end\n    def self.make\n    end\n  end\nend\n",
        ["M module 1-9", "C class 2-8 M", "LIMIT constant 3-3 C", "run method 4-5 C", "make method 6-7 C"],
    ),
    "php": (
        (
            "<?php\nnamespace A\\B;\ninterface I { function m(); }\ntrait T {}\nclass C {\n  const X = 1;\n"
            "  private $field;\n"
            "  public function run() {}\n}\nfunction top() {}\nenum E { case One; }\n"
        ),
        [
            "A\\B module 2-2",
            "I interface 3-3 A\\B",
            "m method 3-3 I",
            "T trait 4-4 A\\B",
            "C class 5-9 A\\B",
            "X constant 6-6 C",
            "field field 7-7 C",
            "run method 8-8 C",
            "top function 10-10 A\\B",
            "E enum 11-11 A\\B",
            "One constant 11-11 E",
        ],
    ),
    "csharp": (
        (
            "namespace A.B {\n  public class C {\n    int field;\n    public int P { get; set; }\n"
            "    void Run() {}\n    C() {}\n  }\n"
            "  struct S {}\n  interface I { void M(); }\n  enum E { One }\n  delegate void D();\n}\n"
        ),
        [
            "A.B module 1-12",
            "C class 2-7 A.B",
            "field field 3-3 C",
            "P field 4-4 C",
            "Run method 5-5 C",
            "C method 6-6 C",
            "S struct 8-8 A.B",
            "I interface 9-9 A.B",
            "M method 9-9 I",
            "E enum 10-10 A.B",
            "One constant 10-10 E",
            "D type 11-11 A.B",
        ],
    ),
    "bash": (
        "LIMIT=5\nexport SHARED=1\nrun() {\n  local x=1\n}\nfunction other {\n  :\n}\n",
        ["LIMIT variable 1-1", "SHARED variable 2-2", "run function 3-5", "other function 6-8"],
    ),
}
PARSED = [language.name for language in LANGUAGES if language.grammar]


def told(language, text):
    return [
        f"{one.name} {one.kind} {one.line}-{one.end_line} {one.parent}".rstrip()
        for one in symbols(language, text.encode())
    ]


@pytest.mark.parametrize("language", PARSED)
def test_definitions_are_found_with_their_kinds_lines_and_parents(language):
    text, expected = SAMPLES[language]
    assert told(language, text) == expected
    assert {line.split()[1] for line in expected} <= set(KINDS)


@pytest.mark.parametrize("language", PARSED)
@pytest.mark.parametrize("text", ["", "\n", "(((((((", "}" * 5000, "\\" * 999, "'\"`" * 50, "\r\n\r\n", "é ß 日本\n"])
def test_broken_text_breaks_nothing(language, text):
    symbols(language, text.encode())


def test_a_language_without_a_parser_has_no_symbols():
    assert symbols("markdown", b"# def x():") == []
    assert symbols("", b"def x():") == []


def test_half_a_definition_is_found_where_the_rest_is_sound():
    assert "good function 3-4" in told("python", "def broken(:\n\ndef good():\n    pass\n")


def test_a_module_that_defines_by_where_it_runs_is_known():
    text = (
        "if a:\n    one = 1\nelif b:\n    two = 1\nelse:\n    three = 1\n"
        "try:\n    four = 1\nexcept E:\n    five = 1\nx, y = 1, 2\ndef f():\n    if a:\n        local = 1\n"
    )
    assert [line.split()[0] for line in told("python", text)] == ["one", "two", "three", "four", "five", "x", "y", "f"]


@pytest.mark.parametrize("language", ["c", "cpp"])
def test_macros_are_known_in_any_branch_in_what_cannot_be_parsed_and_in_no_comment(language):
    branches = "#if A\n" + "".join(f"#elif B{n}\n# define DEEP_{n} {n}\n" for n in range(20)) + "#endif\n"
    found = told(language, branches)
    assert found == [f"DEEP_{n} macro {2 * n + 3}-{2 * n + 3}" for n in range(20)]
    broken = "int f(void) { ((((\n/*\n#define COMMENT 1\n*/\n#define LONG(a) \\\n\t(a) + \\\n\t1\n}\n"
    assert "LONG macro 5-7" in told(language, broken)
    assert not [line for line in told(language, broken) if "COMMENT" in line]


@pytest.mark.parametrize("language", ["c", "cpp"])
def test_a_type_of_functions_is_known_however_it_is_written(language):
    assert told(language, "typedef int (plain)(int);\ntypedef int (*pointer)(int);\ntypedef int bare(int);\n") == [
        "plain type 1-1", "pointer type 2-2", "bare type 3-3",
    ]  # fmt: skip


def test_definitions_in_many_namespaces_are_known():
    text = "".join(f"namespace n{n} {{\n" for n in range(8)) + "class C { void m() {} };\n" + "}\n" * 8
    assert "m method 9-9 C" in told("cpp", text)


def test_a_parser_that_takes_too_long_is_stopped(monkeypatch):
    monkeypatch.setattr("hub.index.symbols._TIMEOUT_S", 0.0)
    with pytest.raises(ParserSlow):
        symbols("python", b"def f():\n    return 1\n" * 10_000)
    monkeypatch.setattr("hub.index.symbols._TIMEOUT_S", 60.0)
    assert told("python", "def f():\n    return 1\n") == ["f function 1-2"]


def test_every_parsed_language_has_its_package_and_its_query():
    for language in LANGUAGES:
        if language.grammar:
            assert importlib.util.find_spec(language.grammar[0])
            assert "@name" in query_text(language.queries or language.name)
