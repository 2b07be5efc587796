"""For tests that kill it: `python -m core.billing.payments.providers.simulator PORT FOLDER [WEBHOOK_URL SECRET]`."""

import sys
from pathlib import Path

from core.billing.payments.providers.simulator.main import serve

if __name__ == "__main__":
    url, secret = sys.argv[3:5] if len(sys.argv) > 4 else (None, None)
    serve(port=int(sys.argv[1]), data_dir=Path(sys.argv[2]), webhook_url=url, webhook_secret=secret)
