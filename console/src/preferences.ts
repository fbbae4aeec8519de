// Language and appearance, which this browser keeps. Nothing else is kept in it.
import type { Language } from "./words/words";

export type Appearance = "system" | "light" | "dark";

const LANGUAGE = "padan-console-language";
const APPEARANCE = "padan-console-appearance";

export function readLanguage(): Language {
  const kept = read(LANGUAGE);
  if (kept === "id" || kept === "en") return kept;
  return navigator.languages.some(name => name.toLowerCase().startsWith("id")) ? "id"
    : navigator.language.toLowerCase().startsWith("en") ? "en" : "id";
}

export function readAppearance(): Appearance {
  const kept = read(APPEARANCE);
  return kept === "light" || kept === "dark" ? kept : "system";
}

export const keepLanguage = (language: Language): void => keep(LANGUAGE, language);
export const keepAppearance = (appearance: Appearance): void => keep(APPEARANCE, appearance);

/** Shows the pages in light or dark, whatever the system prefers. */
export function showAppearance(appearance: Appearance): void {
  if (appearance === "system") delete document.documentElement.dataset["appearance"];
  else document.documentElement.dataset["appearance"] = appearance;
}

// A browser may forbid to keep anything; then the preferences last until the page is left.
function read(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function keep(name: string, value: string): void {
  try {
    localStorage.setItem(name, value);
  } catch {
    return;
  }
}
