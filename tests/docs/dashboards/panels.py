"""Panels and variables that all dashboards share; every query is listed, so that a test can ask each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from grafana_foundation_sdk.builders import dashboard, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders.common import (
    ReduceDataOptions,
    ScaleDistributionConfig,
    TableFooterOptions,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.models.common import (
    LegendDisplayMode,
    LegendPlacement,
    ScaleDistribution,
    SortOrder,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableHide
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="$datasource")
HALF, WHOLE, THIRD = 12, 24, 8
TAGS = ["modelrollout"]


@dataclass(frozen=True)
class Ask:
    """One query of a panel, and how its series are called."""

    expr: str
    legend: str = "__auto"


@dataclass(frozen=True)
class Shown:
    """One panel: `kind` time, stat, table or heat; `unit` as Grafana names it."""

    title: str
    unit: str
    says: str
    asks: Sequence[Ask]
    kind: str = "time"
    span: int = HALF
    log: bool = False
    most: float | None = None


@dataclass(frozen=True)
class Board:
    """A dashboard; `variables` beyond the common ones."""

    uid: str
    title: str
    says: str
    panels: Sequence[Shown]
    variables: Sequence[Any] = field(default_factory=tuple)

    @property
    def queries(self) -> list[str]:
        """Every query of its panels."""
        return [ask.expr for panel in self.panels for ask in panel.asks]


def chosen(name: str, label: str, query: str, *, several: bool = True) -> Any:
    """A variable whose values come from the series themselves."""
    made = dashboard.QueryVariable(name).label(label).datasource(SOURCE).query(query).refresh(2).sort(1)  # type: ignore[arg-type]
    return made.multi(several).include_all(several).all_value(".+" if several else "")


def typed(name: str, label: str, value: str) -> Any:
    """A number that a person types."""
    return dashboard.TextBoxVariable(name).label(label).default_value(value)


def common() -> list[Any]:
    """Server, namespace and model."""
    source = (
        dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus").hide(VariableHide.DONT_HIDE)
    )
    return [
        source,
        chosen("namespace", "Namespace", "label_values(modelrollout_rollout_phase, namespace)"),
        chosen("model", "Model", 'label_values(modelrollout_rollout_phase{namespace=~"$namespace"}, model)'),
    ]


def built(board: Board) -> dashboard.Dashboard:
    """The dashboard by Grafana's SDK."""
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.says)
        .tags(TAGS)
        .readonly()
        .refresh("30s")
        .time("now-3h", "now")
        .timezone("browser")
    )
    for variable in (*common(), *board.variables):
        made = made.with_variable(variable)
    for number, panel in enumerate(board.panels, start=1):
        made = made.with_panel(_panel(panel, number))
    return made


def _panel(shown: Shown, number: int) -> Any:
    makers: dict[str, Any] = {"time": _time, "stat": _stat, "table": _table, "heat": _heat}
    made = makers[shown.kind](shown).id(number)
    made = made.title(shown.title).description(shown.says).datasource(SOURCE).unit(shown.unit).span(shown.span)
    made = made.height(8)
    if shown.most is not None:
        made = made.min(0).max(shown.most)
    for index, ask in enumerate(shown.asks):
        made = made.with_target(_target(ask, shown.kind, chr(ord("A") + index)))
    return made


def _time(shown: Shown) -> Any:
    legend = VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True)
    tooltip = VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
    made = timeseries.Panel().fill_opacity(5).line_width(2).legend(legend).tooltip(tooltip)
    if shown.log:
        made = made.scale_distribution(ScaleDistributionConfig().type(ScaleDistribution.LOG).log(10))
    return made


def _stat(_: Shown) -> Any:
    return stat.Panel().reduce_options(ReduceDataOptions().calcs(["lastNotNull"]).values(False))


def _table(_: Shown) -> Any:
    return table.Panel().show_header(True).footer(TableFooterOptions().show(False))


def _heat(_: Shown) -> Any:
    colour = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Blues").steps(64)
    return heatmap.Panel().calculate(False).color(colour)


def _target(ask: Ask, kind: str, name: str) -> Any:
    made = prometheus.Dataquery().expr(ask.expr).ref_id(name).legend_format(ask.legend)
    if kind == "heat":
        return made.format(PromQueryFormat.HEATMAP).range()
    if kind == "table":
        return made.format(PromQueryFormat.TABLE).instant()
    return made.instant() if kind == "stat" else made.range()
