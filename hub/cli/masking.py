"""What must not be seen of a command and of what it prints. A guard against accidents: what no rule knows is shown."""

import re
from collections.abc import Sequence

from hub.core.redaction import MASK

_NAME = (
    r"(?:[\w.-]*[_.-])?(?:pass|passwd|password|passphrase|token|secret|credentials?|apikey|auth"
    r"|(?:api|access|secret|private)[_-]?key)"
)
_VALUE = r"(?:\"[^\"]*\"|'[^']*'|[^\s\"'&;]+)"
_KEPT = r"(?![\"']?\$)"
"""A variable's name is no secret."""

_URL_USER = re.compile(r"((?:https?://|://[^\s/@:'\"]*:))[^\s/@'\"]+(?=@)")
_SHAPES = re.compile(
    r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeoprs]-[\w-]{10,}|sk-[\w-]{20,}|hf_\w{20,}"
    r"|npm_\w{30,}|pypi-[\w-]{30,}|AKIA[0-9A-Z]{16}|AIza[\w-]{30,}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]*)"
)
"""Tokens that say what they are: of GitHub, GitLab, Slack, OpenAI and others, npm, PyPI, AWS, Google; and JWT."""
_SCHEME = re.compile(r"(?i)\b(bearer|basic) +(?=[^\s\d]*\d)[\w.~+/-]{12,}=*")
"""With a digit in it: `basic authentication` is no secret."""
_HEADER = re.compile(rf"(?i)^((?:(?:proxy-)?authorization|(?:set-)?cookie|{_NAME}|x-[\w-]*key)\s*:\s*){_KEPT}.+$")
_ASSIGNED = re.compile(rf"(?i)(?<![\w.-])(-{{0,2}}{_NAME}=){_KEPT}{_VALUE}")
_QUERY = re.compile(rf"(?i)([?&](?:key|sig|signature|code|[\w.-]*-signature)=){_KEPT}[^\s\"'&;]+")
_OPTION = re.compile(rf"(?i)^--?{_NAME}$")
_IN_SCRIPT = re.compile(rf"(?i)(?<![\w-])(--?{_NAME} +){_KEPT}{_VALUE}")
_USER = re.compile(r"^([^:\s]+:).+$")


def printed(text: str) -> str:
    """A line of output without the secrets that are known by their form."""
    if "://" in text:
        text = _URL_USER.sub(rf"\1{MASK}", text)
    return _SCHEME.sub(rf"\1 {MASK}", _SHAPES.sub(MASK, text))


def arguments(command: Sequence[str]) -> list[str]:
    """A command's words without values that look like secrets: of `--token`, `PASSWORD=`, headers, `user:password@`."""
    shown: list[str] = []
    before = ""
    for word in command:
        if _OPTION.match(before) and not word.startswith(("-", "$")):
            shown.append(MASK)
        elif before in {"-u", "--user", "--proxy-user"}:
            shown.append(_USER.sub(rf"\1{MASK}", word))
        else:
            shown.append(_word(word))
        before = word
    return shown


def _word(text: str) -> str:
    for rule in (_HEADER, _ASSIGNED, _QUERY):
        text = rule.sub(rf"\1{MASK}", text)
    if " " in text:
        text = _IN_SCRIPT.sub(rf"\1{MASK}", text)
    return printed(text)
