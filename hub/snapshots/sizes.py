"""Sizes in words."""


def size_text(count: int) -> str:
    """Bytes as people say them: 999 B, 2.4 GB."""
    value, unit = float(count), "B"
    for unit in ("B", "KB", "MB", "GB", "TB", "PB"):  # noqa: B007 - the last one stays when it is that much
        if value < 999.5:
            break
        value /= 1000
    return f"{count} B" if unit == "B" else f"{value:.3g} {unit}" if value >= 9.95 else f"{value:.1f} {unit}"
