import { describe, expect, it } from "vitest";
import type { Alert } from "../src/api/wire";
import { definition, facts, quantity, sentences } from "../src/state/evidence";

const alert = (evidence: Record<string, unknown>): Alert => ({
  alert_id: "a",
  definition: "gap",
  severity: "info",
  summary: "",
  evidence,
});

describe("facts", () => {
  it("puts what was measured first, limit and measure apart", () => {
    const thresholds = [
      { name: "lower_n", meaning: "Updates that end it", value: 2, unit: "", source: "own" },
      { name: "raise_n", meaning: "Updates", value: 5, measured: 39, margin: 34, sense: "at least", unit: "" },
    ];
    expect(facts(alert({ thresholds }))).toEqual([
      { text: "Updates", measured: 39, limit: 5, margin: 34, unit: "", sense: "at least", source: "" },
      { text: "Updates that end it", measured: null, limit: 2, margin: null, unit: "", sense: "", source: "own" },
    ]);
  });
  it("reads value against limit, and a plain mapping", () => {
    expect(facts(alert({ thresholds: [{ name: "gap_s", value: 90, limit: 60 }] }))[0]).toMatchObject({ measured: 90, limit: 60 });
    expect(facts(alert({ thresholds: { gap_s: 60 } }))[0]).toMatchObject({ text: "gap s", measured: null, limit: 60 });
    expect(facts(alert({ thresholds: null }))).toEqual([]);
    expect(facts(alert({ thresholds: [null, 3] }))).toEqual([]);
  });
});

describe("quantity", () => {
  it.each([
    [7200, "s", "2 h 00"],
    [-292, "s", "−5 min"],
    [180, "m", "180 m"],
    [20032.9, "m", "10.8 nm"],
    [30.867, "m/s", "60.0 kn"],
    [39, "", "39"],
    ["entry", "", "entry"],
    [["eez", "reserve"], "", "eez, reserve"],
    [null, "s", ""],
  ])("%o %s", (value, unit, text) => expect(quantity(value, unit)).toBe(text));
});

describe("sentences", () => {
  it("takes one, many or none under any of the keys", () => {
    const a = alert({ cancelled_by: "AIS.", alternatives: ["x", "y"], definition: { sentence: "Held." } });
    expect(sentences(a, "would_cancel", "cancelled_by")).toEqual(["AIS."]);
    expect(sentences(a, "alternatives")).toEqual(["x", "y"]);
    expect(sentences(a, "limits")).toEqual([]);
    expect(definition(a)).toBe("Held.");
    expect(definition(alert({}))).toBe("");
  });
});
