"""What the demo's files say: small functions about harbours in several languages, and tide readings."""

import math
import random
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Language:
    suffix: str
    preamble: str
    function: str
    """With `{name}`, `{a}`, `{b}` and `{n}`; braces of the language itself are doubled."""


LANGUAGES = (
    Language(
        ".py",
        '"""{title}."""\n\nfrom dataclasses import dataclass\n',
        """

        def {name}({a}: float, {b}: float = {n}) -> float:
            \"""The {b} that a {a} leaves.\"""
            if {a} > {b}:
                return {a} - {b}
            return round({b} * {n} / 60, 2)
        """,
    ),
    Language(
        ".js",
        "/** {title}. */\n\nimport {{ clamp }} from '../core/clamp.js';\n",
        """
        export function {name}({a}, {b} = {n}) {{
          const rest = {a}.height - {b};
          return rest > 0 ? clamp(rest, 0, {n}) : null;
        }}
        """,
    ),
    Language(
        ".ts",
        "/** {title}. */\n\nexport type Metres = number;\n",
        """
        export function {name}({a}: Metres, {b}: Metres = {n}): Metres | undefined {{
          if ({a} < {b}) return undefined;
          return Math.min({a} - {b}, {n});
        }}
        """,
    ),
    Language(
        ".go",
        "// Package harbour: {title}.\npackage harbour\n",
        """
        // {name} tells how much of the {b} a {a} takes.
        func {name}({a} float64, {b} float64) (float64, error) {{
        \tif {b} == 0 {{
        \t\treturn 0, ErrNo{a}
        \t}}
        \treturn {a} / {b} * {n}, nil
        }}
        """,
    ),
    Language(
        ".rs",
        "//! {title}.\n",
        """
        /// How much of the {b} a {a} takes; `None` when there is none.
        pub fn {name}({a}: f64, {b}: f64) -> Option<f64> {{
            if {b} == 0.0 {{
                return None;
            }}
            Some({a} / {b} * {n}.0)
        }}
        """,
    ),
    Language(
        ".c",
        "/* {title}. */\n#include <math.h>\n",
        """
        double {name}(double {a}, double {b})
        {{
            if ({b} <= 0.0)
                return NAN;
            return fmin({a} / {b}, {n}.0);
        }}
        """,
    ),
    Language(
        ".rb",
        "# {title}.\n",
        """
        def {name}({a}, {b} = {n})
          return if {b}.zero?

          ({a} / {b}).round({n} % 4)
        end
        """,
    ),
    Language(
        ".sh",
        "#!/bin/sh\n# {title}.\nset -eu\n",
        """
        {name}() {{
            {a}=$1
            [ "${a}" -gt {n} ] || return 1
            printf '%s\\n' "${a}"
        }}
        """,
    ),
    Language(
        ".md",
        "# {title}\n",
        """
        ## {name}

        A {a} may wait for its {b} for up to {n} minutes. After that the next {a} is called, and the {b} is
        written down in the book of the day.
        """,
    ),
)


def preamble(language: Language, name: str) -> str:
    return language.preamble.format(title=name.replace("_", " and ").capitalize())


def function(language: Language, chance: random.Random, things: Sequence[str]) -> str:
    a, b = chance.sample(things, 2)
    name = f"{a}_{b}_{chance.choice(('height', 'delay', 'share', 'limit', 'order', 'room'))}_{chance.randint(1, 99)}"
    return textwrap.dedent(language.function).format(name=name, a=a, b=b, n=chance.randint(2, 240))


def readings(chance: random.Random, began_s: int) -> str:
    """Three days of one tide gauge, every ten minutes: a rise and a fall twice a day, and the weather's noise."""
    lines = ["time,height_m,wind_m_s,pressure_hpa"]
    for number in range(432):
        height = 2.4 + 1.9 * math.sin(number * math.tau / 74.5) + chance.uniform(-0.1, 0.1)
        wind, pressure = chance.uniform(0, 14), chance.uniform(995, 1030)
        lines.append(f"{began_s + number * 600},{height:.3f},{wind:.2f},{pressure:.1f}")
    return "\n".join(lines) + "\n"
