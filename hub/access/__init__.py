"""Who may ask: tokens, browsers that have signed in, watch links, and those who guess. It knows no HTTP."""
