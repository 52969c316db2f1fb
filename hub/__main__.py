"""`python -m hub` is `progress-hub`."""

import sys

from hub.cli import main

sys.exit(main())
