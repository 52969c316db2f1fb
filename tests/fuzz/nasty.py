"""Inputs that nobody means: bytes, texts, JSON, addresses and headers, as Hypothesis strategies."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, quote_from_bytes

from hypothesis import strategies as st

from hub.web.openapi.document import OPERATIONS, PLACES
from hub.web.openapi.operation import Operation

IDS = (
    "", ".", "..", "../..", "a/b", "a%2fb", "\0", "a\0b", "é", "\u202e", "💥", "x" * 300, "%", "%zz", "all",
    "training", "code",
    "repo", "run-7", "-1", "null", "__proto__", "' OR 1=1 --", "a\r\nX: y", "ALL", "\ud7ff", "CON", "~", "\\", "?",
    "#", ";",
)  # fmt: skip
NUMBERS = (
    "0",
    "-1",
    "1e999",
    "-0",
    "NaN",
    "Infinity",
    "9" * 400,
    "0x10",
    "1_000",
    "\uff11\uff12",
    "1.5",
    " 1",
    "1 ",
    "+1",
    "2" * 18,
    "",
)
CURSORS = (
    "", "0", "-", "--", "-1", "zz", "00000000-0", "ffffffff-1", "5f0c1a2b-17", "5f0c1a2b-999999999999999999",
    "5f0c1a2b--1",
    "\uff11-x", "9" * 30, "AAAA", "W10", "WzAsMCwiIiwwLCIiXQ", "WzEsMiwiYSIsMywiYiJd", "e30", "\ud7ff", "5f0c1a2b-1\0",
)  # fmt: skip
CRONS = (
    "* * * * *", "0 0 31 2 *", "0 0 29 2 *", "60 * * * *", "*/0 * * * *", "1-0 * * * *", "@daily", "* * * *",
    "a b c d e", "0 0 L * *",
    "*/99999999999999999999 * * * *", ",,,, * * * *", "0 0 1 1 8", "0 3 * * 1#6", "* * * * * *", "0-59/59 23 * * sun",
    "\0 * * * *",
)  # fmt: skip
SEARCHES = (
    "(a+)+$", "[", "\\", "(?P<", "(?R)", "lang:", "lang:none x", 'path:"', "path:[ x", "kind:x", '"', '""', '"""',
    "a" * 5000,
    "\\p{L}", "(?i)\ufb03", "x{1000000}", "(?=", ".", "case:no x", "**", "path:" + "*" * 600, "\u2028",
    "lang:python def",
)  # fmt: skip
TIMES = (
    "2026-02-30",
    "1",
    "-1",
    "9" * 20,
    "2026-01-31T18:00:00 02:00",
    "2026-W01-1",
    "0001-01-01",
    "9999-12-31T23:59:59-23:59",
    "T",
    "now",
)
ACCEPTS = (
    "", "*/*", "text/event-stream", "application/json", "text/csv;q=2", "text/csv;q=x", ",,,", "application/x-ndjson",
    "a" * 3000,
    "text/event-stream;q=0", "TEXT/EVENT-STREAM", "image/png", "text/*;q=0.1,*/*;q=nan",
)  # fmt: skip
HEADERS: Mapping[str, tuple[str, ...]] = {
    "Last-Event-ID": CURSORS, "Accept": ACCEPTS, "If-None-Match": ("*", '"x"', 'W/"', "", '"' * 50, 'W/"5f0c1a2b-17"',
    "x,y,,"),
    "Range": ("bytes=0-", "bytes=-1", "bytes=5-2", "bytes=x", "bytes=0-0,2-3", "bytes=99999999999999999999-",
    "items=0-1"),
    "If-Range": ('"x"', "", "Wed, 21 Oct 2015 07:28:00 GMT"), "Idempotency-Key": ("", "k", "é", "k" * 300, "\x7f",
    " k "),
    "Content-Type": ("", "text/plain", "application/json; charset=utf-16", "multipart/form-data", "x" * 200,
    "application/xml"),
    "Content-Encoding": ("gzip", "identity", "br", "x"), "Origin": ("null", "http://evil.example", "http://[", ""),
    "Sec-Fetch-Site": ("cross-site", "same-origin", "x"), "Accept-Encoding": ("gzip", "gzip;q=0", "*", "x" * 100),
    "Cookie": ("hub_session=x", ";;;", "a=b; a=b", "=" * 50, "\x80"), "X-Forwarded-For": ("1.2.3.4", "x", ", ,"),
    "Expect": ("100-continue",), "Access-Control-Request-Method": ("POST", "x"), "Upgrade": ("websocket", "h2c"),
    "Connection": ("Upgrade", "keep-alive, Upgrade"), "Authorization": ("Bearer", "Bearer x", "Basic eDp5", "bearer  "),
}  # fmt: skip

texts = st.one_of(st.text(max_size=20), st.sampled_from([*IDS, *NUMBERS, *CURSORS, *CRONS, *SEARCHES, *TIMES]))
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(2**70), 2**70), st.floats(), texts,
    st.sampled_from([10**400, -(10**18) - 1, 1e308, float("nan"), float("-inf"), [], {}, "\ud800", "x" * 3000]),
)  # fmt: skip
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=8
)
RAW_BODIES = (
    b"", b"[", b"{", b"null", b"[]", b'"x"', b"1e999", b"{}{}", b'{"a":1,"a":2}', b"[" * 50_000, b'{"a":' * 20_000,
    b"\xff\xfe{}",
    b'{"kind":"\xed\xa0\x80"}', b'{"url":"\\ud800"}', b"\xef\xbb\xbf{}", b'{"a":NaN}', b'{"a":' + b"9" * 5000 + b"}",
    b"\0" * 100,
    b'{"events":' + b"[" * 900 + b"]" * 900 + b"}", b"{" + b" " * 60_000 + b"}",
    b'{"events":[' + b"{}," * 1200 + b"{}]}",
)  # fmt: skip


@st.composite
def bodies(draw: st.DrawFn, operation: Operation) -> bytes:
    """Something near to what is wanted, or nothing of the sort."""
    sort = draw(st.integers(0, 9))
    if sort == 0:
        return draw(st.sampled_from(RAW_BODIES))
    if sort == 1:
        return draw(st.binary(max_size=100))
    if sort == 2:
        return json.dumps(draw(values)).encode("utf-8", "surrogatepass")
    names = list((operation.body or {}).get("properties", {})) or ["x"]
    body = json.loads(json.dumps(operation.example if operation.example is not None else {}))
    for _ in range(draw(st.integers(0, 3))):
        body = mutated(draw, body, names)
    text = json.dumps(body, ensure_ascii=draw(st.booleans()))
    if draw(st.integers(0, 9)) == 0:
        text = text.replace("{", '{"x":1,"x":2,', 1)
    return text.encode("utf-8", "surrogatepass")


def mutated(draw: st.DrawFn, body: Any, names: list[str]) -> Any:
    """With one thing in it, at any depth, set to something else, taken out, or put in."""
    if isinstance(body, dict):
        name = draw(st.sampled_from([*body, *names, "zz"]))
        if isinstance(body.get(name), dict | list) and draw(st.booleans()):
            return {
                **body,
                name: mutated(draw, body[name], list(body[name]) if isinstance(body[name], dict) else ["x"]),
            }
        if name in body and draw(st.booleans()):
            return {each: value for each, value in body.items() if each != name}
        return {**body, name: draw(values)}
    if isinstance(body, list) and body:
        at = draw(st.integers(0, len(body) - 1))
        inner = list(body[at]) if isinstance(body[at], dict) and body[at] else ["x"]
        return [*body[:at], mutated(draw, body[at], inner), *body[at + 1 :]]
    return draw(values)


def escaped(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")


@st.composite
def paths(draw: st.DrawFn, operation: Operation, known: Mapping[str, str]) -> str:
    """`known`: of each name in a path, something that is there."""
    parts = []
    for part in operation.path.split("/"):
        if not part.startswith("{"):
            parts.append(part)
            continue
        name = part[1:-1]
        sort = draw(st.integers(0, 4))
        if sort == 0:
            parts.append(quote_from_bytes(draw(st.binary(min_size=1, max_size=12)), safe=""))
        elif sort == 1:
            parts.append(escaped(draw(texts)))
        else:
            parts.append(escaped(known.get(name, PLACES[name][2])))
    return "/".join(parts)


@st.composite
def queries(draw: st.DrawFn, operation: Operation) -> str:
    names = [each.name for each in operation.query] or ["x"]
    found = []
    for _ in range(draw(st.integers(0, 3))):
        name = (
            draw(st.sampled_from([*names, "cursor", "zz"]))
            if draw(st.integers(0, 5)) == 0
            else draw(st.sampled_from(names))
        )
        value = draw(st.sampled_from(FITTING[name])) if name in FITTING and draw(st.booleans()) else draw(texts)
        found.append(f"{escaped(name)}={escaped(value)}")
    if draw(st.integers(0, 20)) == 0:
        found.append(draw(st.sampled_from(["&&", "=", "%", "%00=%00", "a" * 2000, "=&=", "x[]=1", "%ff=%fe"])))
    return "&".join(found)


FITTING: Mapping[str, tuple[str, ...]] = {
    "cursor": CURSORS, "since": (*CURSORS, *TIMES), "until": TIMES, "q": SEARCHES, "limit": NUMBERS, "lines": NUMBERS,
    "wait": ("0", "0.01", "nan"),
    "days": NUMBERS, "min_interval_ms": NUMBERS, "path": ("src", "!x", "**", "[", "../x", "src/parser.py"),
    "path_bytes": ("ff", "0", "zz"),
}  # fmt: skip
headers = st.dictionaries(st.sampled_from(list(HEADERS)), st.integers(0, 30), max_size=3).map(
    lambda found: {name: HEADERS[name][at % len(HEADERS[name])] for name, at in found.items()}
)


@st.composite
def requests(
    draw: st.DrawFn, operations: list[Operation], known: Mapping[str, str]
) -> tuple[str, str, dict[str, str], bytes]:
    """Method, address, headers and body."""
    operation = draw(st.sampled_from(operations))
    path, query = draw(paths(operation, known)), draw(queries(operation))
    method = operation.method
    if draw(st.integers(0, 20)) == 0:
        method = draw(
            st.sampled_from(["HEAD", "OPTIONS", "TRACE", "PUT", "PATCH", "DELETE", "GET", "POST", "PROPFIND", "X"])
        )
    body = draw(bodies(operation)) if operation.body is not None or draw(st.integers(0, 15)) == 0 else b""
    return method, path + (f"?{query}" if query else ""), draw(headers), body


ALL = list(OPERATIONS.values())
