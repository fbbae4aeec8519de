// What an OpenID Connect provider added to the address of the page, when it sent the browser back.
import type { operations } from "./api/generated/schema";

type Brought = operations["signInFromProvider"]["requestBody"]["content"]["application/json"];

/** Takes the provider's answer out of the address, so that it stays neither there nor in the history. */
export function takeProviderAnswer(): Brought | null {
  const search = new URLSearchParams(location.search);
  const [state, code, error, iss] = ["state", "code", "error", "iss"].map(name => search.get(name) ?? undefined);
  if (state === undefined || (code === undefined && error === undefined)) return null;
  history.replaceState(null, "", location.pathname + location.hash);
  return { state, ...(code === undefined ? {} : { code }), ...(error === undefined ? {} : { error }), ...(iss === undefined ? {} : { iss }) };
}
