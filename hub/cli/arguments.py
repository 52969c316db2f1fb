"""What is written on a command line, read."""

import argparse
import json
from typing import Any


def param(text: str) -> tuple[str, Any]:
    """`depth=1`: the value as JSON where it is any, else as it is."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
