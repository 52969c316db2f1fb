"""Jobs that other programs run: what they publish is taken here, checked, and told in measure."""
