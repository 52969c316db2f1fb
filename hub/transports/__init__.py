"""The three ways out: `ws`, `sse`, `poll`; each is framing and an ending, over the same catch-up and cohorts."""
