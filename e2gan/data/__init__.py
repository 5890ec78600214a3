"""Data: photographs found, edited by teachers, sifted, selected; pairs written and read."""
