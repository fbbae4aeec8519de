// Loads an answer for a page, and loads it again at an interval.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import { Failure } from "./call";

/** What a page knows of an answer that it loads. An answer stays while a later one is loaded or fails. */
export interface Loaded<T> {
  answer: T | undefined;
  failure: Failure | undefined;
  isLoading: boolean;
  reload: () => void;
}

/**
 * Loads at once, whenever one of `inputs` changes, and every `intervalMs` while the page is visible. Of several
 * answers on their way only that of the last request counts.
 */
export function useAnswer<T>(load: () => Promise<T>, inputs: readonly unknown[], intervalMs?: number): Loaded<T> {
  const [state, setState] = useState<{ answer?: T; failure?: Failure | undefined; isLoading: boolean }>({ isLoading: true });
  const latest = useRef(0);
  const loader = useRef(load);
  loader.current = load;

  const reload = useCallback(() => {
    const turn = ++latest.current;
    setState(before => ({ ...before, isLoading: true }));
    loader.current().then(
      answer => turn === latest.current && setState({ answer, isLoading: false }),
      (failure: unknown) => turn === latest.current &&
        setState(before => ({ ...before, failure: asFailure(failure), isLoading: false })));
  }, []);

  useEffect(() => {
    reload();
    return () => void latest.current++;
  }, inputs);
  useEffect(() => {
    if (!intervalMs) return undefined;
    const timer = setInterval(() => document.hidden || reload(), intervalMs);
    return () => clearInterval(timer);
  }, [intervalMs]);
  return { answer: state.answer, failure: state.failure, isLoading: state.isLoading, reload };
}

/** Any error as a `Failure`. */
export function asFailure(error: unknown): Failure {
  return error instanceof Failure ? error : new Failure(0, "CONSOLE", String(error), null);
}

/** What a button that calls the service knows: whether a call runs, and how the last one failed. */
export interface Action<T> {
  run: (work: () => Promise<T>) => Promise<T | undefined>;
  isRunning: boolean;
  failure: Failure | undefined;
  clear: () => void;
}

/** Runs one call at a time. `run` returns undefined if the call failed. */
export function useAction<T>(): Action<T> {
  const [isRunning, setRunning] = useState(false);
  const [failure, setFailure] = useState<Failure>();
  const isBusy = useRef(false);
  const run = async (work: () => Promise<T>) => {
    if (isBusy.current) return undefined;
    isBusy.current = true;
    setRunning(true);
    setFailure(undefined);
    try {
      return await work();
    } catch (error) {
      setFailure(asFailure(error));
      return undefined;
    } finally {
      isBusy.current = false;
      setRunning(false);
    }
  };
  return { run, isRunning, failure, clear: () => setFailure(undefined) };
}
