"""The table of what programs print about their progress, a row each. First match wins."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from hub.client.output import programs
from hub.client.output.programs import Memory
from hub.client.output.reading import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """`read` gives None for a line that only looks like one of the program's, SILENT for one that counts nothing."""

    program: str
    sign: str
    """In every line of this form: looked for first, because it is cheap."""
    pattern: re.Pattern[str]
    read: Callable[["re.Match[str]", Memory], Reading | None]
    proofs: int = 1
    """How many growing counts it takes to be believed: forms that other things have, too, need more than one."""
    titles: tuple[str, ...] = field(default=())
    """Its phases in their order, where they come in turn; never back to an earlier one."""


GIT_TITLES = (
    "Enumerating objects", "Counting objects", "Compressing objects", "Receiving objects", "Unpacking objects",
    "Writing objects", "Resolving deltas", "Checking connectivity", "Updating files", "Checking out files",
    "Filtering content",
)  # fmt: skip

NUMBER = r"\d+(?:\.\d+)?"
SIZE = rf"{NUMBER}[kKMGTP]?"
FULL_SIZE = rf"{NUMBER} ?[kKMGTP]?i?B"
TIME = r"(?:\d+:)?\d+:\d\d"
CLOCK = r"(?:-+:--:--|\d+:\d\d:\d\d|\d+d \d+h|\d+h \d+m)"

FORMATS: tuple[Format, ...] = (
    Format(
        program="terminal",
        sign="[9;4;",
        pattern=re.compile(r"^\[9;4;(?P<state>[0-4])(?:;(?P<percent>\d{1,3}))?;?\]"),
        read=programs.bar,
    ),
    Format(
        program="git",
        sign="% (",
        pattern=re.compile(
            r"^(?:remote: )?(?P<title>[A-Z][a-z]+(?: [a-z]+){0,3}): +(?P<percent>\d{1,3})% \((?P<n>\d+)/(?P<m>\d+)\)"
            r"(?P<rest>|,.*)$"
        ),
        read=programs.git,
        titles=GIT_TITLES,
    ),
    Format(
        program="tqdm",
        sign="%|",
        pattern=re.compile(
            rf"^(?P<title>.*?)(?:^|: ?|\s)\s*\d{{1,3}}%\|.*\| ?(?P<n>{SIZE})/(?P<m>{SIZE})"
            rf" \[{TIME}<(?:{TIME}|\?|[\d a-z,]+:?[\d:]*), *(?:\?|{SIZE})?(?P<unit>\D*?)/s"
        ),
        read=programs.tqdm,
    ),
    Format(
        program="tqdm",
        sign="%|",  # slower than one a second
        pattern=re.compile(
            rf"^(?P<title>.*?)(?:^|: ?|\s)\s*\d{{1,3}}%\|.*\| ?(?P<n>{SIZE})/(?P<m>{SIZE})"
            rf" \[{TIME}<(?:{TIME}|\?|[\d a-z,]+:?[\d:]*), *{NUMBER}s/(?P<unit>[^\],]*)"
        ),
        read=programs.tqdm,
    ),
    Format(
        program="tqdm",
        sign="/s",
        pattern=re.compile(
            rf"^(?:(?P<title>.*): )?(?P<n>{SIZE}) ?(?P<unit>[^\s\d\[]+) \[{TIME}, *(?:\?|{SIZE}) ?\S*/s[,\]]"
        ),
        read=programs.tqdm,
    ),
    Format(
        program="pip",
        sign="B",
        pattern=re.compile(rf"^\s*[━╸╺]{{10,}} (?P<n>{NUMBER})/(?P<m>{NUMBER}) (?P<unit>[kMG]?B)\b"),
        read=programs.pip,
    ),
    Format(
        program="pip",
        sign="Downloading ",
        pattern=re.compile(r"^\s+Downloading (?:\S*/)?(?P<file>[^/\s]+) \([\d.]+ [kMG]?B\)$"),
        read=programs.pip_file,
    ),
    Format(
        program="rich",
        sign="%",
        pattern=re.compile(r"^(?P<title>.*?)\s*[━╸╺]{5,}\s+(?P<percent>\d{1,3})%(?P<message>.*)$"),
        read=programs.percents("rich"),
    ),
    Format(
        program="curl",
        sign=":",
        pattern=re.compile(
            rf"^ *\d{{1,3}} +(?P<total>{SIZE}) +\d{{1,3}} +(?P<received>{SIZE}) +\d{{1,3}} +(?P<sent>{SIZE})"
            rf" +{SIZE} +{SIZE} +{CLOCK} +{CLOCK} +{CLOCK} +{SIZE}$"
        ),
        read=programs.curl,
    ),
    Format(
        program="curl",
        sign="#",
        pattern=re.compile(r"^[#=O -]+ (?P<percent>\d{1,3}\.\d)%$"),
        read=programs.percents("curl", "Downloading"),
    ),
    Format(
        program="wget",
        sign="%[",
        pattern=re.compile(r"^(?P<message>\S.*?)\s+(?P<percent>\d{1,3})%\[[=><+ ]*\] *[\d.,]+[KMGT]?\s"),
        read=programs.percents("wget", "Downloading"),
    ),
    Format(
        program="wget",
        sign="K .",
        pattern=re.compile(r"^ *\d+K(?: [., ]{10}){1,5} +(?P<percent>\d{1,3})% +[\d.]+[KMG]?[ =]"),
        read=programs.percents("wget", "Downloading"),
    ),
    Format(
        program="rsync",
        sign="B/s",
        pattern=re.compile(
            r"^ *[\d,.]+[KMGT]? +(?P<percent>\d{1,3})% +(?P<rate>[\d.,]+[kKMGT]?B/s) +\d+:\d\d:\d\d"
            r"(?: +\(xfr#\d+, (?:ir|to)-chk=(?P<left>\d+)/(?P<of>\d+)\))? *$"
        ),
        read=programs.rsync,
    ),
    Format(
        program="apt",
        sign="% [",
        pattern=re.compile(r"^(?P<percent>\d{1,3})% \[(?P<message>.*)\](?: +\S+ ?[kMG]?B/s.*)?$"),
        read=programs.percents("apt", "Downloading"),
    ),
    Format(
        program="apt",
        sign="Progress: [",
        pattern=re.compile(r"^Progress: \[(?P<percent>[ \d]{3})%\]"),
        read=programs.percents("apt", "Installing"),
    ),
    Format(
        program="docker",
        sign=": ",
        pattern=re.compile(
            r"^(?P<layer>[0-9a-f]{12}): (?P<what>Pulling fs layer|Waiting|Downloading|Verifying Checksum"
            rf"|Download complete|Extracting|Pull complete|Already exists)"
            rf"(?: +\[[=> ]*\] +(?P<n>{FULL_SIZE})/(?P<m>{FULL_SIZE}))? *$"
        ),
        read=programs.layers,
    ),
    Format(
        program="docker",
        sign="Step ",
        pattern=re.compile(r"^Step (?P<n>\d+)/(?P<m>\d+) : (?P<message>.*)$"),
        read=programs.counts("docker", "Building", "steps"),
    ),
    Format(
        program="docker",
        sign="[",
        pattern=re.compile(r"^#\d+ \[(?:[\w.-]+ )? *(?P<n>\d+)/(?P<m>\d+)\] (?P<message>.*)$"),
        read=programs.counts("docker", "Building", "steps"),
    ),
    Format(
        program="cargo",
        sign="] ",
        pattern=re.compile(
            r"^ *(?:Building|Fetch|Updating|Checking) \[[=> ]*\] (?P<n>\d+)/(?P<m>\d+):?(?P<message>.*)"
        ),
        read=programs.counts("cargo", "Building", "crates"),
    ),
    Format(
        program="pytest",
        sign="%]",
        pattern=re.compile(r"^(?:\S.* |[.sxXFE]+ +)\[(?P<percent>[ \d]{3})%\]$"),
        read=programs.percents("pytest", "Testing"),
        proofs=2,
    ),
    Format(
        program="make",
        sign="%] ",
        pattern=re.compile(r"^\[(?P<percent>[ \d]{3})%\] (?P<message>.*)$"),
        read=programs.percents("make", "Building"),
        proofs=2,
    ),
    Format(
        program="ninja",
        sign="] ",
        pattern=re.compile(r"^\[ *(?P<n>\d+)/(?P<m>\d+)\] (?P<message>.*)$"),
        read=programs.counts("ninja", "Building", "steps"),
        proofs=2,
    ),
    Format(
        program="aria2",
        sign="CN:",
        pattern=re.compile(rf"^\[#[0-9a-f]{{6}} (?P<n>{NUMBER}[KMGT]?i?B)/(?P<m>{NUMBER}[KMGT]?i?B)\(\d+%\) CN:"),
        read=programs.sizes("aria2", "Downloading"),
    ),
    Format(
        program="yt-dlp",
        sign="[download]",
        pattern=re.compile(r"^\[download\] +(?P<percent>\d{1,3}\.\d)% of +(?P<message>.*)$"),
        read=programs.percents("yt-dlp", "Downloading", is_whole=False),
    ),
    Format(
        program="dd",
        sign="copied, ",
        pattern=re.compile(r"^(?P<n>\d+) bytes \([^)]*\) copied, [\d.e+-]+ s, (?P<message>.*)$"),
        read=programs.sizes("dd", "Copying"),
    ),
)
