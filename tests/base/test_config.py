import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adiabat.base import ConfigError
from adiabat.base.config import apply_overrides, dump_config, find_line, load_config, parse_config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\nb = 2\na = 3\n", "line 3: this key or table is given twice\n    a = 3"),
        ("[x]\na = 1\n[x]\nb = 1\n", "line 3: this key or table is given twice"),
        ("a = \n", "line 1: Invalid value"),
        ("a = 0.5 fs\n", "line 1: "),
        ("[x\n", "line 1: "),
        ("a = " + "[" * 5000, "nested too deeply|line 1"),
    ],
)
def test_wrong_toml_is_shown_with_its_line(tmp_path, text, message):
    path = tmp_path / "train.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_files_that_are_no_text(tmp_path):
    for content, message in [(b"a = '\xff'", "UTF-8"), (b"#" * 2**21, "larger"), (b"a = 1\x00", "line 1")]:
        (tmp_path / "x.toml").write_bytes(content)
        with pytest.raises(ConfigError, match=message):
            load_config(tmp_path / "x.toml")
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "nothing.toml")
    with pytest.raises(ConfigError, match="directory"):
        load_config(tmp_path)


def test_overrides():
    config = {"training": {"steps": 10}, "seed": 0}
    changed = apply_overrides(
        config,
        [
            "training.steps=20",
            "data.energy_key=REF_energy",
            "dt = 0.5 fs",
            "flag=true",
            "list=[1, 2]",
            'text="7"',
            "x=1e-3",
        ],
    )
    assert changed == {
        "training": {"steps": 20},
        "seed": 0,
        "data": {"energy_key": "REF_energy"},
        "dt": "0.5 fs",
        "flag": True,
        "list": [1, 2],
        "text": "7",
        "x": 1e-3,
    }
    assert config == {"training": {"steps": 10}, "seed": 0}


@pytest.mark.parametrize("override", ["steps", "=3", "a..b=1", "seed.x=1", "a=[1", "a b=1", 'a="x', ""])
def test_wrong_overrides(override):
    with pytest.raises(ConfigError):
        apply_overrides({"seed": 0}, [override])


def test_a_date_stays_text_and_a_second_line_is_no_second_key():
    assert apply_overrides({}, ["a=2026-01-01"]) == {"a": "2026-01-01"}
    assert apply_overrides({}, ["a=1\nb=2"]) == {"a": "1\nb=2"}


VALUES = st.recursive(
    st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_dump_then_load_gives_the_same(config):
    assert tomllib.loads(dump_config(config)) == config


def test_none_is_left_out():
    assert parse_config(dump_config({"a": None, "b": {"c": None}, "d": 1})) == {"b": {}, "d": 1}


def test_find_line():
    text = (
        'seed = 1\n[training]\nsteps = 3 # x\n"odd key" = 2\n\n[training.loss]\nforce = 1\n[[list]]\na = 1\n'
    )
    assert find_line(text, "seed") == 1
    assert find_line(text, "training.steps") == 3
    assert find_line(text, "training.odd key") == 4
    assert find_line(text, "training.loss.force") == 7
    assert find_line(text, "training.loss") == 6
    assert find_line(text, "training.loss.nothing") is None
    assert find_line(text, "model.size") is None


@given(st.text(max_size=100))
def test_any_text_is_a_table_or_a_config_error(text):
    try:
        assert isinstance(parse_config(text), dict)
    except ConfigError as error:
        assert "line" in str(error)  # noqa: PT017
