// The address of a page is in the fragment, which browsers do not send: `#/clients/bank`. It never holds an identity
// number, a request's id or what was searched for.
import { useEffect, useState } from "preact/hooks";

/** The parts of the page's address, such as `["clients", "bank"]`. */
export type Route = readonly string[];

function read(): Route {
  return location.hash.replace(/^#\/?/, "").split("/").filter(part => part !== "").map(decode);
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a page, for a link. */
export function to(...parts: string[]): string {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

/** Goes to a page. */
export function go(...parts: string[]): void {
  location.hash = to(...parts);
}

/** The page's address, as it changes. */
export function useRoute(): Route {
  const [route, setRoute] = useState(read);
  useEffect(() => {
    const update = () => setRoute(read());
    addEventListener("hashchange", update);
    return () => removeEventListener("hashchange", update);
  }, []);
  return route;
}
