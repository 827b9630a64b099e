"""Recorders for other libraries' training loops; each module needs its library, and is imported only when used."""
