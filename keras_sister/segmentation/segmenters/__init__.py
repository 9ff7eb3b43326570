"""Person segmenters: one class per source of masks, each with the members of `keras_sister.segmenter.Segmenter`."""
