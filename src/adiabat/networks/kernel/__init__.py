"""The Cartesian network in C++ for the CPU: energies and forces many times faster than compiled by XLA.

It is compiled once on each machine that has a C++ compiler, and for inference only: nothing is differentiated
by its weights (docs/decisions/0003-kernel.md).
"""

from adiabat.networks.kernel.network import KernelNetwork, accelerated

__all__ = ["KernelNetwork", "accelerated"]
