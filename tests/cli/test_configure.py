"""new, check, schema."""

import tomllib

import pytest

from adiabat.base import ConfigError
from adiabat.tasks import templates

MD = """\
task = "md"
model = "model.safetensors"
structure = "water.xyz"
steps = 200_000

[integrator]
kind = "langevin"
timestep = "2.5e-4 ps"
temperature = "25 °C"
"""


@pytest.mark.parametrize("task", ["md", "train"])
def test_a_template_says_everything_and_reads_back(adiabat, task, tmp_path):
    answer = adiabat("new", task)
    assert answer.code == 0
    config = tomllib.loads(answer.out)
    assert config.pop("task") == task
    flat = adiabat("schema", task, "--flat").json
    for key in flat:
        assert key.rpartition(".")[2] in answer.out, key
    needed = {"md": "model = 'm'\nstructure = 's'\nsteps = 5\n", "train": "[data]\ntrain = ['x.xyz']\n"}[task]
    text = answer.out.replace("[data]\n", needed) if task == "train" else needed + answer.out
    (tmp_path / "x.toml").write_text(text)
    checked = adiabat("check", tmp_path / "x.toml")
    assert checked.code == 0, checked.err
    assert tomllib.loads(checked.out)["task"] == task


@pytest.fixture
def md_toml(tmp_path):
    def write(text=MD):
        (tmp_path / "md.toml").write_text(text)
        return tmp_path / "md.toml"

    return write


def test_check_prints_resolved_values_with_units(adiabat, md_toml):
    answer = adiabat("check", md_toml())
    assert answer.code == 0
    assert tomllib.loads(answer.out) == {
        "task": "md",
        "model": "model.safetensors",
        "structure": "water.xyz",
        "steps": 200000,
        "record_every": 10,
        "seed": 0,
        "integrator": {
            "kind": "langevin",
            "timestep": "0.25 fs",
            "temperature": "298.15 K",
            "friction": "0.01 1/fs",
        },
        "barostat": {"kind": "none"},
        "bias": {"kind": "none"},
        "variables": [],
        "replicas": 1,
        "temperatures": [],
        "exchange_every": 0,
        "solute": [],
        "constraints": "none",
        "inner_steps": 4,
    }
    given = {
        key: value for key, value in adiabat("check", md_toml(), "--json").json.items() if value is not None
    }
    assert given == tomllib.loads(answer.out)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("timestep", "timstep"),
            "line 8: unknown key 'integrator.timstep'\n    timstep = \"2.5e-4 ps\"\n  -> did you mean",
        ),
        (("2.5e-4 ps", "2 bar"), "line 8: integrator.timestep: '2 bar' is not a time"),
        (('"langevin"', '"langevn"'), "line 7: integrator.kind: unknown integrator 'langevn'\n    kind ="),
        (("200_000", '"many"'), "line 4: steps: input should be a valid integer"),
        (("steps = 200_000\n", ""), "the key 'steps' is missing"),
        (("steps", "step"), "line 4: unknown key 'step'"),
        (("[integrator]", "[intergrator]"), "line 6: unknown key 'intergrator'"),
        (("[integrator]", "steps = 3\n[integrator]"), "line 6: this key or table is given twice"),
        (("25 °C", "-300 °C"), "line 9: integrator.temperature: '-300 °C' lies below absolute zero"),
        (("25 °C", "0 K"), "temperature must be"),
        (('task = "md"', 'task = "mdd"'), "did you mean 'md'"),
        (("200_000", "200_000 200"), "line 4"),
    ],
)
def test_check_shows_what_is_wrong_and_where(adiabat, md_toml, change, message):
    answer = adiabat("check", md_toml(MD.replace(*change)))
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err


def test_check_tells_the_task_by_the_keys(adiabat, tmp_path):
    """Also of a file with a mistake in it, whatever the case of its suffix; not of one that could be of
    several."""
    file = tmp_path / "file.TOML"
    for text, task in (
        (MD.replace('task = "md"\n', ""), "md"),
        ('[[terms]]\nkind = "morse"\n', "potential"),
        ('[data]\ntrain = ["a.xyz"]\n[training]\nminutes = 1\n', "train"),
    ):
        file.write_text(text)
        assert adiabat("check", file, "--json").json["task"] == task
    for text, message in (
        ('[[terms]]\nkind = "mores"\n', "did you mean 'morse'"),
        ('[[terms]]\nkind = "morse"\ndepth = "1 Å"\n', "'1 Å' is not an energy: 'Å' measures length"),
        ("[model]\n", "does not say which task it is for\n  -> write task"),
        ("", "does not say which task"),
    ):
        file.write_text(text)
        answer = adiabat("check", file)
        assert (answer.code, answer.out) == (2, "")
        assert message in answer.err


def test_check_of_files_that_are_none(adiabat, tmp_path):
    (tmp_path / "binary.toml").write_bytes(b"\xff\x00")
    for path in (tmp_path / "nothing.toml", tmp_path, tmp_path / "binary.toml"):
        assert adiabat("check", path, "--task", "md").code == 2


def test_unknown_tasks(adiabat):
    for command in ("new", "schema"):
        answer = adiabat(command, "trian")
        assert answer.code == 2
        assert "did you mean 'train'" in answer.err


def test_schema_is_a_json_schema(adiabat):
    schema = adiabat("schema", "md").json
    assert schema["required"] == ["model", "structure", "steps"]
    options = schema["properties"]["integrator"]["oneOf"]
    assert {option["properties"]["kind"]["const"] for option in options} >= {"langevin", "velocity_verlet"}
    assert schema["additionalProperties"] is False
    flat = adiabat("schema", "md", "--flat").json
    assert flat["integrator.timestep"]["unit"] == "fs"
    assert flat["integrator.kind"]["default"] == "langevin"


def test_options_go_over_the_file_and_set_over_both(md_toml):
    settings = templates.settings(
        "md",
        md_toml(),
        {"": {"steps": 7, "seed": None}, "integrator": {"temperature": 400.0}},
        ["integrator.timestep=1 fs", "seed=3"],
    )
    assert (settings["steps"], settings["seed"]) == (7, 3)
    assert settings["integrator"]["temperature"] == "400 K"
    assert settings["integrator"]["timestep"] == "1 fs"


def test_a_file_for_another_task_is_refused(md_toml):
    with pytest.raises(ConfigError, match="holds settings for 'md', not for 'train'"):
        templates.settings("train", md_toml())


def test_an_override_that_is_wrong_is_not_blamed_on_a_line(md_toml):
    with pytest.raises(ConfigError) as caught:
        templates.settings("md", md_toml(), {}, ["integrator.timestp=1"])
    assert "timestp" in caught.value.message
    assert "line" not in caught.value.message
