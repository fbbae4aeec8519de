// The words of the console in two languages, and numbers and times as each language writes them.
import { createContext } from "preact";
import { useContext } from "preact/hooks";

import { ADVICE } from "../api/generated/advice";
import { en } from "./en";
import { id } from "./id";

/** The name of a sentence or label. */
export type Key = keyof typeof en;
export type Language = "id" | "en";
export type Values = Record<string, string | number>;

const DICTIONARIES: Record<Language, Record<Key, string>> = { en, id };
const LOCALES: Record<Language, string> = { en: "en-GB", id: "id-ID" };
/** Days of quotas and usage are days in Jakarta, and so are the times that the console shows. */
const TIME_ZONE = "Asia/Jakarta";

/** What a page needs to speak one language. */
export class Words {
  constructor(readonly language: Language, readonly setLanguage: (language: Language) => void) {}

  /** The sentence with its `{placeholders}` filled in. */
  readonly t = (key: Key, values: Values = {}): string =>
    DICTIONARIES[this.language][key].replace(/\{(\w+)\}/g, (all, name: string) => {
      const value = values[name];
      return value === undefined ? all : typeof value === "number" ? this.number(value) : value;
    });

  /** The sentence of a key that is made from a code, or the code itself where there is none. */
  readonly named = (family: "reason" | "act" | "endpoint" | "field" | "kind" | "rule" | "component" | "step" | "role" | "job", code: string): string => {
    const key = `${family}.${code}`;
    return key in en ? this.t(key as Key) : code;
  };

  /** What to tell the person in front of the camera. */
  readonly advice = (code: string, language: Language): string => (ADVICE[code as keyof typeof ADVICE] ?? ADVICE.any_other)[language];

  readonly number = (value: number, digits = 0): string =>
    value.toLocaleString(LOCALES[this.language], { maximumFractionDigits: digits });

  readonly percent = (value: number): string =>
    value.toLocaleString(LOCALES[this.language], { minimumFractionDigits: 2, maximumFractionDigits: 2 });

  /** A moment to the second, in Jakarta. */
  readonly time = (moment: string): string => this.#format(moment, { dateStyle: "medium", timeStyle: "medium" });

  /** A moment to the minute, in Jakarta. */
  readonly minute = (moment: string): string => this.#format(moment, { dateStyle: "medium", timeStyle: "short" });

  /** A day `yyyy-mm-dd`. */
  readonly day = (day: string): string =>
    new Date(`${day}T00:00:00Z`).toLocaleDateString(LOCALES[this.language], { day: "numeric", month: "short", timeZone: "UTC" });

  #format(moment: string, options: Intl.DateTimeFormatOptions): string {
    const date = new Date(moment);
    return Number.isNaN(date.getTime()) ? moment : date.toLocaleString(LOCALES[this.language], { ...options, timeZone: TIME_ZONE });
  }
}

export const WordsContext = createContext<Words>(new Words("id", () => {}));

export function useWords(): Words {
  return useContext(WordsContext);
}
