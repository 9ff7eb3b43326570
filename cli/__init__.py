"""The command ``sister-keras``: one file a command, each parses, calls the library, and shows what came back."""
