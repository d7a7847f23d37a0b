"""A sink carries a Monitor's series somewhere; it changes neither names nor numbers."""
