"""What does the sweep say about each claim? The rows of claims.csv, claim by claim, worded for the page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from anodiff.errors import ConfigError
from anodiff.storage.tables import read_table
from anodiff.sweep.claims import CLAIM_COLUMNS
from anodiff.sweep.hypothesis_tests import combined_verdict
from anodiff.sweep.statements import CLAIMS, SECTIONS, Section

#: Keeps "n = 8" and "p = 0.18" on one line.
NO_BREAK = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Verdict:
    """A verdict as the page shows it: its name in the table, a word for a whole claim, a class of the style, and a sign."""

    name: str
    word: str
    style: str
    sign: str


#: The verdicts by their name in the table, in the order in which they are counted.
VERDICTS = {
    verdict.name: verdict
    for verdict in (
        Verdict("supports", "supported", "supports", "✓"),
        Verdict("contradicts", "contradicted", "contradicts", "✗"),
        Verdict("undecided", "undecided", "undecided", "?"),
        Verdict("not measured", "not measured", "unmeasured", "–"),
    )
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
    verdict: Verdict
    note: str
    rules_out: str
    leaves: str

    @property
    def reading(self) -> str:
        """What the verdict rules out and what it leaves, in plain words; nothing if it was not measured."""
        return {
            "supports": f"Ruled out: {self.rules_out}. Still possible: {self.leaves}.",
            "contradicts": f"Ruled out: this part of the claim, for runs like these. It would have ruled out {self.rules_out}.",
            "undecided": f"Not ruled out: {self.rules_out}; nor {self.leaves}.",
        }.get(self.verdict.name, "")

    @property
    def columns(self) -> list[str]:
        """The columns of tables that the measure names; none if it is in words."""
        names = self.measure.split(", ")
        return [] if any(" " in name for name in names) else [name for name in names if name]


@dataclass(frozen=True)
class ClaimAnswer:
    """A claim, its verdict, and the evidence behind it."""

    number: int
    title: str
    statement: str
    verdict: Verdict
    evidence: list[Evidence]

    @property
    def leading(self) -> Evidence | None:
        """The first part that was measured."""
        return next((row for row in self.evidence if row.verdict != VERDICTS["not measured"]), None)

    @property
    def tally(self) -> str:
        """How many of its parts have which verdict."""
        verdicts = [row.verdict for row in self.evidence]
        counts = [f"{verdicts.count(verdict)} {verdict.word}" for verdict in VERDICTS.values() if verdict in verdicts]
        if not verdicts:
            return "no parts"
        return f"{len(verdicts)} {'part' if len(verdicts) == 1 else 'parts'}: {', '.join(counts)}"


@dataclass(frozen=True)
class AnswerSection:
    """The answers on the claims of one source."""

    section: Section
    claims: list[ClaimAnswer]


def answer_sections(answers: list[ClaimAnswer]) -> list[AnswerSection]:
    """Return the answers by the source of their claims, in the order of `SECTIONS`."""
    own = {section: [each for each in answers if CLAIMS[each.number].section == section] for section in SECTIONS}
    return [AnswerSection(section, claims) for section, claims in own.items() if claims]


def read_claims(path: str | Path) -> list[ClaimAnswer]:
    """Read claims.csv, as `anodiff tables` writes it; a claim without rows was not measured."""
    table = read_table(path, make="anodiff tables --kind claims")
    if any(column not in table for column in CLAIM_COLUMNS) or not table["verdict"].isin(VERDICTS).all():
        raise ConfigError(f"{path}: not a table of claims; write it with: anodiff tables --kind claims")
    answers = []
    for number, claim in CLAIMS.items():
        rows = table[table["claim"] == number]
        verdict = VERDICTS[combined_verdict(rows["verdict"])]
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
        verdict=VERDICTS[row["verdict"]],
        note=_words(row["note"]),
        rules_out=_words(row["rules_out"]),
        leaves=_words(row["leaves"]),
    )


def _words(value: Any) -> str:
    return "" if pd.isna(value) else str(value)


def _number(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:#.3g}".rstrip(".").replace("-", "−")


def _probability(p: float) -> str:
    if pd.isna(p):
        return ""
    return f"p{NO_BREAK}<{NO_BREAK}0.001" if p < 0.001 else f"p{NO_BREAK}={NO_BREAK}{p:.2g}"
