"""Data: finding photographs, editing them with teachers, sifting and selecting the edits, writing and reading pairs."""
