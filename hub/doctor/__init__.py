"""What `progress-hub doctor` looks at: the machine, the data folder, settings, a repository's URL, the way to a hub.

Each check is a function that returns findings; what they mean for the whole is decided in `findings`.
"""
