"""Agreement files in plain language: English for every clause, Japanese and Filipino where a template exists.

What enters: a `Book`. What leaves: text in Markdown. The text is generated from the file, so that it cannot say
anything else; it is a reading of a reading and says so at its head. Words for conditions and terms are in `phrases`.
"""

from __future__ import annotations

from kuroshio.accord.book import Book
from kuroshio.accord.model import Accord, Clause
from kuroshio.accord.phrase_words import EVIDENCE, HEADS, STATE_WORDS
from kuroshio.accord.phrases import LANGUAGES, phrases_for
from kuroshio.accord.status import standing
from kuroshio.clock import rfc3339
from kuroshio.errors import NotFound


def print_accord(book: Book, accord_id: str, *, language: str = "en", at_us: int | None = None) -> str:
    """One accord in plain language.

    Parameters
    ----------
    book, accord_id
        What to print.
    language
        ``en``, ``ja`` or ``fil``; a clause type without a template is printed in English and marked.
    at_us
        Moment whose standing is told; by default the end of the history.

    Raises
    ------
    NotFound
        On an unknown accord or language.
    """
    if language not in LANGUAGES:
        raise NotFound(f"no templates for {language!r}; there are {', '.join(LANGUAGES)}")
    accord = book.accord(accord_id)
    phrases = phrases_for(language)
    head = HEADS[language]
    now = standing(accord, 2**62 if at_us is None else at_us, 2**62 if at_us is None else at_us)
    by, date, note = accord.interpretation
    title = f"# {accord.id}: {accord.title}" if accord.title else f"# {accord.id}"
    lines = [title, "", head["reading"].format(by=by, date=date, note=note), ""]
    lines.append(head["parties"].format(parties=", ".join(accord.parties), binding=head[accord.binding]))
    lines.append(head["state"].format(state=STATE_WORDS[language].get(now.state, now.state)))
    if now.entry is not None and now.entry.note:
        lines.append(head["note"].format(note=now.entry.note))  # such as: this date was not found
    for text in accord.instruments:
        signed = head["signed"].format(date=text.signed) if text.signed else ""
        lines.append(head["instrument"].format(name=text.name, signed=signed))
    if accord.renewal is not None:
        every, notice = (phrases.duration(d) for d in accord.renewal)
        lines.append(head["renewal"].format(every=every, notice=notice))
    if accord.requires:
        lines.append(head["requires"].format(requires=", ".join(accord.requires)))
    lines += ["", f"## {head['clauses']}", ""]
    for clause in accord.clauses:
        lines.append(f"- **{clause.id}** {phrases.clause(clause)}")
        lines += [f"  > {clause.text}"] if clause.text else []
    lines += ["", f"## {head['history']}", "", *_history(accord, language)]
    lines += [f"- {head['conflict']}: {conflict.text}" for conflict in now.conflicts]
    lines += _activities(book, accord, language)
    lines += ["", f"## {head['levels']}", "", head["order"].format(levels=", ".join(book.content.levels))]
    named = [(code, book.content.parties[code].levels) for code in accord.parties if code in book.content.parties]
    for code, levels in named:
        known = sorted(levels, key=lambda level: book.content.levels.index(level[0]))
        lines += [f"- {code}: " + ", ".join(f"{k} = {v}" for k, v in known)] if known else []
    if accord.equivalence:
        lines.append("")
        for e in accord.equivalence:
            choices = head["or"].join(e.choices) or head["no_mark"]
            lines.append(
                "- " + head["level"].format(from_=e.from_, mark=e.mark, level=e.level, to=e.to, choices=choices)
            )
    if accord.coverage:
        lines += ["", f"## {head['coverage']}", ""]
        lines += [f"- {c.article}: {head[c.treatment]}" + (f" ({c.note})" if c.note else "") for c in accord.coverage]
    return "\n".join(lines) + "\n"


def _activities(book: Book, accord: Accord, language: str) -> list[str]:
    """What holds within an exercise, patrol, relief operation or meeting under the accord, and ends with it."""
    found = [a for a in book.content.activities.values() if a.accord == accord.id]
    if not found:
        return []
    head, phrases = HEADS[language], phrases_for(language)
    lines = ["", f"## {head['activities']}", ""]
    for one in found:
        area = head["in_area"].format(area=one.area.replace("_", " ")) if one.area else ""
        period = f"{rfc3339(one.period.from_us)[:10]}/{rfc3339(one.period.until_us)[:10]}"
        told = head["within_activity"].format(period=period, parties=", ".join(one.participants), area=area)
        lines.append(f"- **{one.id}** {one.title or one.kind}: {told}{head['drill'] if one.kind == 'exercise' else ''}")
        for clause in one.scope:
            lines.append(f"  - **{clause.id}** {phrases.clause(clause)}")
            lines += [f"    > {clause.text}"] if clause.text else []
    return lines


def _history(accord: Accord, language: str) -> list[str]:
    out = []
    for entry in sorted(accord.status, key=lambda s: (s.from_us, s.recorded_us)):
        word = STATE_WORDS[language].get(entry.state, entry.state)
        source = "".join(f"; {told}" for told in (entry.source, entry.note) if told)
        known = f"{HEADS[language]['known']} {rfc3339(entry.recorded_us)[:10]}"
        evidence = EVIDENCE[language].get(entry.confidence, entry.confidence)
        told = HEADS[language]["evidence"].format(evidence=evidence)
        out.append(f"- {rfc3339(entry.from_us)[:10]}: {word} ({told}; {known}{source})")
        out.extend(f"  - {party}: {view.says or view.state}" for party, view in entry.views)
    return out


def print_caveats(book: Book, *, language: str = "en") -> str:
    """National rules in plain language, by party."""
    phrases = phrases_for(language)
    rules = [f"- **{c.party} {c.id}** {phrases.caveat(c)}" for c in book.content.caveats.values()]
    return "\n".join([f"# {HEADS[language]['caveats']}", "", *rules]) + "\n"


def print_clause(clause: Clause, *, language: str = "en") -> str:
    """One clause as a sentence."""
    return phrases_for(language).clause(clause)
