from setuptools import setup

setup(name="beatstream", version="0.1.0")
