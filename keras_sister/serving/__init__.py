"""What exports, the catalogue job and the client share: export folders, predictions, and the tagger."""
