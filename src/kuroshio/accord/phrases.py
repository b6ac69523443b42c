"""Sentences for clauses: templates by language, filled from the file.

What enters: clauses and caveats. What leaves: sentences. English has a template for every type; Japanese and Filipino
for the types listed in their tables, and what they lack is said in English in brackets. The templates are unreviewed
by a jurist.
"""

from __future__ import annotations

import re

from kuroshio.accord.model import Caveat, Clause, When
from kuroshio.clock import rfc3339
from kuroshio.schema import Obligations

LANGUAGES = ("en", "ja", "fil")

HEADS: dict[str, dict[str, str]] = {
    "en": {
        "reading": "A reading by {by}, {date}: {note}. Generated from the file; not the text of the agreement.",
        "parties": "Between {parties} ({binding}).",
        "treaty": "treaty",
        "arrangement": "arrangement",
        "state": "State: {state}.",
        "requires": "In force only while these are: {requires}.",
        "clauses": "What it says",
        "history": "History",
        "levels": "Levels",
        "known": "known here since",
        "conflict": "Sources disagree",
        "caveats": "National rules",
        "level": "{from_} {mark} ({level}) is protected in {to} as {choices}.",
        "or": " or ",
        "no_mark": "nothing: no mark of that party meets it",
        "instrument": "Text read: {name}{signed}.",
        "signed": ", signed {date}",
        "renewal": "Renewed every {every} unless notice is given {notice} before.",
        "coverage": "What of it is coded",
        "coded": "coded",
        "human": "a person decides",
        "duty": "a duty with a clock",
        "not_coded": "not coded",
    },
    "ja": {
        "reading": "{by}による解釈（{date}）: {note}。ファイルから生成したものであり、協定の本文ではない。",
        "parties": "当事者: {parties}（{binding}）。",
        "treaty": "条約",
        "arrangement": "取決め",
        "state": "状態: {state}。",
        "requires": "次の協定が効力を有する間に限り効力を有する: {requires}。",
        "clauses": "内容",
        "history": "経緯",
        "levels": "秘密区分の対応",
        "known": "把握日",
        "conflict": "情報源の不一致",
        "caveats": "各当事者の国内規則",
        "level": "{from_}の{mark}（{level}）は、{to}において{choices}として保護する。",
        "or": "又は",
        "no_mark": "（対応する区分なし）",
        "instrument": "解釈の対象: {name}{signed}。",
        "signed": "（{date}署名）",
        "renewal": "{notice}前までに通告がない限り、{every}ごとに更新される。",
        "coverage": "コード化の範囲",
        "coded": "コード化済み",
        "human": "人が判断",
        "duty": "期限のある義務",
        "not_coded": "未コード化",
    },
    "fil": {
        "reading": "Pagbasa ni/ng {by}, {date}: {note}. Ginawa mula sa file; hindi ito ang teksto ng kasunduan.",
        "parties": "Sa pagitan ng {parties} ({binding}).",
        "treaty": "tratado",
        "arrangement": "kaayusan",
        "state": "Katayuan: {state}.",
        "requires": "May bisa lamang habang may bisa ang mga ito: {requires}.",
        "clauses": "Ang nilalaman",
        "history": "Kasaysayan",
        "levels": "Mga antas",
        "known": "nalaman noong",
        "conflict": "Hindi magkatugma ang mga pinagmulan",
        "caveats": "Mga pambansang tuntunin",
        "level": "Ang {mark} ng {from_} ({level}) ay pinoprotektahan sa {to} bilang {choices}.",
        "or": " o ",
        "no_mark": "wala: walang katumbas na marka",
        "instrument": "Tekstong binasa: {name}{signed}.",
        "signed": ", nilagdaan noong {date}",
        "renewal": "Nare-renew bawat {every} maliban kung may abiso {notice} bago nito.",
        "coverage": "Ang saklaw ng naka-code",
        "coded": "naka-code",
        "human": "tao ang magpapasya",
        "duty": "tungkuling may takdang oras",
        "not_coded": "hindi naka-code",
    },
}

STATE_WORDS: dict[str, dict[str, str]] = {
    "en": {s: s.replace("_", " ") for s in ("under_discussion", "in_force")}
    | {"notice": "in force, notice of termination given"},
    "ja": {
        "none": "なし",
        "under_discussion": "協議中",
        "negotiating": "交渉中",
        "agreed": "合意",
        "signed": "署名済み",
        "approved": "承認済み",
        "in_force": "効力発生",
        "notice": "効力あり（終了通告済み）",
        "contested": "解釈に争いあり",
        "suspended": "停止",
        "terminated": "終了",
    },
    "fil": {
        "none": "wala",
        "under_discussion": "tinatalakay",
        "negotiating": "pinag-uusapan",
        "agreed": "napagkasunduan",
        "signed": "nilagdaan",
        "approved": "naaprubahan",
        "in_force": "may bisa",
        "notice": "may bisa, may abiso ng pagwawakas",
        "contested": "pinagtatalunan",
        "suspended": "suspendido",
        "terminated": "winakasan",
    },
}

# unit of a duration -> words by language; English and Filipino have one form each, with (s) where both may stand
UNITS: dict[str, dict[str, str]] = {
    "en": {"Y": "{} year(s)", "M": "{} month(s)", "W": "{} week(s)", "D": "{} day(s)"}
    | {"H": "{} hour(s)", "m": "{} minute(s)", "S": "{} second(s)"},
    "ja": {"Y": "{}年", "M": "{}か月", "W": "{}週間", "D": "{}日", "H": "{}時間", "m": "{}分", "S": "{}秒"},
    "fil": {"Y": "{} taon", "M": "{} buwan", "W": "{} linggo", "D": "{} araw", "H": "{} oras"}
    | {"m": "{} minuto", "S": "{} segundo"},
}

# clause type -> template; {when} {by} {do} {within} {notify} {on}
SENTENCES: dict[str, dict[str, str]] = {
    "en": {
        "permit": "May be released{when}.",
        "oblige": "May be released only with these terms{when}: {do}.",
        "decide": "{by} must decide{when}{within}.",
        "deny": "Must not be released{when}.",
        "tie.oblige": "Whoever received it passes it on only with these terms{when}: {do}.",
        "tie.decide": "Whoever received it asks {by} first{when}{within}.",
        "tie.deny": "Whoever received it never passes it on{when}.",
        "duty": "On {on}, {notify} is told{within}.",
        "duty.before": "{notify} is told at least {before} before {on}.",
        "duty.every": "From {on} on, a report to {notify} is due every {every}{within}.",
        "survives": " This holds after the agreement ends.",
        "absolute": " Nobody can lift this.",
    },
    "ja": {
        "permit": "提供することができる{when}。",
        "oblige": "次の条件を付してのみ提供することができる{when}: {do}。",
        "decide": "{by}が決定する{when}{within}。",
        "deny": "提供してはならない{when}。",
        "tie.decide": "受領した側は、事前に{by}の同意を求める{when}{within}。",
        "tie.deny": "受領した側は、第三者に提供してはならない{when}。",
        "tie.oblige": "受領した側は、次の条件を付してのみ転送することができる{when}: {do}。",
        "duty": "{on}のときは、{notify}に通報する{within}。",
        "duty.before": "{on}の{before}前までに{notify}に通報する。",
        "duty.every": "{on}の後、{every}ごとに{notify}への報告を要する{within}。",
        "survives": " この義務は協定の終了後も存続する。",
        "absolute": " 何人も免除することはできない。",
    },
    "fil": {
        "permit": "Maaaring ibahagi{when}.",
        "oblige": "Maaaring ibahagi sa mga kondisyong ito lamang{when}: {do}.",
        "decide": "Si/ang {by} ang magpapasya{when}{within}.",
        "deny": "Hindi maaaring ibahagi{when}.",
        "tie.decide": "Ang tumanggap ay humihingi muna ng pahintulot kay/sa {by}{when}{within}.",
        "tie.deny": "Ang tumanggap ay hindi kailanman magbabahagi nito{when}.",
        "tie.oblige": "Maipapasa lamang ito ng tumanggap sa mga kondisyong ito{when}: {do}.",
        "duty": "Kapag may {on}, ipaaalam kay/sa {notify}{within}.",
        "duty.before": "Ipaaalam kay/sa {notify} nang hindi bababa sa {before} bago ang {on}.",
        "duty.every": "Mula sa {on}, may ulat sa {notify} bawat {every}{within}.",
        "survives": " Nananatili ito kahit matapos ang kasunduan.",
        "absolute": " Walang makapag-aalis nito.",
    },
}
CONNECT = {
    "en": {"when": ", when {}", "and": " and ", "within": ", within {}", "at_once": ", at once"},
    "ja": {"when": "（条件: {}）", "and": "、かつ", "within": "（期限: {}）", "at_once": "（直ちに）"},
    "fil": {"when": ", kapag {}", "and": " at ", "within": ", sa loob ng {}", "at_once": ", agad"},
}
OPERATORS = {
    "en": {
        "eq": "is",
        "in": "is one of",
        "not_in": "is none of",
        "lt": "is below",
        "lte": "is at most",
        "gt": "is above",
        "gte": "is at least",
    },
    "ja": {"eq": "=", "in": "∈", "not_in": "∉", "lt": "<", "lte": "≦", "gt": ">", "gte": "≧"},
    "fil": {
        "eq": "ay",
        "in": "ay isa sa",
        "not_in": "ay wala sa",
        "lt": "ay mas mababa sa",
        "lte": "ay hanggang",
        "gt": "ay higit sa",
        "gte": "ay hindi bababa sa",
    },
}


FIELDS = {
    "en": {
        "to": "the receiver",
        "from": "the releaser",
        "age_s": "its age in seconds",
        "held_under": "what it came under",
    }
    | {"lat_deg": "latitude", "lon_deg": "longitude", "observed_at": "its time", "caveats": "a national marking"}
    | {n: f"the {n}" for n in ("level", "subject", "purpose", "originator", "area", "activity")},
    "ja": {
        "to": "受領者",
        "from": "提供者",
        "level": "秘密区分",
        "subject": "主題",
        "purpose": "目的",
        "originator": "作成者",
    }
    | {"area": "海域", "age_s": "経過秒数", "caveats": "国内標識", "observed_at": "観測時刻", "activity": "活動"},
    "fil": {"to": "ang tatanggap", "from": "ang nagbibigay", "level": "ang antas", "subject": "ang paksa"}
    | {"purpose": "ang layunin", "originator": "ang pinagmulan", "area": "ang lugar", "age_s": "ang tanda sa segundo"},
}
ENDS = {
    "en": {"originator": "the originator", "releaser": "the releaser", "receiver": "the receiver"},
    "ja": {"originator": "作成者", "releaser": "提供者", "receiver": "受領者"},
    "fil": {"originator": "pinagmulan", "releaser": "nagbibigay", "receiver": "tatanggap"},
}
OFFICE = {"en": "the {office} of {end}", "ja": "{end}の{office}", "fil": "{office} ng {end}"}
TERMS = {
    "en": {
        "delay_s": "{} s late",
        "grid_deg": "positions in cells of {} degrees",
        "time_bucket_s": "one row in {} s",
        "redact": "without {}",
        "retention_s": "kept at most {} s",
        "onward": "not passed on",
        "via": "through {}",
        "purpose": "for {} only",
        "marking": "marked {}",
    },
    "ja": {
        "delay_s": "{}秒遅れ",
        "grid_deg": "位置は{}度の区画",
        "time_bucket_s": "{}秒に1行",
        "redact": "{}を除く",
        "retention_s": "保存は{}秒まで",
        "onward": "転送不可",
        "via": "{}を経由",
        "purpose": "{}の目的に限る",
        "marking": "{}と表示",
    },
    "fil": {
        "delay_s": "huli ng {} segundo",
        "grid_deg": "posisyon sa mga parisukat na {} digri",
        "time_bucket_s": "isang hanay bawat {} segundo",
        "redact": "walang {}",
        "retention_s": "itatago nang hanggang {} segundo",
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

    def when(self, when: When) -> str:
        """Conditions as a clause of the sentence, or nothing."""
        if not when:
            return ""
        parts = []
        for test in when:
            value = test.value
            if test.field == "observed_at":
                value = rfc3339(value)
            shown = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            field = FIELDS[self.language].get(test.field, test.field)
            parts.append(f"{field} {self.operators[test.op]} {shown}")
        return self.connect["when"].format(self.connect["and"].join(parts))

    def terms(self, terms: Obligations | None) -> str:
        """Terms as a list."""
        if terms is None:
            return ""
        words = TERMS[self.language]
        return ", ".join(
            words[name].format(", ".join(value) if isinstance(value, list) else value)
            for name, value in terms.as_dict().items()
        )

    def duration(self, duration: str) -> str:
        """An ISO 8601 duration in words; one of a single unit loses the (s) that does not fit its number."""
        date, _, time = duration.lstrip("P").partition("T")
        parts = [*re.findall(r"(\d+)([YMWD])", date), *re.findall(r"(\d+)([HmS])", time.replace("M", "m"))]
        words = [UNITS[self.language][unit].format(n).replace("(s)", "" if n == "1" else "s") for n, unit in parts]
        return (" " if self.language != "ja" else "").join(words)

    def role(self, role: str | None) -> str:
        """An office in words."""
        if role is None:
            return "?"
        end, _, office = role.partition(".")
        named = ENDS[self.language].get(end, end)
        return OFFICE[self.language].format(end=named, office=office.replace("_", " ")) if office else named

    def clause(self, clause: Clause) -> str:
        """One clause as a sentence; a type without a template is said in English in brackets."""
        kind = clause.word
        if clause.sticky:
            kind = f"tie.{kind}"
        elif kind == "duty" and clause.every is not None:
            kind = "duty.every"
        elif kind == "duty" and clause.before is not None:
            kind = "duty.before"
        if kind not in self.sentences:
            return f"[en] {Phrases('en').clause(clause)}"
        clock = clause.within or clause.answer_within
        within = ""
        if clock is not None:
            told = self.duration(clock)
            within = self.connect["at_once"] if clock == "PT0S" else self.connect["within"].format(told)
        sentence = self.sentences[kind].format(
            when=self.when(clause.when),
            by=self.role(clause.by),
            do=self.terms(clause.do),
            within=within,
            notify=self.role(clause.notify),
            on=(clause.on or "?").replace("_", " "),
            every=self.duration(clause.every) if clause.every else "",
            before=self.duration(clause.before) if clause.before else "",
        )
        survives = self.sentences["survives"] if clause.survives else ""
        return sentence + survives + (self.sentences["absolute"] if clause.absolute else "")

    def caveat(self, caveat: Caveat) -> str:
        """One national rule as a sentence."""
        sentence = self.sentences[caveat.effect.word].format(
            when=self.when(caveat.when), by=self.role(caveat.by), do=self.terms(caveat.do), within=""
        )
        return sentence + (self.sentences["absolute"] if caveat.absolute else "")


def phrases_for(language: str) -> Phrases:
    """Sentences of a language."""
    return Phrases(language)
