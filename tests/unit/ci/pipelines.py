# SPDX-License-Identifier: Apache-2.0
"""The pipelines of trusted/, as they are published."""

from pathlib import Path

import yaml

from lab import config_project

ZUUL_D = Path(__file__).parents[3] / "trusted/zuul.d"


def pipelines():
    """Return {name: pipeline}."""
    text = (ZUUL_D / "pipelines.yaml").read_text()
    objects = yaml.safe_load(config_project.filled_in(text, config_project.settings()))
    return {item["pipeline"]["name"]: item["pipeline"] for item in objects}
