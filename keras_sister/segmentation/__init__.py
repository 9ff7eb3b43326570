"""Where in a photo the person is: segmenters, how they are trained, and painting the background over."""
