"""A web site of static files that shows concepts, and edits the visitor's photos and clips with them."""

__version__ = "0.1.0"
