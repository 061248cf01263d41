"Reads version and requirements from settings.ini; everything else is in pyproject.toml."
from configparser import ConfigParser
from setuptools import setup

ini = ConfigParser(delimiters=["="])
ini.read("settings.ini", encoding="utf-8")
cfg = ini["DEFAULT"]
setup(version=cfg["version"], install_requires=cfg["requirements"].split(),
      extras_require={k: cfg[f"{k}_requirements"].split() for k in ("dev", "docs", "explore")},
      entry_points={"console_scripts": cfg["console_scripts"].split(), "nbdev": ["vsa_nb = vsa_nb._modidx:d"]})
