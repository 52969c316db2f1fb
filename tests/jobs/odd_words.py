"""A job's process that says what its parameter `say` holds, and ends: `hub.jobs.process.PROGRAM`, in a test."""

import json
import sys

if __name__ == "__main__":
    print('{"ready": true}', flush=True)
    print(json.loads(sys.stdin.readline())["params"]["say"], flush=True)
