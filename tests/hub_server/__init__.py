"""A small Hub of models for tests, which huggingface_hub's own client uses unmodified through ``HF_ENDPOINT``.

``HubServer`` runs it in a thread; ``python -m tests.hub_server`` runs it by hand.
"""

from .faults import Answer, Break, Drop, Forge, Packed, Slow, Status
from .server import HubServer

__all__ = ["Answer", "Break", "Drop", "Forge", "HubServer", "Packed", "Slow", "Status"]
