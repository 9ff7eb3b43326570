"""The paper's tables and figures, each by one call: what is run, how it is shown, and beside which numbers."""
