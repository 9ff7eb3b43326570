"""Published datasets of attributes in their own formats, imported as a table and a dataset file."""
