// The language of the page, and words with places filled in.

import { en, type Dictionary, type Word } from "./en";
import { fil } from "./fil";
import { ja } from "./ja";

export const LANGUAGES = ["en", "ja", "fil"] as const;
export type Language = (typeof LANGUAGES)[number];
export const LANGUAGE_NAMES: Record<Language, string> = { en: "English", ja: "日本語", fil: "Filipino" };

const dictionaries: Record<Language, Dictionary> = { en, ja, fil };
const chosen = $state<{ language: Language }>({ language: "en" });

export function speak(language: Language): void {
  chosen.language = language;
  document.documentElement.lang = language;
}

export function language(): Language {
  return chosen.language;
}

export type { Word };

/** The word in the chosen language, `{place}` filled from values. */
export function t(word: Word, values: Record<string, string | number> = {}): string {
  return dictionaries[chosen.language][word].replace(/\{(\w+)\}/g, (whole, key: string) =>
    key in values ? String(values[key]) : whole,
  );
}

/** The word of an open family such as state.*, or the raw value when the node says something new. */
export function named(family: string, value: string | null | undefined): string {
  if (!value) return "";
  const key = `${family}.${value}`;
  return key in en ? t(key as Word) : value.replaceAll("_", " ");
}
