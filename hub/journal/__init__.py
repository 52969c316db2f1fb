"""What survives the process. Contract: `hub.core.ports.Journal`; `sqlite` is the real one, `memory` its twin."""
