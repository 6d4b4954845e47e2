"""What is sound and what is broken here, and what to do: the environment, and a workspace with its store."""

from curation.doctor.finding import Finding, Level
from curation.doctor.surroundings import environment_checks
from curation.doctor.workspace import workspace_checks

__all__ = ["Finding", "Level", "environment_checks", "workspace_checks"]
