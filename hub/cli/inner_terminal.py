"""A terminal for a command's output that stands before the real one. It is nobody's controlling terminal, so the
keyboard, its signals and job control stay between the command and the real one.
"""

import contextlib
import fcntl
import os
import struct
import termios

IFLAG, OFLAG, CFLAG, LFLAG, ISPEED, OSPEED, CC = range(7)
"""Where things are in what `termios` gives."""
EXTPROC = 0o200000
TELLS_OF_SETTINGS = 64
"""TIOCPKT_IOCTL of ioctl_tty(2): what a read gives in packet mode when settings were changed, where EXTPROC is set."""


def opened(real: int) -> tuple[int, int]:
    """Our side and the command's of a terminal with the settings of `real`, but that it changes nothing in what passes:
    the real one will do that.
    """
    ours, theirs = os.openpty()
    settings = termios.tcgetattr(real)
    settings[OFLAG] &= ~termios.OPOST
    settings[LFLAG] |= EXTPROC
    termios.tcsetattr(theirs, termios.TCSANOW, settings)
    fcntl.ioctl(ours, termios.TIOCPKT, struct.pack("i", 1))
    fit(ours, real)
    return ours, theirs


def received(ours: int, real: int, limit: int) -> bytes | None:
    """What was written; None where there is nothing but new settings, which `real` has now, too. Raises OSError."""
    packet = os.read(ours, limit)
    if not packet:
        return b""
    if packet[0] & TELLS_OF_SETTINGS:
        _follow(ours, real)
    return packet[1:] or None


def fit(ours: int, real: int) -> None:
    """Have it be as large as `real`."""
    with contextlib.suppress(OSError):
        fcntl.ioctl(ours, termios.TIOCSWINSZ, fcntl.ioctl(real, termios.TIOCGWINSZ, bytes(8)))


def _follow(ours: int, real: int) -> None:
    """Programs that draw whole screens set how keys are read on the terminal that they draw on."""
    with contextlib.suppress(OSError, termios.error):
        wanted, settings = termios.tcgetattr(ours), termios.tcgetattr(real)
        wanted[OFLAG] |= settings[OFLAG] & termios.OPOST
        wanted[LFLAG] &= ~EXTPROC
        termios.tcsetattr(real, termios.TCSANOW, wanted)
