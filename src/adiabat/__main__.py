"""`python -m adiabat` is the command line."""

from adiabat.cli.main import main

main()
