"""The page of a run: one self-contained HTML file that shows how good the tagger is and where it errs."""
