"""Words of printed agreements by language: heads, states, evidence, units, offices and what starts a duty.

What enters: nothing. What leaves: tables that `phrases` and `printed` fill sentences from. Japanese and Filipino words
are unreviewed by a jurist. What a file names itself (subjects, purposes, titles) stays as the file has it.
"""

from __future__ import annotations

HEADS: dict[str, dict[str, str]] = {
    "en": {
        "reading": "A reading by {by}, {date}: {note}. Generated from the file; not the text of the agreement.",
        "parties": "Between {parties} ({binding}).",
        "treaty": "treaty",
        "arrangement": "arrangement",
        "state": "State: {state}.",
        "note": "Note: {note}.",
        "order": "Levels, lowest first: {levels}.",
        "evidence": "evidence: {evidence}",
        "requires": "In force only while these are: {requires}.",
        "clauses": "What it says",
        "history": "History",
        "levels": "Levels",
        "known": "known here since",
        "conflict": "Sources disagree",
        "caveats": "National rules",
        "activities": "Activities",
        "within_activity": "within {period} only, among {parties}{area}",
        "in_area": ", in {area}",
        "drill": ", exercise data only",
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
        "note": "注: {note}。",
        "order": "秘密区分（低い順）: {levels}。",
        "evidence": "根拠: {evidence}",
        "requires": "次の協定が効力を有する間に限り効力を有する: {requires}。",
        "clauses": "内容",
        "history": "経緯",
        "levels": "秘密区分の対応",
        "known": "把握日",
        "conflict": "情報源の不一致",
        "caveats": "各当事者の国内規則",
        "activities": "活動",
        "within_activity": "期間{period}、参加者{parties}{area}に限る",
        "in_area": "、海域{area}",
        "drill": "、演習用データのみ",
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
        "note": "Tala: {note}.",
        "order": "Mga antas, mula sa pinakamababa: {levels}.",
        "evidence": "batayan: {evidence}",
        "requires": "May bisa lamang habang may bisa ang mga ito: {requires}.",
        "clauses": "Ang nilalaman",
        "history": "Kasaysayan",
        "levels": "Mga antas",
        "known": "nalaman noong",
        "conflict": "Hindi magkatugma ang mga pinagmulan",
        "caveats": "Mga pambansang tuntunin",
        "activities": "Mga aktibidad",
        "within_activity": "sa loob lamang ng {period}, sa pagitan ng {parties}{area}",
        "in_area": ", sa {area}",
        "drill": ", datos ng pagsasanay lamang",
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

EVIDENCE: dict[str, dict[str, str]] = {
    "en": {
        "reported": "a report",
        "announced": "an announcement",
        "signed": "the signature",
        "in_force": "the entry into force",
        "notice": "the notice",
        "contested": "what the parties said",
        "suspended": "the suspension",
        "terminated": "the termination",
    },
    "ja": {
        "reported": "報道",
        "announced": "発表",
        "signed": "署名",
        "in_force": "効力発生",
        "notice": "通告",
        "contested": "各当事者の表明",
        "suspended": "停止",
        "terminated": "終了",
    },
    "fil": {
        "reported": "isang ulat",
        "announced": "isang pahayag",
        "signed": "ang paglagda",
        "in_force": "ang pagkakaroon ng bisa",
        "notice": "ang abiso",
        "contested": "ang sinabi ng mga panig",
        "suspended": "ang suspensiyon",
        "terminated": "ang pagwawakas",
    },
}

# offices of the roles that files name; another office is printed as the file has it
OFFICES: dict[str, dict[str, str]] = {
    "en": {},
    "ja": {
        "release_authority": "提供決定権者",
        "competent_authority": "権限のある当局",
        "treaty_officer": "条約担当官",
        "clearance_authority": "入域許可当局",
    },
    "fil": {
        "release_authority": "awtoridad sa paglalabas",
        "competent_authority": "karampatang awtoridad",
        "treaty_officer": "opisyal ng tratado",
        "clearance_authority": "awtoridad sa pahintulot ng pagpasok",
    },
}

# what starts a duty, as the ``on`` of clauses names it
STARTS: dict[str, dict[str, str]] = {
    "en": {"compromise_suspected": "suspected loss or compromise", "in_service": "entry into service"}
    | {"incident": "an incident", "claim": "a claim", "order": "an order"},
    "ja": {
        "receipt": "受領",
        "delivery": "引渡し",
        "in_service": "運用開始",
        "entry": "入域",
        "departure": "出域",
        "incident": "事故",
        "claim": "請求",
        "order": "発注",
        "compromise_suspected": "漏えい又はその疑い",
    },
    "fil": {
        "receipt": "pagtanggap",
        "delivery": "paghahatid",
        "in_service": "simula ng paggamit",
        "entry": "pagpasok",
        "departure": "pag-alis",
        "incident": "insidente",
        "claim": "paghahabol",
        "order": "order",
        "compromise_suspected": "hinalang pagkawala o pagkalantad",
    },
}
