"""Jobs that start by themselves: when their turns are, and what is kept of them."""
