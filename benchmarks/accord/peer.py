"""One policy engine decides the simple rule: run in the peers' own environment, prints JSON.

Usage: python peer.py {cedarpy|pycasbin} PAIRS.json; the file holds ``rows`` ([level, subject] a row) and ``subjects``.
Each engine gets the attributes ready-made and is used by its own batch call where it has one. Imports nothing of
Kuroshio.
"""

import json
import sys
import time


def by_cedarpy(rows, subjects):
    import cedarpy

    named = ", ".join(f'"{s}"' for s in subjects)
    policy = (
        'permit(principal, action == Action::"release", resource) when '
        f'{{ ["U", "R"].contains(context.level) && [{named}].contains(context.subject) }};'
    )
    fixed = {"principal": 'Party::"USA"', "action": 'Action::"release"', "resource": 'Item::"1"'}
    requests = [{**fixed, "context": {"level": level, "subject": subject}} for level, subject in rows]
    begun = time.process_time()
    answers = cedarpy.is_authorized_batch(requests, policy, [])
    return time.process_time() - begun, [bool(a.allowed) for a in answers]


def by_pycasbin(rows, subjects):
    import casbin

    model = casbin.Model()
    model.load_model_from_text(
        "[request_definition]\nr = level, subject, to\n[policy_definition]\np = level, subject\n"
        "[policy_effect]\ne = some(where (p.eft == allow))\n"
        "[matchers]\nm = r.level == p.level && r.subject == p.subject\n"
    )
    enforcer = casbin.Enforcer(model)
    enforcer.add_policies([[level, subject] for level in ("U", "R") for subject in subjects])
    begun = time.process_time()
    verdicts = [bool(enforcer.enforce(level, subject, "USA")) for level, subject in rows]
    return time.process_time() - begun, verdicts


def main():
    name, path = sys.argv[1:3]
    with open(path) as file:
        given = json.load(file)
    decide = {"cedarpy": by_cedarpy, "pycasbin": by_pycasbin}[name]
    decide(given["rows"][:50], given["subjects"])  # first call outside the time
    seconds, verdicts = decide(given["rows"], given["subjects"])
    print(json.dumps({"seconds": seconds, "verdicts": verdicts}))


if __name__ == "__main__":
    main()
