"""Floor 5: the only room with typer and rich; one file a command."""
