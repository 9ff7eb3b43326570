"""The paper's tables and figures: the experiments behind each, and our numbers beside the paper's."""
