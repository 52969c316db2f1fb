"""HTTP: the one place that knows everybody. `app` wires, `routes` name the URLs, handlers decide nothing."""
