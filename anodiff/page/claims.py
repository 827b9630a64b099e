"""What does the sweep say to each of the five claims? The rows of claims.csv, claim by claim, worded for the page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from anodiff.claims import CLAIM_COLUMNS, CLAIMS, verdict_of
from anodiff.errors import ConfigError

#: Verdicts, as the page marks them: class of its style, sign.
SIGNS = {
    "supports": ("supports", "✓"),
    "contradicts": ("contradicts", "✗"),
    "undecided": ("undecided", "?"),
    "not measured": ("unmeasured", "–"),
}

#: Keeps a number beside what it is of.
NO_BREAK = "\N{NO-BREAK SPACE}"

#: How a whole claim's verdict reads.
WORDS = {
    "supports": "supported",
    "contradicts": "contradicted",
    "undecided": "undecided",
    "not measured": "not measured",
}


@dataclass(frozen=True)
class Evidence:
    """One row of the table of claims."""

    part: str
    measure: str
    number: str
    interval: str
    n: str
    test: str
    p: str
    verdict: str
    note: str

    @property
    def style(self) -> str:
        """Class of the page's style."""
        return SIGNS[self.verdict][0]

    @property
    def sign(self) -> str:
        """The verdict as a sign."""
        return SIGNS[self.verdict][1]

    @property
    def columns(self) -> list[str]:
        """The columns of tables that the measure names; none where it is in words."""
        names = self.measure.split(", ")
        return [] if any(" " in name for name in names) else [name for name in names if name]


@dataclass(frozen=True)
class ClaimAnswer:
    """A claim, its verdict, and the evidence behind it."""

    number: int
    title: str
    statement: str
    verdict: str
    evidence: list[Evidence]

    @property
    def style(self) -> str:
        """Class of the page's style."""
        return SIGNS[self.verdict][0]

    @property
    def sign(self) -> str:
        """The verdict as a sign."""
        return SIGNS[self.verdict][1]

    @property
    def word(self) -> str:
        """The verdict as a word."""
        return WORDS[self.verdict]

    @property
    def leading(self) -> Evidence | None:
        """The first part that was measured."""
        return next((row for row in self.evidence if row.verdict != "not measured"), None)

    @property
    def tally(self) -> str:
        """How many of its parts say what."""
        verdicts = [row.verdict for row in self.evidence]
        counts = [(verdicts.count(verdict), word) for verdict, word in WORDS.items()]
        said = [f"{count} {word}" for count, word in counts if count]
        if not verdicts:
            return "no part of it"
        return f"{len(verdicts)} {'part' if len(verdicts) == 1 else 'parts'}: {', '.join(said)}"


def read_claims(path: str | Path) -> list[ClaimAnswer]:
    """Read claims.csv, as `anodiff tables` writes it; claims without a row are not measured."""
    try:
        table = pd.read_csv(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError):
        table = pd.DataFrame()
    if any(column not in table for column in CLAIM_COLUMNS) or not table["verdict"].isin(SIGNS).all():
        raise ConfigError(f"{path}: no table of claims; write it with: anodiff tables --kind claims")
    answers = []
    for number, claim in CLAIMS.items():
        rows = table[table["claim"] == number]
        verdict = verdict_of(rows) if len(rows) else "not measured"
        evidence = [_evidence(row) for row in rows.to_dict("records")]
        answers.append(ClaimAnswer(number, claim.title, claim.statement, verdict, evidence))
    return answers


def _evidence(row: dict[Any, Any]) -> Evidence:
    low, high = row["low"], row["high"]
    interval = "" if pd.isna(low) or pd.isna(high) else f"[{_number(low)}, {_number(high)}]"
    return Evidence(
        part=_words(row["part"]),
        measure=_words(row["measure"]),
        number=_number(row["value"]),
        interval=interval,
        n="" if pd.isna(row["n"]) or not row["n"] else f"n{NO_BREAK}={NO_BREAK}{row['n']:,.0f}",
        test=_words(row["test"]),
        p=_probability(row["p"]),
        verdict=row["verdict"],
        note=_words(row["note"]),
    )


def _words(value: Any) -> str:
    return "" if pd.isna(value) else str(value)


def _number(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:#.3g}".rstrip(".").replace("-", "−")


def _probability(p: float) -> str:
    if pd.isna(p):
        return ""
    return f"p{NO_BREAK}<{NO_BREAK}0.001" if p < 0.001 else f"p{NO_BREAK}={NO_BREAK}{p:.2g}"
