"""The README's plots, from saved figures: `python -m tests.bench --plot`."""

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench import rate, sweep
from tests.bench.contest import title
from tests.bench.figures import Figures
from tests.bench.machine import MissingError

INK = "#7a828c"
"""One grey that reads on white and on black alike: a page's theme does not reach into the images it shows."""
COLOURS = {
    "hub": "#2f81f7",
    "hub:sse": "#a371f7",
    "limit": INK,
    "nchan": "#c98a1b",
    "socket.io": "#e0564f",
    "python-socketio": "#3fa45b",
    "send_str": "#b0699b",
}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small, and in the reader's own font
    "svg.hashsalt": "progress-hub",  # the same figures make the same file
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.25,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
}
FONTS = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
Series = Mapping[str, Sequence[tuple[float, float]]]


def draw(saved: Mapping[str, Figures], folder: Path) -> Iterator[Path]:
    """The images that the saved figures suffice for. Raises MissingError without matplotlib."""
    try:
        import matplotlib as mpl  # noqa: PLC0415 - only who draws needs it
    except ImportError as exc:
        raise MissingError("no matplotlib (pip install 'progress-hub[bench]')") from exc
    mpl.use("svg")
    with mpl.rc_context(STYLE):
        for name, needs, make in IMAGES:
            if needs in saved:
                folder.mkdir(parents=True, exist_ok=True)
                path = folder / f"{name}.svg"
                path.write_text(_svg(make(saved[needs])), encoding="utf-8")
                yield path


def fanout(figures: Figures) -> Any:
    image, (left, right) = _figure(2)
    _panel(left, "Deliveries a second, bursts of 10", _by_size(figures, "deliveries_s"), log="xy")
    _panel(right, f"Latency at {sweep.RATE} events/s, p99, ms", _by_size(figures, "p99_ms"), log="xy")
    _legend(image, left)
    for panel in (left, right):
        panel.set_xlabel("watchers")
    return image


def memory(figures: Figures) -> Any:
    image, [panel] = _figure(1)
    series = {
        name: [(size, size_bytes / 2**20) for size, size_bytes in points]
        for name, points in _by_size(figures, "rss_bytes").items()
        if name != "limit"  # which keeps nothing
    }
    _panel(panel, "Memory that watchers add to the server, MB", series, log="xy")
    panel.set_xlabel("watchers")
    _legend(image, panel)
    return image


def cost(figures: Figures) -> Any:
    image, [panel] = _figure(1)
    series = {
        name: [(pace, rate.of(figures, name, pace) * 100) for pace in figures["rates"]] for name in figures["samples"]
    }
    _panel(panel, f"CPU to tell {figures['watchers']:,} watchers, % of a core", series, log="xy")
    panel.axhline(100, color=INK, linewidth=0.8, linestyle=":")
    panel.set_xlabel("events a second")
    _legend(image, panel)
    return image


IMAGES: Sequence[tuple[str, str, Callable[[Figures], Any]]] = (
    ("fanout", "sweep", fanout),
    ("memory", "sweep", memory),
    ("rate", "rate", cost),
)
"""File, the row it is drawn from, and how."""


def _by_size(figures: Figures, field: str) -> dict[str, list[tuple[int, float]]]:
    return {name: sweep.points(figures, name, field) for name in sweep.measured(figures)}


def _figure(panels: int) -> tuple[Any, Any]:
    from matplotlib import pyplot as plt  # noqa: PLC0415

    image, axes = plt.subplots(1, panels, figsize=(4.4 * panels, 3.3), layout="constrained", squeeze=False)
    return image, axes[0]


def _panel(axes: Any, words: str, series: Series, log: str) -> None:
    from matplotlib.ticker import FuncFormatter, NullLocator  # noqa: PLC0415

    axes.set_title(words)
    for name, points in series.items():
        is_ours = name.startswith("hub")
        axes.plot(
            *zip(*points, strict=True),
            label=title(name),
            color=COLOURS.get(name, INK),
            linewidth=2.2 if is_ours else 1.4,
            linestyle="--" if name == "limit" else "-",
            marker="o",
            markersize=3,
            zorder=3 if is_ours else 2,
        )
    for axis, letter in ((axes.xaxis, "x"), (axes.yaxis, "y")):
        if letter in log:
            getattr(axes, f"set_{letter}scale")("log")
            axis.set_major_formatter(FuncFormatter(lambda value, place: _short(value)))
            axis.set_minor_locator(NullLocator())


def _short(value: float) -> str:
    """0.1, 100, 10 k, 1 M."""
    for size, letter in ((1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _legend(image: Any, axes: Any) -> None:
    """Above the panels, where it hides no line."""
    handles, labels = axes.get_legend_handles_labels()
    image.legend(handles, labels, loc="outside upper left", ncols=3)


def _svg(image: Any) -> str:
    from matplotlib import pyplot as plt  # noqa: PLC0415

    text = io.StringIO()
    image.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(image)
    # Older versions write the size and the family as one.
    named = re.sub(r"font: ([\d.]+px) [^;\"]+", rf"font: \1 {FONTS}", text.getvalue())
    return re.sub(r"font-family: [^;\"]+", f"font-family: {FONTS}", named)
