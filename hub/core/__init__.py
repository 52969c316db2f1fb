"""What the hub decides: events, states, numbering, cohorts. Standard library only; no I/O, nothing that waits."""
