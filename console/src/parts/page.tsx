// The head of each page. The focus goes there when the page changes, so that a screen reader says where one is.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

export function PageHead({ title, about, children }: { title: string; about: string; children?: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} – Padan`;
  }, [title]);
  useEffect(() => {
    if (hasLeftAPage) heading.current?.focus();
    hasLeftAPage = true;
  }, []);
  return (
    <header>
      <div>
        <h1 ref={heading} tabIndex={-1}>{title}</h1>
        <p>{about}</p>
      </div>
      {children && <div class="buttons">{children}</div>}
    </header>
  );
}

// At the first page the focus stays where the browser put it.
let hasLeftAPage = false;
