"""The command line: parses, calls a function of `adiabat.tasks`, prints. Nothing else belongs here."""
