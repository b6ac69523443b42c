"""Sentences for clauses: templates by language, filled from the file.

What enters: clauses and caveats. What leaves: sentences. English has a template for every type; Japanese and Filipino
for the types listed in their tables, and what they lack is said in English in brackets. The templates are unreviewed
by a jurist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kuroshio.accord import obligation
from kuroshio.accord.model import Caveat, Clause, Test, When
from kuroshio.accord.phrase_words import OFFICES, STARTS, UNITS
from kuroshio.clock import rfc3339
from kuroshio.schema import Obligations

LANGUAGES = ("en", "ja", "fil")
NAMED = frozenset({"subject", "purpose", "kind", "activity", "sensors", "area"})  # fields whose values are words

# clause type -> template; {when} {by} {do} {within} {notify} {on}
SENTENCES: dict[str, dict[str, str]] = {
    "en": {
        "permit": "May be provided{when}.",
        "oblige": "May be provided only with these terms{when}: {do}.",
        "decide": "{by} must decide{when}{answer}.",
        "deny": "Must not be provided{when}.",
        "tie.oblige": "Whoever received it passes it on only with these terms{when}: {do}.",
        "tie.decide": "Whoever received it must first have the consent of {by}{when}{answer}.",
        "tie.deny": "Whoever received it never passes it on{when}.",
        "duty": "On {on}, {notify} is told{within}.",
        "duty.receipt": "What was received is settled with {notify}{within} of {on}: in cash, in kind or in equal "
        "value. What is open then is owed in cash.",
        "duty.before": "{notify} is told at least {before} before {on}.",
        "duty.every": "From {on} on, a report to {notify} is due every {every}{within}.",
        "survives": " This holds after the agreement ends.",
        "absolute": " Nobody can lift this.",
        "waivable": " {by} may waive it.",
    },
    "ja": {
        "permit": "提供することができる{when}。",
        "oblige": "次の条件を付してのみ提供することができる{when}: {do}。",
        "decide": "{by}が決定する{when}{answer}。",
        "deny": "提供してはならない{when}。",
        "tie.decide": "受領した側は、事前に{by}の同意を得なければならない{when}{answer}。",
        "tie.deny": "受領した側は、第三者に提供してはならない{when}。",
        "tie.oblige": "受領した側は、次の条件を付してのみ転送することができる{when}: {do}。",
        "duty": "{on}のときは、{notify}に通報する{within}。",
        "duty.receipt": "受領したものは、{on}から{span}以内に{notify}との間で、現金、現物又は等価により決済する。"
        "残額はその後現金で支払う。",
        "duty.before": "{on}の{before}前までに{notify}に通報する。",
        "duty.every": "{on}の後、{every}ごとに{notify}への報告を要する{within}。",
        "survives": " この義務は協定の終了後も存続する。",
        "absolute": " 何人も免除することはできない。",
        "waivable": " {by}は、これを免除することができる。",
    },
    "fil": {
        "permit": "Maaaring ibahagi{when}.",
        "oblige": "Maaaring ibahagi sa mga kondisyong ito lamang{when}: {do}.",
        "decide": "Si/ang {by} ang magpapasya{when}{answer}.",
        "deny": "Hindi maaaring ibahagi{when}.",
        "tie.decide": "Dapat munang kumuha ang tumanggap ng pahintulot ng {by}{when}{answer}.",
        "tie.deny": "Ang tumanggap ay hindi kailanman magbabahagi nito{when}.",
        "tie.oblige": "Maipapasa lamang ito ng tumanggap sa mga kondisyong ito{when}: {do}.",
        "duty": "Kapag may {on}, ipaaalam kay/sa {notify}{within}.",
        "duty.receipt": "Ang tinanggap ay babayaran sa {notify}{within} mula sa {on}: sa salapi, sa kaparehong bagay o "
        "sa katumbas na halaga. Ang natitira ay babayaran sa salapi.",
        "duty.before": "Ipaaalam kay/sa {notify} nang hindi bababa sa {before} bago ang {on}.",
        "duty.every": "Mula sa {on}, may ulat sa {notify} bawat {every}{within}.",
        "survives": " Nananatili ito kahit matapos ang kasunduan.",
        "absolute": " Walang makapag-aalis nito.",
        "waivable": " Maaari itong ipaubaya ng {by}.",
    },
}
CONNECT = {
    "en": {"when": ", when {}", "and": "; and ", "or": " or ", "within": ", within {}", "at_once": ", at once"}
    | {"answer": "; the answer is due within {}"},
    "ja": {"when": "（条件: {}）", "and": "、かつ、", "or": "又は", "within": "（期限: {}）", "at_once": "（直ちに）"}
    | {"answer": "（回答期限: {}）"},
    "fil": {"when": ", kapag {}", "and": "; at ", "or": " o ", "within": ", sa loob ng {}", "at_once": ", agad"}
    | {"answer": "; ang sagot ay sa loob ng {}"},
}
# operator -> (with one value, with several)
OPERATORS: dict[str, dict[str, tuple[str, str]]] = {
    "en": {
        "eq": ("{f} is {v}", "{f} is exactly {v}"),
        "in": ("{f} is {v}", "{f} is {v}"),
        "not_in": ("{f} is not {v}", "{f} is none of {v}"),
        "lt": ("{f} is below {v}", ""),
        "lte": ("{f} is at most {v}", ""),
        "gt": ("{f} is above {v}", ""),
        "gte": ("{f} is at least {v}", ""),
    },
    "ja": {
        "eq": ("{f}が{v}であること", "{f}が{v}に一致すること"),
        "in": ("{f}が{v}であること", "{f}が{v}のいずれかであること"),
        "not_in": ("{f}が{v}でないこと", "{f}が{v}のいずれでもないこと"),
        "lt": ("{f}が{v}未満であること", ""),
        "lte": ("{f}が{v}以下であること", ""),
        "gt": ("{f}が{v}を超えること", ""),
        "gte": ("{f}が{v}以上であること", ""),
    },
    "fil": {
        "eq": ("{f} ay {v}", "{f} ay {v}"),
        "in": ("{f} ay {v}", "{f} ay isa sa {v}"),
        "not_in": ("{f} ay hindi {v}", "{f} ay wala sa {v}"),
        "lt": ("{f} ay mas mababa sa {v}", ""),
        "lte": ("{f} ay hanggang {v}", ""),
        "gt": ("{f} ay higit sa {v}", ""),
        "gte": ("{f} ay hindi bababa sa {v}", ""),
    },
}
EXERCISE = {
    "en": ("it is not exercise data", "it is exercise data"),
    "ja": ("演習用データでないこと", "演習用データであること"),
    "fil": ("hindi ito datos ng pagsasanay", "datos ito ng pagsasanay"),
}
NEXT = {"en": "the next receiver", "ja": "次の受領者", "fil": "ang susunod na tatanggap"}
FIELDS = {
    "en": {"to": "the receiver", "from": "the releaser", "age_s": "its age", "held_under": "what it came under"}
    | {"lat_deg": "its latitude", "lon_deg": "its longitude", "observed_at": "its time"}
    | {"caveats": "a national marking", "releasable_to": "what the originator limits it to", "item_id": "the thing"}
    | {"sensors": "a sensor behind it"}
    | {n: f"the {n}" for n in ("level", "subject", "purpose", "originator", "area", "activity", "kind")},
    "ja": {
        "to": "受領者",
        "from": "提供者",
        "level": "秘密区分",
        "subject": "主題",
        "purpose": "目的",
        "originator": "作成者",
    }
    | {
        "area": "海域",
        "age_s": "経過時間",
        "caveats": "国内標識",
        "observed_at": "観測時刻",
        "activity": "活動",
        "kind": "種別",
    }
    | {"lat_deg": "緯度", "lon_deg": "経度", "sensors": "探知手段", "held_under": "受領の根拠"}
    | {"releasable_to": "作成者の定める提供先", "item_id": "対象"},
    "fil": {"to": "ang tatanggap", "from": "ang nagbibigay", "level": "ang antas", "subject": "ang paksa"}
    | {"purpose": "ang layunin", "originator": "ang pinagmulan", "area": "ang lugar", "age_s": "ang tanda nito"}
    | {"kind": "ang uri", "activity": "ang aktibidad", "caveats": "ang pambansang marka", "sensors": "ang sensor"}
    | {"lat_deg": "ang latitud", "lon_deg": "ang longhitud", "observed_at": "ang oras nito", "item_id": "ang bagay"}
    | {"held_under": "ang kasunduang pinagmulan nito", "releasable_to": "ang takdang pagbabahaginan"},
}
ENDS = {
    "en": {"originator": "the originator", "releaser": "the releaser", "receiver": "the receiver"},
    "ja": {"originator": "作成者", "releaser": "提供者", "receiver": "受領者"},
    "fil": {"originator": "pinagmulan", "releaser": "nagbibigay", "receiver": "tatanggap"},
}
OFFICE = {"en": "the {office} of {end}", "ja": "{end}の{office}", "fil": "{office} ng {end}"}
TERMS = {
    "en": {
        "delay_s": "{} late",
        "grid_deg": "positions in cells of {} degrees",
        "time_bucket_s": "one position in {}",
        "redact": "without {}",
        "retention_s": "kept at most {}",
        "onward": "not passed on",
        "via": "through {}",
        "purpose": "for {} only",
        "marking": "marked {}",
    },
    "ja": {
        "delay_s": "{}遅れ",
        "grid_deg": "位置は{}度の区画",
        "time_bucket_s": "{}に1点",
        "redact": "{}を除く",
        "retention_s": "保存は{}まで",
        "onward": "転送不可",
        "via": "{}を経由",
        "purpose": "{}の目的に限る",
        "marking": "{}と表示",
    },
    "fil": {
        "delay_s": "huli ng {}",
        "grid_deg": "posisyon sa mga parisukat na {} digri",
        "time_bucket_s": "isang posisyon bawat {}",
        "redact": "walang {}",
        "retention_s": "itatago nang hanggang {}",
        "onward": "hindi ipapasa",
        "via": "sa pamamagitan ng {}",
        "purpose": "para sa {} lamang",
        "marking": "may markang {}",
    },
}


class Phrases:
    """Sentences of one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.sentences, self.connect, self.operators = SENTENCES[language], CONNECT[language], OPERATORS[language]

    def when(self, when: When, *, tie: bool = False) -> str:
        """Conditions as a clause of the sentence, or nothing; those of a ``tie`` speak of whom it goes to next."""
        if not when:
            return ""
        parts = [self._test(test, tie=tie) for test in when]
        return self.connect["when"].format(self.connect["and"].join(parts))

    def _test(self, test: Test, *, tie: bool) -> str:
        if test.field == "exercise":
            return EXERCISE[self.language][bool(test.value)]
        field = NEXT[self.language] if tie and test.field == "to" else FIELDS[self.language].get(test.field, test.field)
        values = test.value if isinstance(test.value, tuple) else (test.value,)
        words = [self._value(test.field, v) for v in values]
        one, many = self.operators[test.op]
        return (many if len(words) > 1 else one).format(f=field, v=self.listed(words))

    def _value(self, field: str, value: object) -> str:
        if field == "observed_at":
            return rfc3339(int(str(value)))
        if field == "age_s":
            return self.seconds(float(str(value)))
        return str(value).replace("_", " ") if field in NAMED else str(value)

    def listed(self, words: Sequence[str]) -> str:
        """Alternatives: A, B or C."""
        comma = "、" if self.language == "ja" else ", "
        return words[0] if len(words) == 1 else comma.join(words[:-1]) + self.connect["or"] + words[-1]

    def seconds(self, seconds: float) -> str:
        """A number of seconds in its greatest whole unit."""
        for size, unit in ((86_400, "D"), (3600, "H"), (60, "m")):
            if seconds >= size and seconds % size == 0:
                return self._count(f"{seconds / size:g}", unit)
        return self._count(f"{seconds:g}", "S")

    def _count(self, number: str, unit: str) -> str:
        return UNITS[self.language][unit].format(number).replace("(s)", "" if number == "1" else "s")

    def terms(self, terms: Obligations | None) -> str:
        """Terms as a list."""
        if terms is None:
            return ""
        words = TERMS[self.language]
        parts = []
        for name, value in terms.as_dict().items():
            shown = ", ".join(str(v).replace("_", " ") for v in value) if isinstance(value, list) else value
            parts.append(words[name].format(self.seconds(value) if name.endswith("_s") else shown))
        return ", ".join(parts)

    def duration(self, duration: str) -> str:
        """An ISO 8601 duration in words; one of a single unit loses the (s) that does not fit its number."""
        date, _, time = duration.lstrip("P").partition("T")
        parts = [*re.findall(r"(\d+)([YMWD])", date), *re.findall(r"(\d+)([HmS])", time.replace("M", "m"))]
        words = [self._count(n, unit) for n, unit in parts]
        return (" " if self.language != "ja" else "").join(words)

    def role(self, role: str | None) -> str:
        """An office in words."""
        if role is None:
            return "?"
        end, _, office = role.partition(".")
        named = ENDS[self.language].get(end, end)
        told = OFFICES[self.language].get(office, office.replace("_", " "))
        return OFFICE[self.language].format(end=named, office=told) if office else named

    def clause(self, clause: Clause) -> str:
        """One clause as a sentence; a type without a template is said in English in brackets."""
        kind = clause.word
        if clause.sticky:
            kind = f"tie.{kind}"
        elif kind == "duty" and clause.every is not None:
            kind = "duty.every"
        elif kind == "duty" and clause.before is not None:
            kind = "duty.before"
        elif kind == "duty" and clause.on == "receipt":
            kind = "duty.receipt"  # met by settlement, not by a word
        if kind not in self.sentences:
            return f"[en] {Phrases('en').clause(clause)}"
        span = self.duration(clause.within) if clause.within else ""
        within = self.connect["at_once"] if clause.within == "PT0S" else self.connect["within"].format(span)
        answer = self.connect["answer"].format(self.duration(clause.answer_within)) if clause.answer_within else ""
        sentence = self.sentences[kind].format(
            when=self.when(clause.when, tie=clause.sticky),
            by=self.role(clause.by),
            do=self.terms(clause.do),
            within=within if clause.within else "",
            span=span,
            answer=answer,
            notify=self.role(clause.notify),
            on=STARTS[self.language].get(clause.on or "", (clause.on or "?").replace("_", " ")),
            every=self.duration(clause.every) if clause.every else "",
            before=self.duration(clause.before) if clause.before else "",
        )
        if kind == "duty.receipt":
            sentence = sentence.replace(", within", " within").replace(", sa loob", " sa loob")
        more = [name for name, holds in (("survives", clause.survives), ("absolute", clause.absolute)) if holds]
        told = sentence + "".join(self.sentences[name] for name in more)
        if clause.waivable_by is not None:
            told += _begun(self.sentences["waivable"].format(by=self.role(clause.waivable_by)))
        return _begun(told)

    def caveat(self, caveat: Caveat) -> str:
        """One national rule as a sentence."""
        sentence = self.sentences[caveat.effect.word].format(
            when=self.when(caveat.when), by=self.role(caveat.by), do=self.terms(caveat.do), within="", answer=""
        )
        return _begun(sentence) + (self.sentences["absolute"] if caveat.absolute else "")


def _begun(sentence: str) -> str:
    """The sentence with a great letter at its head."""
    at = len(sentence) - len(sentence.lstrip())
    return sentence[:at] + sentence[at : at + 1].upper() + sentence[at + 1 :]


def phrases_for(language: str) -> Phrases:
    """Sentences of a language."""
    return Phrases(language)


def terms_in_words(plain: Mapping[str, Any]) -> str:
    """Terms of a decision in their JSON form as a person reads them."""
    return Phrases("en").terms(obligation.from_mapping(plain)) or "no terms"
