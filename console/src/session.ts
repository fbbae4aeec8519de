// The operator who is signed in, and what the role permits.
import { createContext } from "preact";
import { useContext } from "preact/hooks";

import type { Answer, Operation } from "./api/call";

export type Session = Answer<"showSession">;

export interface Access {
  session: Session;
  /** Whether the role permits the operation. The service checks it again. */
  may: (operation: Operation) => boolean;
}

export const AccessContext = createContext<Access | null>(null);

/** The access of a page, which is shown only after a sign-in. */
export function useAccess(): Access {
  const access = useContext(AccessContext);
  if (!access) throw new Error("a page is shown without a session");
  return access;
}

export function accessOf(session: Session): Access {
  const operations = new Set<string>(session.operations);
  return { session, may: operation => operations.has(operation) };
}
