"""Progress Hub: runs long repository jobs and shows every watcher the truth about them, live."""

__version__ = "0.1.0"
