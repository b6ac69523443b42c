import { en, type Dictionary } from "./en";

export const ja: Dictionary = { ...en };
