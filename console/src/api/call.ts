// Calls an operation of /admin/v1 by its id in the OpenAPI document.
import { ROUTES } from "./generated/routes";
import type { operations } from "./generated/schema";

export type Operation = keyof typeof ROUTES & keyof operations;

type Parameters<O extends Operation, Kind extends "path" | "query"> = NonNullable<operations[O]["parameters"][Kind]>;
type Body<O extends Operation> =
  operations[O] extends { requestBody: { content: { "application/json": infer B } } } ? B
    : operations[O] extends { requestBody?: { content: { "application/json": infer B } } } ? B | undefined
    : operations[O] extends { requestBody: { content: { "multipart/form-data": unknown } } } ? FormData : undefined;
type Success<R> = R extends { 200: infer A } ? A : R extends { 201: infer A } ? A : R extends { 202: infer A } ? A : unknown;

/** The body of the answer to an operation that succeeded. */
export type Answer<O extends Operation> =
  Success<operations[O]["responses"]> extends { content: { "application/json": infer A } } ? A : undefined;

/** What a call takes: the parts of its path, its query and its body. */
export interface Input<O extends Operation> {
  path?: Parameters<O, "path">;
  query?: Parameters<O, "query">;
  body?: Body<O>;
  signal?: AbortSignal;
}

/** An answer that is no success. `code` is UNREACHABLE where there was no answer at all. */
export class Failure extends Error {
  constructor(readonly status: number, readonly code: string, message: string, readonly retryAfter: number | null) {
    super(message);
  }
}

/** How long an answer may take. A photo on a slow line takes a while. */
const TIMEOUT_MS = 60_000;

let csrfToken: string | null = null;
let onSignedOut: (() => void) | null = null;

/** Sets the token that changes need beside the session's cookie. It is kept in memory alone. */
export function setCsrfToken(token: string | null): void {
  csrfToken = token;
}

/** Sets what happens when the service no longer knows the session. */
export function whenSignedOut(action: () => void): void {
  onSignedOut = action;
}

/** The address of an operation, relative to that of the page, so that the console works behind a proxy's path too. */
export function addressOf(operation: Operation, path?: object, query?: object): string {
  let address: string = ROUTES[operation].path;
  for (const [name, value] of Object.entries(path ?? {})) {
    address = address.replace(`{${name}}`, encodeURIComponent(String(value)));
  }
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== "") search.set(name, String(value));
  }
  return `..${address}${search.size > 0 ? `?${search}` : ""}`;
}

/** Calls an operation and returns its answer, or throws a `Failure`. */
export async function call<O extends Operation>(operation: O, input: Input<O> = {}): Promise<Answer<O>> {
  const response = await send(operation, input);
  if (response.ok) return (response.status === 204 ? undefined : await readJson(response)) as Answer<O>;
  const failure = await failureOf(response);
  if (failure.status === 401 && operation !== "signIn") onSignedOut?.();
  throw failure;
}

async function send<O extends Operation>(operation: O, input: Input<O>): Promise<Response> {
  const body = input.body as unknown;
  const isForm = body instanceof FormData;
  const headers: Record<string, string> = { accept: "application/json" };
  if (csrfToken !== null && ROUTES[operation].method !== "GET") headers["x-csrf-token"] = csrfToken;
  // Without a body too: a form of another site cannot send this type.
  if (!isForm && ROUTES[operation].method !== "GET") headers["content-type"] = "application/json";
  const deadline = AbortSignal.timeout(TIMEOUT_MS);
  try {
    return await fetch(addressOf(operation, input.path as object, input.query as object), {
      method: ROUTES[operation].method,
      headers,
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      signal: input.signal ? AbortSignal.any([deadline, input.signal]) : deadline,
      ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
    });
  } catch (error) {
    if (input.signal?.aborted) throw error;
    throw new Failure(0, "UNREACHABLE", "", null);
  }
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    throw new Failure(0, "UNREACHABLE", "", null);
  }
}

async function failureOf(response: Response): Promise<Failure> {
  const after = Number(response.headers.get("retry-after"));
  const fault = (await response.json().catch(() => null)) as { code?: unknown; message?: unknown } | null;
  const code = typeof fault?.code === "string" ? fault.code : `STATUS_${response.status}`;
  const message = typeof fault?.message === "string" ? fault.message : "";
  return new Failure(response.status, code, message, Number.isFinite(after) && after > 0 ? after : null);
}
