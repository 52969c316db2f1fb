"""How a line of each program is understood, once it is known to be one: what the rows of `formats` call."""

import re
from collections.abc import Callable
from typing import Any

from hub.client.output.reading import Reading, percent, size

Memory = dict[str, Any]
"""What a row has to remember from line to line."""
SILENT = Reading(program="", current=0)
"""What is read from a line that counts nothing."""


def git(found: "re.Match[str]", memory: Memory) -> Reading | None:
    current, total = int(found["n"]), int(found["m"])
    if not total or current * 100 // total != int(found["percent"]):
        return None
    title = found["title"]
    much = found["rest"].strip(", ").removesuffix("done.").strip(", ")
    return Reading(
        program="git", title=title, current=current, total=total, unit=title.rpartition(" ")[2].lower(), message=much
    )


def tqdm(found: "re.Match[str]", memory: Memory) -> Reading | None:
    """`Epoch 3/10` before a bar makes it the third of ten."""
    named = found.groupdict()
    title = (named["title"] or "").strip()
    current, total = size(named["n"], base=1000), size(named.get("m") or "0", base=1000)
    if total and (turn := re.search(r"(\d+)/(\d+)", title)):
        turn_n, turns = int(turn[1]), int(turn[2])
        first = memory.setdefault("first turn", min(turn_n, 1))
        if first <= turn_n < turns + first:
            current, total = min(current, total) + (turn_n - first) * total, total * turns
    return Reading(
        program="tqdm", title=_title(title) or "Running", current=current, total=total or None,
        unit=_unit(named["unit"] or "it"), message=title,
    )  # fmt: skip


def pip(found: "re.Match[str]", memory: Memory) -> Reading | None:
    current, total = (size(found[name] + found["unit"], base=1000) for name in ("n", "m"))
    return Reading(
        program="pip", title="Downloading", current=current, total=total, unit="bytes", is_whole=False,
        message=memory.get("file", ""),
    )  # fmt: skip


def pip_file(found: "re.Match[str]", memory: Memory) -> Reading | None:
    memory["file"] = found["file"]
    return None


def curl(found: "re.Match[str]", memory: Memory) -> Reading | None:
    total, received, sent = (size(found[name]) for name in ("total", "received", "sent"))
    return Reading(
        program="curl", title="Downloading" if received or not sent else "Uploading", current=received + sent,
        total=max(total, received + sent) if total else None, unit="bytes",
    )  # fmt: skip


def rsync(found: "re.Match[str]", memory: Memory) -> Reading | None:
    """`--info=progress2` counts everything; `--progress` counts each file, and says how many are left."""
    done = percent(found["percent"])
    if found["left"] is not None and memory.get("mode") is None:
        memory["mode"] = "all" if done < 100 or found["left"] == "0" else "each"
    if memory.get("mode") == "each":
        if found["left"] is None:
            return SILENT
        total = int(found["of"])
        return Reading(program="rsync", title="Copying", current=total - int(found["left"]), total=total, unit="files")
    is_whole = memory.get("mode") == "all"
    return Reading(
        program="rsync", title="Copying", current=done, total=100, unit="%", is_whole=is_whole, message=found["rate"]
    )


def layers(found: "re.Match[str]", memory: Memory) -> Reading | None:
    """Layers are named before the first is fetched; each is half done when it is here, and done when unpacked."""
    layers: dict[str, float] = memory.setdefault("layers", {})
    share = 0.0
    if found["n"] and (total := size(found["m"], base=1000)):
        share = min(1.0, size(found["n"], base=1000) / total)
    what = found["what"]
    done = {
        "Downloading": share / 2,
        "Extracting": 0.5 + share / 2,
        "Verifying Checksum": 0.5,
        "Download complete": 0.5,
        "Pull complete": 1.0,
        "Already exists": 1.0,
    }.get(what, 0.0)
    if len(layers) < 1000 or found["layer"] in layers:
        layers[found["layer"]] = max(layers.get(found["layer"], 0.0), done)
    ready = sum(share == 1.0 for share in layers.values())
    whole = int(100 * sum(layers.values()) / len(layers))
    message = f"{ready} of {len(layers)} layers"
    return Reading(program="docker", title="Pulling", current=whole, total=100, unit="%", message=message)


def bar(found: "re.Match[str]", memory: Memory) -> Reading | None:
    """ConEmu's sequence, which terminals draw on their tabs: `9;4;STATE;PERCENT`; 1 is going, 2 failed, 4 paused."""
    if found["state"] not in "124" or not found["percent"]:
        return SILENT
    return Reading(program="terminal", title="Running", current=percent(found["percent"]), total=100, unit="%")


def percents(program: str, title: str = "Running", *, is_whole: bool = True) -> Callable[..., Reading]:
    """Of a pattern with a group `percent`, and perhaps `title` and `message`."""

    def read(found: "re.Match[str]", memory: Memory) -> Reading:
        named = found.groupdict()
        return Reading(
            program=program, title=_title(named.get("title")) or title, current=percent(found["percent"]), total=100,
            unit="%", is_whole=is_whole, message=(named.get("message") or "").strip(),
        )  # fmt: skip

    return read


def counts(program: str, title: str, unit: str) -> Callable[..., Reading | None]:
    """Of a pattern with groups `n` and `m`, and perhaps `message`."""

    def read(found: "re.Match[str]", memory: Memory) -> Reading | None:
        current, total = int(found["n"]), int(found["m"])
        if total < 2 or current > total:
            return None
        message = (found.groupdict().get("message") or "").strip()
        return Reading(program=program, title=title, current=current, total=total, unit=unit, message=message)

    return read


def sizes(program: str, title: str, base: int = 1024, *, is_whole: bool = True) -> Callable[..., Reading]:
    """Of a pattern with a group `n`, and perhaps `m` and `message`."""

    def read(found: "re.Match[str]", memory: Memory) -> Reading:
        named = found.groupdict()
        total = size(named["m"], base) if named.get("m") else None
        return Reading(
            program=program, title=title, current=size(found["n"], base), total=total, unit="bytes", is_whole=is_whole,
            message=(named.get("message") or "").strip(),
        )  # fmt: skip

    return read


def _title(text: str | None) -> str:
    """What a bar is called, without the numbers in it that change."""
    return re.sub(r"[\s:=,|([-]*[\d.,/%]*\d[\d.,/%]*\s*[\])]?\s*$", "", (text or "").strip()).strip(" :")[:60]


def _unit(name: str) -> str:
    return {"it": "", "B": "bytes"}.get(name.strip(), name.strip())
