"""`python -m asgi_audit` is the command `asgi-audit`."""

import sys

from asgi_audit.cli import main

sys.exit(main())
