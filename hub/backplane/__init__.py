"""How hubs share events. Contract: `hub.core.ports.Backplane`; siblings here are its implementations."""
