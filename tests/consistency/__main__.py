"""`python -m tests.consistency`."""

import sys

from tests.consistency.run import main

sys.exit(main())
