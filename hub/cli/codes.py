"""Exit codes: how the job ended, or why there was none."""

from hub.core.events import State

SUCCEEDED, FAILED, USAGE, CANCELLED, INTERRUPTED, UNREACHABLE, CLOSED, LEFT, UNREAD = 0, 1, 2, 3, 4, 5, 6, 130, 141

OF_STATE = {
    State.SUCCEEDED: SUCCEEDED,
    State.FAILED: FAILED,
    State.CANCELLED: CANCELLED,
    State.INTERRUPTED: INTERRUPTED,
}

HELP = """\
exit codes:
  0    the job succeeded
  1    the job failed
  2    wrong usage, or the hub refused the request
  3    the job was cancelled
  4    the job was interrupted: the hub stopped under it
  5    no hub answers
  6    the hub wants a token, or one that may do more
  130  Ctrl-C; the job goes on
  141  whoever read the output closed it; the job goes on"""
