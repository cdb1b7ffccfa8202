"""`python -m groove`, the same as `groove`."""

import sys

from groove.cli import main

sys.exit(main())
