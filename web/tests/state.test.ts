import { describe, expect, it } from "vitest";
import type { Alert } from "../src/api/wire";
import { FLAG } from "../src/api/wire";
import { isOpen, isUnseen } from "../src/state/alerts";
import { NodeClock } from "../src/state/clock";
import { alertPasses, decodeFilter, encodeFilter, EVERYTHING, exportQuery, isEverything, passes, shipGroup } from "../src/state/filters";
import { Picture } from "../src/state/picture";
import { snapshot, T0 } from "./frames";

const alert = (more: Partial<Alert> = {}): Alert => ({
  alert_id: "a",
  definition: "gap",
  severity: "caution",
  summary: "s",
  track_ids: [1],
  ...more,
});

describe("filter in the address", () => {
  it("comes back as it went", () => {
    const filter = { sensors: ["ais", "radar"], marks: ["dark"], groups: ["tanker"], text: "MARU; 7=8 & ñ", minKn: 2.5 };
    expect(decodeFilter(encodeFilter(filter))).toEqual(filter);
    expect(decodeFilter(encodeFilter(EVERYTHING))).toEqual(EVERYTHING);
  });
  it("leaves out what it does not know", () => {
    expect(decodeFilter("s=ais,laser;m=evil;g=x;k=-4;t=%E0%A4%A;z=1")).toEqual({ ...EVERYTHING, sensors: ["ais"] });
    expect(isEverything(decodeFilter(null))).toBe(true);
  });
});

describe("passes", () => {
  const picture = new Picture();
  picture.apply(
    snapshot([
      { id: 1, sensors: 1, name: "Kaiyo Maru", mmsi: 431000001, shipType: 30, sog: 5 },
      { id: 2, sensors: 2, flags: FLAG.dark, sog: 0.1, at: T0 - 3600e6 },
      { id: 3, sensors: 32, grid: 9000, shipType: 80 },
    ]),
  );
  const shown = (filter: Partial<typeof EVERYTHING>) => {
    const test = passes({ ...EVERYTHING, ...filter }, picture, T0, 360e6);
    return [1, 2, 3].filter((id) => test(picture.slot(id)));
  };
  it("filters", () => {
    expect(shown({})).toEqual([1, 2, 3]);
    expect(shown({ sensors: ["radar", "partner"] })).toEqual([2, 3]);
    expect(shown({ marks: ["dark"] })).toEqual([2]);
    expect(shown({ marks: ["stale"] })).toEqual([2]);
    expect(shown({ marks: ["blurred", "dark"] })).toEqual([2, 3]);
    expect(shown({ groups: ["fishing", "tanker"] })).toEqual([1, 3]);
    expect(shown({ text: "kaiyo" })).toEqual([1]);
    expect(shown({ text: "431000" })).toEqual([1]);
    expect(shown({ text: "T2" })).toEqual([2]);
    expect(shown({ minKn: 1 })).toEqual([1, 3]);
  });
  it("never hides an alert whose tracks left the picture", () => {
    const none = () => false;
    expect(alertPasses(alert({ track_ids: [99] }), picture, none)).toBe(true);
    expect(alertPasses(alert({ track_ids: [1] }), picture, none)).toBe(false);
  });
});

describe("export", () => {
  const asked = (more: Partial<typeof EVERYTHING>) => exportQuery({ ...EVERYTHING, ...more });
  it("asks the node for what it can filter and admits the rest", () => {
    expect(asked({})).toEqual({ query: [], whole: true });
    expect(asked({ sensors: ["ais", "radar"], marks: ["dark"] })).toEqual({
      query: [["sensor", "ais"], ["sensor", "radar"], ["flag", "dark"]],
      whole: true,
    });
    expect(asked({ text: "431000001" }).query).toEqual([["mmsi", "431000001"]]);
    expect(asked({ text: "Kaiyo" })).toEqual({ query: [["name", "Kaiyo"]], whole: true });
    expect(asked({ text: "T17" }).whole).toBe(false);
    expect(asked({ minKn: 3 }).whole).toBe(false);
    expect(asked({ groups: ["tanker"] }).whole).toBe(false);
    expect(asked({ marks: ["stale"] }).whole).toBe(false);
  });
});

describe("ship groups", () => {
  it.each([
    [0, "unknown"],
    [30, "fishing"],
    [52, "service"],
    [60, "passenger"],
    [79, "cargo"],
    [80, "tanker"],
    [99, "other"],
  ] as const)("%d", (type, group) => expect(shipGroup(type)).toBe(group));
});

describe("alerts", () => {
  it("stay until somebody settles them", () => {
    expect(isOpen(alert(), T0)).toBe(true);
    expect(isOpen(alert({ change: "void" }), T0)).toBe(false);
    expect(isOpen(alert({ state: "closed" }), T0)).toBe(false);
    expect(isOpen(alert({ verdicts: [{ verdict: "false", at: "1" }] }), T0)).toBe(false);
    expect(isOpen(alert({ verdicts: [{ verdict: "acknowledged", at: "1" }] }), T0)).toBe(true);
    expect(isOpen(alert({ end_at: "x", verdicts: [{ verdict: "acknowledged", at: "1" }] }), T0)).toBe(false);
    expect(isUnseen(alert())).toBe(true);
  });
  it("come back when silence ends, and the last verdict counts", () => {
    const until = new Date(T0 / 1000 + 60_000).toISOString();
    const silenced = alert({ verdicts: [{ verdict: "silenced", at: "2", until }] });
    expect(isOpen(silenced, T0)).toBe(false);
    expect(isOpen(silenced, T0 + 61e6)).toBe(true);
    const after = alert({ verdicts: [{ verdict: "silenced", at: "1", until }, { verdict: "acknowledged", at: "2" }] });
    expect(isOpen(after, T0)).toBe(true);
  });
});

describe("NodeClock", () => {
  it("runs at the wall's rate when the node does", () => {
    const clock = new NodeClock();
    clock.hear(T0, 0);
    clock.hear(T0 + 1e6, 1000);
    clock.hear(T0 + 2.02e6, 2000);
    expect(clock.now(2500)).toBeCloseTo(T0 + 2.52e6, -3);
  });
  it("follows a fast replay and stops when nothing is heard", () => {
    const clock = new NodeClock();
    clock.hear(T0, 0);
    for (let i = 1; i < 20; i++) clock.hear(T0 + i * 60e6, i * 1000);
    expect(clock.rate).toBeGreaterThan(50);
    const held = clock.now(19_000 + 15_000);
    expect(clock.now(19_000 + 60_000)).toBe(held);
    expect(clock.silentS(19_000 + 60_000)).toBeCloseTo(60, 0);
  });
  it("says nothing before it heard anything", () => expect(new NodeClock().now(5)).toBeNaN());
});
