"""A web site of static files that shows concepts, and edits the visitor's photo with them."""

__version__ = "0.1.0"
