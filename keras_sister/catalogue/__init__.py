"""Tag a catalogue of any size into one table, in a job that can be interrupted and resumed."""
