import { en, type Dictionary } from "./en";

export const fil: Dictionary = { ...en };
