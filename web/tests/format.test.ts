import { describe, expect, it } from "vitest";
import * as f from "../src/units/format";

describe("positions", () => {
  it.each([
    [15.0708333, "15°04.250′N"],
    [-0.5, "00°30.000′S"],
    [0, "00°00.000′N"],
    [59.999999, "60°00.000′N"], // minutes never read 60.000
  ])("latitude %d", (deg, text) => expect(f.latitude(deg)).toBe(text));
  it.each([
    [120.5, "120°30.000′E"],
    [-5.25, "005°15.000′W"],
    [181, "179°00.000′W"],
    [-181, "179°00.000′E"],
    [540.5, "179°30.000′W"],
  ])("longitude %d", (deg, text) => expect(f.longitude(deg)).toBe(text));
  it("shows absence, not NaN", () => {
    expect(f.latitude(NaN)).toBe(f.ABSENT);
    expect(f.knots(NaN)).toBe(f.ABSENT);
    expect(f.bearing(NaN)).toBe(f.ABSENT);
    expect(f.distance(NaN)).toBe(f.ABSENT);
    expect(f.age(NaN)).toBe(f.ABSENT);
    expect(f.clock(NaN)).toBe("--:--:--Z");
    expect(f.count(undefined)).toBe(f.ABSENT);
  });
});

describe("units of a watch", () => {
  it("knots and nautical miles", () => {
    expect(f.knots(10 * (1852 / 3600))).toBe("10.0 kn");
    expect(f.distance(1852)).toBe("1.00 nm");
    expect(f.distance(185_200)).toBe("100 nm");
    expect(f.distance(420)).toBe("420 m");
  });
  it("bearings have three digits and no 360", () => {
    expect(f.bearing(7)).toBe("007°");
    expect(f.bearing(359.8)).toBe("000°");
  });
  it.each([
    [42, "42 s"],
    [99.4, "99 s"],
    [420, "7 min"],
    [3 * 3600 + 300, "3 h 05"],
    [50 * 3600, "2 d 2 h"],
    [-5, "0 s"],
  ])("age %d s", (s, text) => expect(f.age(s)).toBe(text));
});

describe("times", () => {
  const noon = Date.UTC(2026, 10, 22, 12, 0, 5) * 1000;
  it("are UTC with Z", () => {
    expect(f.clock(noon)).toBe("12:00:05Z");
    expect(f.stamp(noon)).toBe("2026-11-22 12:00:05Z");
  });
  it("carry the date when it is not today", () => {
    expect(f.when("2026-11-22T03:04:05Z", noon)).toBe("03:04:05Z");
    expect(f.when("2026-11-21T23:59:59Z", noon)).toBe("2026-11-21 23:59:59Z");
    expect(f.when(undefined, noon)).toBe(f.ABSENT);
  });
  it("accepts microseconds as they are", () => expect(f.micros(noon)).toBe(noon));
});

describe("rates of a link", () => {
  it.each([
    [0, "0 B/s"],
    [999, "999 B/s"],
    [6250, "6.25 kB/s"],
    [123_456, "123 kB/s"],
    [4_000_000, "4.00 MB/s"],
    [null, f.ABSENT],
    [undefined, f.ABSENT],
    [NaN, f.ABSENT],
  ])("%s", (perSecond, text) => expect(f.byteRate(perSecond)).toBe(text));
});
