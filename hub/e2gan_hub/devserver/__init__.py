"""A small Hub of models on this machine, which huggingface_hub's own client uses unmodified through ``HF_ENDPOINT``.

``HubServer`` runs it in a thread, for tests; ``e2gan hub-server`` runs it by hand.  The extra ``server`` installs what
it needs.
"""

from e2gan_hub.devserver.faults import Answer, Break, Drop, Forge, Packed, Slow, Status
from e2gan_hub.devserver.server import HubServer

__all__ = ["Answer", "Break", "Drop", "Forge", "HubServer", "Packed", "Slow", "Status"]
