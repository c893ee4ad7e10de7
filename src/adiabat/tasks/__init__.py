"""One function per verb: where data, potentials, dynamics, training and reports meet.

No algorithm lives here. `adiabat.train` and the other lazy names of `adiabat` are these functions. They take
quantities in border units (fs, K, GPa) and return plain results; the command line prints them.
"""
