"""`python -m groove`, the same as `groove`."""

import sys

from groove.commands.main import main

sys.exit(main())
