"""The settings of a run of `adiabat md`, from the configuration in its folder."""

import os
from collections.abc import Mapping
from typing import Any

from adiabat.base.schema import placed


def recorded(bias: Mapping[str, Any], variables: list[dict[str, Any]]) -> dict[str, Any]:
    """Tables of settings as a configuration holds them, to be read from any folder: what the objects made
    from them cannot tell, such as the files they came from.

    Args:
        bias: its kind and settings.
        variables: kinds and settings of the variables that it is on.
    """
    if bias["kind"] == "none":
        return {}
    from adiabat.sampling import variables as kinds

    limits = {} if bias.get("limits") is None else {"bias": {"limits": bias["limits"]}}
    given = [{name: value for name, value in one.items() if value is not None} for one in variables]
    return {**limits, "variables": [placed(kinds, one, os.getcwd()) for one in given]}


def settings_of_run(config: Mapping[str, Any]) -> dict[str, Any]:
    """What `adiabat md --config` takes for the same run; settings that no run wrote are left as they are.

    A run's configuration also says what was found in files, and describes each replica.
    """
    found = {key: value for key, value in config.items() if key not in ("model_terms", "inner_terms")}
    replicas = found.get("replicas")
    if not isinstance(replicas, list):
        return found
    first, seeds = replicas[0], found.pop("seeds", [0])
    kelvins = [one["integrator"]["temperature"] for one in replicas]
    named = {name: first[name] for name in ("integrator", "barostat", "inner_steps") if name in first}
    found = named | found | {"replicas": len(replicas), "seed": seeds[0]}
    if any(kelvin != kelvins[0] for kelvin in kelvins):
        found["temperatures"] = kelvins
    springs = [one["bias"] for one in replicas if "bias" in one]
    if springs:
        found["bias"] = {**springs[0], **found.get("bias", {})}
        found.setdefault("variables", first["variables"])
    if any(spring != springs[0] for spring in springs):
        centers = [spring["centers"] for spring in springs]
        found["bias"] |= {"kind": "umbrella", "centers": centers}
        del found["replicas"]
    return found
