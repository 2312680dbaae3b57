"""The scenario language: documents, what they mean, and how they run in time."""

from outlast.mock.scenario.builder import ScenarioBuilder, fault
from outlast.mock.scenario.catalogue import catalogue
from outlast.mock.scenario.document import ScenarioError
from outlast.mock.scenario.load import from_data, lint, load, load_file, loads, slugs
from outlast.mock.scenario.model import Scenario
from outlast.mock.scenario.moment import Moment
from outlast.mock.scenario.script import Script

__all__ = [
    "Moment",
    "Scenario",
    "ScenarioBuilder",
    "ScenarioError",
    "Script",
    "catalogue",
    "fault",
    "from_data",
    "lint",
    "load",
    "load_file",
    "loads",
    "slugs",
]
