"""What MLflow's UI opens an experiment with: a saved view with the columns and charts that one looks for, and a note.

By itself the UI shows neither metrics nor params in its table, and charts in alphabetical order. A saved view is a tag
of the experiment in the form that the UI itself stores (MLflow 3.17: JSON with a deflated `state`); a version that
does not understand it shows its own columns. Both are written once: what a user changes or deletes stays so.
"""

import json
import zlib
from base64 import b64encode
from typing import Any

VIEW, TAG = "evalkit", "mlflow.sharedViewState."
NOTE, WRITTEN = "mlflow.note.content", "evalkit.views"
VERSION = "1"
BARS = ("solved_rate", "cost_usd", "attempts_mean", "seconds_mean")
LINES = ("progress.solved", "progress.unsolved", "progress.attempts", "progress.cost_usd")
RAMP = ("ramp.solved_rate", "ramp.low", "ramp.high")
COLUMNS = (
    "metrics.`solved_rate`", "metrics.`solved_rate_low`", "metrics.`solved_rate_high`", "metrics.`solved`",
    "metrics.`unsolved`", "metrics.`unfinished`", "metrics.`attempts_mean`", "metrics.`cost_usd`", "params.`ladder`",
    "params.`feedback`", "params.`max_attempts`", "tags.`evalkit.kind`", "tags.`evalkit.simulated`",
)  # fmt: skip
FIRST = ("attributes.`Run Name`", "runDateAndNestInfo")  # always there


def provide(client: Any, experiment: Any) -> None:
    """Give an experiment its view and, where it has none, its note, unless they were written before."""
    if experiment.tags.get(WRITTEN) == VERSION:
        return
    number = experiment.experiment_id
    tags = {TAG + VIEW: view(VIEW, "", experiment.creation_time or 0), WRITTEN: VERSION}
    if not experiment.tags.get(NOTE):
        tags[NOTE] = note(number)
    for name, value in tags.items():
        client.set_experiment_tag(number, name, value)


def provide_group(client: Any, experiment: str, group: str, told: str) -> dict[str, str]:
    """The addresses of the runs that carry the tag `evalkit.<group>` of this value, with a view of their own."""
    name = f"{group} {told[:12]}"
    key = f"{VIEW}-{told}"
    found = client.get_experiment(experiment)
    if TAG + key not in found.tags:
        chosen = f"tags.`evalkit.{group}` = '{told}'"
        client.set_experiment_tag(experiment, TAG + key, view(name, chosen, found.last_update_time or 0))
    return addresses(experiment, key)


def view(name: str, chosen: str, milliseconds: int) -> str:
    """A view of the runs that the filter `chosen` finds, as the UI stores it, dated by milliseconds since 1970."""
    packed = b64encode(zlib.compress(json.dumps(_state(chosen)).encode())).decode()
    dates = {"createdAt": milliseconds, "updatedAt": milliseconds}
    return json.dumps({"name": name, **dates, "state": f"deflate;{packed}"})


def note(experiment: str) -> str:
    """Markdown for the experiment's page, with links to what is worth opening first."""
    link = addresses(experiment)
    return (
        f"Runs of evalkit: [table]({link['table']}) · [charts]({link['charts']}) · "
        f"[instances side by side]({link['instances']})"
    )


def addresses(experiment: str, key: str = VIEW) -> dict[str, str]:
    """Where in the UI a view's runs are seen as a table, as charts and by their instances; no key: without a view."""
    page = f"#/experiments/{experiment}/runs?" + (f"viewStateShareKey={key}&" if key else "")
    modes = {"table": "TABLE", "charts": "CHART", "instances": "ARTIFACT"}
    return {what: f"{page}compareRunsMode={mode}" for what, mode in modes.items()}


def _state(chosen: str) -> dict[str, Any]:
    sections = {"results": "Results", "progress": "Live progress, by climbs that ended", "ramp": "Ramps, by instances"}
    return {
        "searchFilter": chosen,
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(COLUMNS),
        "columnOrder": [*FIRST, *COLUMNS],
        "columnWidths": {},
        "runsHiddenMode": "FIRST_10_RUNS",
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": True,  # else sections are sorted by their names
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
        "compareRunCharts": [
            *(_chart("results", "BAR", name) for name in BARS),
            _frontier(),
            *(_line("progress", name) for name in LINES),
            *(_line("ramp", name) for name in RAMP),
        ],
        "compareRunSections": [_section(number, name) for number, name in sections.items()],
    }


def _section(number: str, name: str) -> dict[str, Any]:
    return {"uuid": number, "name": name, "display": True, "isReordered": True, "deleted": False, "isGenerated": False}


def _chart(section: str, kind: str, name: str) -> dict[str, Any]:
    return {
        "uuid": f"{section}-{name}",
        "type": kind,
        "runsCountToCompare": 10,
        "metricSectionId": section,
        "deleted": False,
        "isGenerated": False,
        "displayName": name,
        "metricKey": name,
    }


def _line(section: str, name: str) -> dict[str, Any]:
    return {
        **_chart(section, "LINE", name),
        "selectedMetricKeys": [name],
        "xAxisKey": "step",
        "selectedXAxisMetricKey": "",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "lineSmoothness": 0,
        "scaleType": "linear",
        "xAxisScaleType": "linear",
        "useGlobalLineSmoothing": True,
        "useGlobalXaxisKey": True,
    }


def _frontier() -> dict[str, Any]:
    axes = {"xaxis": {"key": "cost_usd", "type": "METRIC"}, "yaxis": {"key": "solved_rate", "type": "METRIC"}}
    return {**_chart("results", "SCATTER", "solved rate by cost"), **axes, "tooltipDataKeys": []}
