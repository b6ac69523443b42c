import { describe, expect, it } from "vitest";
import { en } from "../src/words/en";
import { fil } from "../src/words/fil";
import { ja } from "../src/words/ja";

const places = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort();

describe.each([
  ["ja", ja],
  ["fil", fil],
])("%s", (_, words) => {
  it("has every word and no other", () => expect(Object.keys(words).sort()).toEqual(Object.keys(en).sort()));
  it("fills the same places", () => {
    for (const [key, text] of Object.entries(en)) {
      expect(places(words[key as keyof typeof en]), key).toEqual(places(text));
    }
  });
  it("is translated: few words are the same as in English", () => {
    const same = Object.entries(en).filter(([key, text]) => words[key as keyof typeof en] === text);
    expect(same.length / Object.keys(en).length).toBeLessThan(0.25);
  });
});
