"""What a user may choose for a heat map; importing it loads no Keras."""

METHODS = ("gradient", "occlusion")
"""How a heat map is made: by the gradient of the score, or by hiding parts of the view."""
