"""What is shown of a command and of what it prints."""

import shlex

import pytest

from hub.cli.masking import arguments, printed
from hub.core.redaction import Redactor

TOKEN = "ghp_" + "a1" * 18


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("curl -H 'Authorization: Bearer abc123' x", "curl -H 'Authorization: [redacted]' x"),
        ("curl -H 'X-Api-Key: abc' -u ann:pw x", "curl -H 'X-Api-Key: [redacted]' -u 'ann:[redacted]' x"),
        ("curl https://h/x?key=abc&page=2", "curl 'https://h/x?key=[redacted]&page=2'"),
        ("git clone https://ann:pw@h/x", "git clone 'https://[redacted]@h/x'"),
        ("git clone https://abc@h/x", "git clone 'https://[redacted]@h/x'"),
        ("psql postgres://me:pw@db/x", "psql 'postgres://me:[redacted]@db/x'"),
        ("tool --token abc --api-key=def", "tool --token '[redacted]' '--api-key=[redacted]'"),
        ("env DB_PASSWORD=pw make", "env 'DB_PASSWORD=[redacted]' make"),
        ("env AWS_SECRET_ACCESS_KEY=abc make", "env 'AWS_SECRET_ACCESS_KEY=[redacted]' make"),
        ("sh -c 'TOKEN=abc tool --password hunter2 -v'", "sh -c 'TOKEN=[redacted] tool --password [redacted] -v'"),
        (f"tool {TOKEN}", "tool '[redacted]'"),
    ],
)  # fmt: skip
def test_what_looks_like_a_secret_is_masked(command, shown):
    assert shlex.join(arguments(shlex.split(command))) == shown


@pytest.mark.parametrize(
    "command",
    [
        "git clone ssh://git@example.org/x", "git clone git@example.org:x", "sh -c 'curl \"https://h/x?key=$TOKEN\"'",
        "train --tokenizer gpt --max-tokens=500 --author=ann", "tool --token -v", "make all", "ssh -p 22 host",
        "sh -c 'PASSWORD=$1 tool'", "docker run -u 1000 x",
    ],
)  # fmt: skip
def test_what_is_none_is_shown(command):
    words = shlex.split(command)
    assert arguments(words) == words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("fatal: unable to access 'https://ann:pw@h/x'", "fatal: unable to access 'https://[redacted]@h/x'"),
        (f"using {TOKEN}.", "using [redacted]."),
        ("> authorization: Bearer abc123def456", "> authorization: Bearer [redacted]"),
        ("basic authentication is on, 3 tokens: 40%", "basic authentication is on, 3 tokens: 40%"),
    ],
)
def test_a_printed_line_is_masked_where_its_form_is_certain(text, shown):
    assert printed(text) == shown


def test_what_was_named_as_a_secret_is_masked_also_where_its_words_are_quoted():
    redactor = Redactor()
    redactor.add(['it\'s so "secret"'])
    assert arguments([redactor.text(word) for word in ["echo", 'it\'s so "secret"']]) == ["echo", "[redacted]"]
