"""Where the hub listens, what its connections may cost, and how it begins and ends."""
