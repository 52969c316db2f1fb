"""Backups of a data folder, taken while the hub is at work, and the way back.

A backup holds what the data folder holds, under the same names, and `manifest.json` as its last member: every entry
with its size, mode and SHA-256. So one that was cut short has no manifest, and is refused. It is a `.tar.zst`, or a
folder.

Left out is what lives only as long as a process: locks, logs of SQLite (their contents are in the copies), the work
folders of jobs, and leases.
"""
