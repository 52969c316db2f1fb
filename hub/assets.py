"""Where the page's files are: beside the package in a checkout, inside it once installed."""

from pathlib import Path

PACKAGE = Path(__file__).parent
PLACES = (PACKAGE / "_static", PACKAGE.parent / "static")


def static_dir() -> Path:
    """The folder that holds `index.html`. Raises FileNotFoundError for an installation without it."""
    for place in PLACES:
        if (place / "index.html").is_file():
            return place
    raise FileNotFoundError(f"The page's files are missing: no index.html in {' or '.join(map(str, PLACES))}.")
