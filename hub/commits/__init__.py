"""Commits, the sessions of work that made them, and the links between the two, in one SQLite file for the hub.

Everything in this folder blocks, so it is called in child processes and in threads. Times inside are whole Unix
seconds, as git has them; `listing` and `sessions` speak the API's milliseconds.
"""
