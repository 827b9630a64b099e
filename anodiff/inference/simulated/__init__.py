"""Which tracks can be simulated? Of the five kinds, and of none of them."""
