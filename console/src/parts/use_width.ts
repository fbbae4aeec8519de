// The width of an element in pixels, so that a picture is drawn at the size at which it is shown: its text keeps its size.
import { useEffect, useRef, useState } from "preact/hooks";
import type { RefObject } from "preact";

export function useWidth<E extends Element>(initial: number): { frame: RefObject<E>; width: number } {
  const frame = useRef<E>(null);
  const [width, setWidth] = useState(initial);
  useEffect(() => {
    if (!frame.current) return undefined;
    const observer = new ResizeObserver(([entry]) => entry && setWidth(Math.max(220, Math.round(entry.contentRect.width))));
    observer.observe(frame.current);
    return () => observer.disconnect();
  }, []);
  return { frame, width };
}
