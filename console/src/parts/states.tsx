// What a page shows while it waits, when something failed, and when there is nothing to show.
import type { ComponentChildren } from "preact";

import type { Failure } from "../api/call";
import type { Loaded } from "../api/use_answer";
import { useWords, type Key, type Words } from "../words/words";

const SENTENCES: Record<string, Key> = {
  UNREACHABLE: "failure.UNREACHABLE",
  UNAUTHORIZED: "failure.UNAUTHORIZED",
  WRONG_CREDENTIALS: "failure.WRONG_CREDENTIALS",
  CODE_REQUIRED: "failure.CODE_REQUIRED",
  FORBIDDEN: "failure.FORBIDDEN",
  CSRF: "failure.UNAUTHORIZED",
  NOT_FOUND: "failure.NOT_FOUND",
  OPERATORS_BY_COMMAND: "operators.byCommand",
  NO_ROLE: "failure.NO_ROLE",
  PROVIDER_REFUSED: "failure.PROVIDER_REFUSED",
  PROVIDER_UNAVAILABLE: "failure.PROVIDER_UNAVAILABLE",
  SIGN_IN_NOT_BEGUN: "failure.SIGN_IN_NOT_BEGUN",
  INVALID: "failure.INVALID",
  BODY_TOO_LARGE: "failure.BODY_TOO_LARGE",
  BODY_INCOMPLETE: "failure.UNREACHABLE",
  CONFLICT: "failure.CONFLICT",
  BUSY: "failure.BUSY",
  TOO_MANY_ATTEMPTS: "failure.TOO_MANY_ATTEMPTS",
  TOO_MANY_WRONG_TOKENS: "failure.TOO_MANY_ATTEMPTS",
  UNAVAILABLE: "failure.UNAVAILABLE",
};

/** What went wrong, in the language of the page. */
export function sentenceOf(failure: Failure, words: Words): string {
  const sentence = words.t(SENTENCES[failure.code] ?? "failure.other");
  return failure.retryAfter === null ? sentence : `${sentence} ${words.t("failure.retryAfter", { seconds: failure.retryAfter })}`;
}

/** The service's own sentences, which are in English, where they say more than the code. */
const DETAILED = new Set(["INVALID", "CONFLICT", "BUSY", "NOT_FOUND", "UNAVAILABLE", "PROVIDER_REFUSED"]);

/** A failed call. It is read out at once. */
export function Problem({ failure, retry }: { failure: Failure | undefined; retry?: () => void }) {
  const words = useWords();
  if (failure === undefined) return null;
  return (
    <div class="message bad" role="alert">
      <div>
        <p>{sentenceOf(failure, words)}</p>
        {DETAILED.has(failure.code) && failure.message && <p class="small" lang="en">{failure.message}</p>}
      </div>
      {retry && <button type="button" onClick={retry}>{words.t("action.retry")}</button>}
    </div>
  );
}

/** Something that was done, or that needs attention. */
export function Note({ tone, children }: { tone: "good" | "warn" | "bad"; children: ComponentChildren }) {
  return <div class={`message ${tone}`} role="status"><div>{children}</div></div>;
}

/** Shows an answer once it is there; a failure beside an older answer; and that it is being loaded. */
export function Whenever<T>({ loaded, children }: { loaded: Loaded<T>; children: (answer: T) => ComponentChildren }) {
  const { t } = useWords();
  const { answer, failure, isLoading, reload } = loaded;
  return (
    <>
      <Problem failure={failure} retry={reload} />
      {answer !== undefined && failure !== undefined && <p class="small quiet">{t("state.old")}</p>}
      {answer !== undefined ? children(answer) : isLoading && <p class="empty" role="status">{t("state.loading")}</p>}
    </>
  );
}
