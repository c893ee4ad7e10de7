"""What has no derivatives says so."""

from collections.abc import Callable
from typing import Any

import jax

from adiabat.base import UnsupportedError


def refuse_derivatives(*arguments: Any) -> None:
    """Raises UnsupportedError when a derivative by one of these is asked for; they are what JAX hands to the
    forward rule of a function with symbolic zeros."""
    if any(argument.perturbed for argument in arguments):
        raise UnsupportedError(
            "a potential prepared for many calls has no second derivatives",
            "take the one it was prepared from",
        )


def is_argument(x: Any) -> bool:
    """Whether it is such an argument."""
    return hasattr(x, "perturbed")


def without_derivatives(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of arrays that refuses derivatives in our words."""
    wrapped = jax.custom_vjp(function)

    def forward(*arguments):
        refuse_derivatives(*arguments)
        return function(*[argument.value for argument in arguments]), len(arguments)

    wrapped.defvjp(forward, lambda n_arguments, _: (None,) * n_arguments, symbolic_zeros=True)
    return wrapped
