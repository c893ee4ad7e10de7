"""The Cartesian network in C++ for the CPU: energies and forces many times faster than compiled by XLA.

It is compiled once on each machine that has a C++ compiler (docs/decisions/0003-kernel.md).
"""

from adiabat.networks.kernel.build import kernel
from adiabat.networks.kernel.network import KernelNetwork, accelerated, accelerated_training
from adiabat.networks.kernel.orthogonal import orthogonal_factors

__all__ = ["KernelNetwork", "accelerated", "accelerated_training", "kernel", "orthogonal_factors"]
