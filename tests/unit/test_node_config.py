"""A node file that is wrong is refused with the place and the value."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kuroshio.errors import ConfigError
from kuroshio.node import assemble, config
from kuroshio.node.linking import build_link

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


SOURCE = """
[node]
party = "PHL"
name = "Test"
[[sources]]
name = "s"
"""


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('link = "tcp"\nformat = "aivdm"', "link 'tcp' needs a port"),
        ('link = "udp"\nformat = "aivdm"\nport = 0', "port that senders know"),
        ('link = "tail"\nformat = "aivdm"', "link 'tail' needs a path"),
        ('link = "http"\nformat = "aivdm"', "link 'http' needs a url"),
        ('link = "mqtt"\nformat = "aivdm"\nurl = "mqtt://h"', "link 'mqtt' needs topics"),
        ('link = "tcp"\nformat = "aivdm"\nport = 1\ngroup = "239.1.1.1"', "group means nothing for link 'tcp'"),
        ('link = "push"\nformat = "aivdm"\nhost = "0.0.0.0"', "host means nothing for link 'push'; it belongs to tcp"),
        ('link = "udp"\nformat = "aivdm"\nport = 1\ngroup = "10.1.1.1"', "'10.1.1.1' is not a multicast address"),
        ('link = "udp"\nformat = "aivdm"\nport = 1\ngroup = "radar"', "'radar' is not an address"),
        ('link = "serial"\nformat = "asterix"\npath = "/dev/x"', "'asterix' cannot come by link 'serial'.*binary"),
        ('link = "tcp"\nformat = "csv"\nport = 1', "'csv' cannot come by link 'tcp'.*names the columns; use file"),
        ('link = "udp"\nformat = "pcap"\nport = 1', "'pcap' cannot come by link 'udp'"),
        ('link = "push"\nformat = "parquet"', "'parquet' cannot come by link 'push'.*one binary file; use file, stdin"),
        ('link = "gpsd"\nformat = "aivdm"', "link 'gpsd' brings format 'gpsd_json', not 'aivdm'"),
        ('link = "http"\nformat = "aivdm"\nurl = "ftp://h/x"', "begins with http:// or https://"),
        ('link = "websocket"\nformat = "signalk"\nurl = "https://h/x"', "begins with ws:// or wss://"),
        ('link = "http"\nformat = "aivdm"\nurl = "https:///x"', "names a host"),
        ('link = "http"\nformat = "aivdm"\nurl = "https://h:99999/"', "url is not one"),
        ('link = "http"\nformat = "aivdm"\nurl = "https://me:pw@h/"', "url carries a name or password"),
        (
            'link = "http"\nformat = "aivdm"\nurl = "https://h/"\nheaders = {K = "{key}"}',
            "neither key_file nor key_env",
        ),
        ('link = "http"\nformat = "aivdm"\nurl = "https://h/"\nkey_env = "K"', "{key} stands nowhere"),
        (
            'link = "http"\nformat = "aivdm"\nurl = "https://h/{key}"\nkey_env = "K"\nkey_file = "k"',
            "key_file and key_env are both given",
        ),
        ('link = "mqtt"\nformat = "aivdm"\nurl = "mqtt://h"\ntopics = ["a"]\nkey_env = "K"', "say user"),
        ('link = "mqtt"\nformat = "aivdm"\nurl = "mqtt://h"\ntopics = ["a"]\nqos = 2', r"qos.*got 2"),
        ('link = "http"\nformat = "aivdm"\nurl = "https://h/"\ninterval_s = 0.1', r"interval_s.*got 0.1"),
        ('link = "tcp-listen"\nformat = "aivdm"\nport = 1\nclients_max = 0', r"clients_max.*got 0"),
        ('link = "push"\nformat = "aivdm"\nbytes_per_s_max = 0', r"bytes_per_s_max.*got 0"),
    ],
)
def test_faults_of_sources_are_told_in_words(tmp_path, source, said):
    with pytest.raises(ConfigError, match=said) as refused:
        load(tmp_path, SOURCE + source)
    assert "sources[0]" in refused.value.message


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('link = "push"\nformat = "morse"', "source s: .*unknown format 'morse'; known are"),
        ('link = "push"\nformat = "aivdm"\noptions = {colour = 1}', "source s: .*no option 'colour'"),
        (
            'link = "http"\nformat = "aivdm"\nurl = "https://h/{key}"\nkey_file = "absent"',
            "source s: key file .*absent",
        ),
        ('link = "http"\nformat = "aivdm"\nurl = "https://h/{key}"\nkey_env = "NOT_SET_AT_ALL"', "source s: .*NOT_SET"),
        (
            'link = "http"\nformat = "aivdm"\nurl = "https://h/"\nca_file = "absent.pem"',
            r"source s: ca_file .*absent\.pem",
        ),
        ('link = "http"\nformat = "aivdm"\nurl = "https://h/"\nca_file = "node.toml"', "source s: ca_file .*node.toml"),
    ],
)
def test_faults_seen_only_when_a_node_is_built_name_the_source(tmp_path, source, said):
    loaded = load(tmp_path, SOURCE + source)
    with pytest.raises(ConfigError, match=said):
        assemble.build(loaded)
    assert not (tmp_path / "data").exists()  # and leave nothing behind


def test_paths_of_keys_and_authorities_are_taken_from_the_files_folder(tmp_path):
    text = 'link = "http"\nformat = "aivdm"\nurl = "https://h/{key}"\nkey_file = "k"\nca_file = "ca.pem"'
    section = load(tmp_path, SOURCE + text).sources[0]
    assert (section.key_file, section.ca_file) == (tmp_path / "k", tmp_path / "ca.pem")


def test_the_documented_sources_are_ones(tmp_path):
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "node.md").read_text()
    examples = re.findall(r"```toml\n(.*?)```", page, re.S)[1]
    loaded = load(tmp_path, '[node]\nparty = "PHL"\nname = "Test"\n' + examples)
    (tmp_path / "aisstream.key").write_text("k")
    (tmp_path / "aisstream.key").chmod(0o600)
    links = {
        s.name: build_link(s, now=int, chance=float, time_of_line=lambda b: None, began=id) for s in loaded.sources
    }
    assert {name for name, link in links.items() if link is None} == {"catcher"}
    assert len(links) == 6


def test_absent_file(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        config.load(tmp_path / "absent.toml")
