"""The study's published numbers, and runs beside them."""
