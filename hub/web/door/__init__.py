"""Who comes in: from where, as whom, with what rights, and how often."""
