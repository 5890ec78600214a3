"""``python -m tests.hub_server --port 8000 --folder DIR``: the Hub on this machine, to try things out."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import HubServer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.hub_server", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--folder", type=Path, required=True, help="where the repositories are kept")
    parser.add_argument(
        "--token",
        action="append",
        metavar="NAME=TOKEN",
        help="an account and its token; may be repeated (default: me=hf_me)",
    )
    options = parser.parse_args()
    tokens = dict(pair.split("=", 1) for pair in options.token or ["me=hf_me"])
    hub = HubServer(options.folder, tokens, options.port).start()
    (name, token), *others = tokens.items()
    print(f"A Hub for tests is running, with the account {name}. In another terminal:\n")
    print(f"  export HF_ENDPOINT={hub.endpoint} HF_TOKEN={token}")
    print(f"  export HF_HOME={options.folder.resolve() / 'home'} HF_HUB_DISABLE_XET=1")
    for name, token in others:
        print(f"  export HF_TOKEN={token}    # to be {name}")
    print("\nCtrl-C ends it.", flush=True)
    try:
        hub.wait()
    except KeyboardInterrupt:
        hub.stop()


if __name__ == "__main__":
    main()
