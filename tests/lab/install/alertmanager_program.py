"""Alertmanager is built from its Go module, without its pages for browsers, which the module does not carry."""

from __future__ import annotations

from tests.lab.install.go_modules import FOLDER
from tests.lab.install.go_program import Change, Program

_WEB = "ui/web.go"

ALERTMANAGER = Program(
    FOLDER / "alertmanager",
    "github.com/prometheus/alertmanager/cmd/alertmanager",
    "no-definitions/*.yaml",
    changes=(
        Change(_WEB, "//go:embed app/dist", "//go:embed app/public"),
        Change(_WEB, '"app/dist/elm"', '"app/public"'),
        Change(_WEB, '"app/dist/mantine"', '"app/public"'),
    ),
)
