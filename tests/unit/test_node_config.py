"""A node file that is wrong is refused with the place and the value."""

from __future__ import annotations

import pytest

from kuroshio.errors import ConfigError
from kuroshio.node import config

GOOD = """
[node]
party = "PHL"
name = "Test"
[[sources]]
name = "ais"
format = "aivdm"
link = "tcp"
port = 4001
"""


def load(tmp_path, text):
    path = tmp_path / "node.toml"
    path.write_text(text)
    return config.load(path)


def test_good_file_has_absolute_paths(tmp_path):
    node = load(tmp_path, GOOD)
    assert node.node.data == tmp_path / "data"
    assert node.sources[0].port == 4001


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace("port = 4001", "prot = 4001"), r"sources\[0\]"),
        (GOOD + "colour = 1\n", r"sources\[0\].colour: unknown key"),
        (GOOD.replace('"PHL"', '"Philippines"'), r"node.party.*Philippines"),
        (GOOD.replace("4001", "70000"), r"sources\[0\].port.*70000"),
        (GOOD.replace('"tcp"', '"carrier-pigeon"'), r"sources\[0\].link.*carrier-pigeon"),
        (GOOD + '[[partners]]\nparty = "PHL"\nurl = "https://x"\n', "own partner"),
        (GOOD + '[[partners]]\nparty = "JPN"\nurl = "http://x"\n', r"partners\[0\].url.*http://x"),
        (GOOD + '[clock]\nstart = "yesterday"\n', "yesterday"),
        (GOOD + '[api]\nhost = "0.0.0.0"\nsign_in = false\n', "loopback"),
        (GOOD.replace("[node]", "[node"), "not TOML"),
    ],
)
def test_faults_name_place_and_value(tmp_path, text, said):
    with pytest.raises(ConfigError, match=said):
        load(tmp_path, text)


def test_absent_file(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        config.load(tmp_path / "absent.toml")
