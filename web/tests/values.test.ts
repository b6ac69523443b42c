import { describe, expect, it } from "vitest";
import { terms, valueText } from "../src/panels/values";

describe("values of the card", () => {
  it.each([
    [{ name: "sog_mps", value: 5.144444, unit: "m/s" }, "10.0 kn"],
    [{ name: "cog_deg", value: 7.2, unit: "deg" }, "007°"],
    [{ name: "lat_deg", value: 18.5, unit: "deg" }, "18°30.000′N"],
    [{ name: "lon_deg", value: 121.25, unit: "deg" }, "121°15.000′E"],
    [{ name: "length_m", value: 182, unit: "m" }, "182 m"],
    [{ name: "name", value: "KAIYO" }, "KAIYO"],
    [{ name: "p", value: 0.123456789 }, "0.12346"],
    [{ name: "x", value: null }, "–"],
    [{ name: "x", value: true }, "✓"],
    [{ name: "x", value: ["a"] }, '["a"]'],
  ])("%o", (v, text) => expect(valueText(v)).toBe(text));
});

describe("terms", () => {
  it("reads as a person would say them and leaves defaults out", () => {
    expect(
      terms({ delay_s: 300, grid_deg: 0.1, time_bucket_s: 0, redact: ["sources"], retention_s: 2592000, onward: false, purpose: [], via: null }),
    ).toEqual(["delay 5 min", "cell 0.1°", "redact sources", "kept 30 d 0 h", "not onward"]);
    expect(terms({ onward: true })).toEqual([]);
  });
});
