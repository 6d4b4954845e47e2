"""What every test may rely on."""

from __future__ import annotations

import signal

# A shell starts its background jobs with Ctrl-C ignored, and so would be the tests and every build they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
